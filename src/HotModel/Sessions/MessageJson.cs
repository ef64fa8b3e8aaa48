using System.Text;
using System.Text.Json;

namespace HotModel.Sessions;

/// <summary>What decisions need of a message's JSON object.</summary>
internal static class MessageJson
{
    // Tool schemas nest: the usual 64 has been reached by generated ones. The reader does not recurse, so this only
    // bounds a bit stack.
    public const int DepthLimit = 256;

    /// <summary>For whatever may hold a message: what one reader takes, the next one must not throw at.</summary>
    public static readonly JsonReaderOptions ReaderOptions = new() { MaxDepth = DepthLimit };

    public static ChatMessage Read(ReadOnlyMemory<byte> json)
    {
        var reader = new Utf8JsonReader(json.Span, ReaderOptions);
        reader.Read();
        var role = "";
        var hasToolCalls = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isRole = reader.ValueTextEquals("role"u8);
            var isToolCalls = reader.ValueTextEquals("tool_calls"u8);
            reader.Read();
            if (isRole && reader.TokenType == JsonTokenType.String)
                role = Text(ref reader);
            if (isToolCalls && reader.TokenType == JsonTokenType.StartArray)
            {
                var first = reader;
                hasToolCalls = first.Read() && first.TokenType != JsonTokenType.EndArray;
            }
            reader.Skip();
        }
        return new ChatMessage(json, role, hasToolCalls && role == "assistant");
    }

    /// <summary>
    /// The characters that count against budgets: the Unicode code points of the content's text (a string, or the text
    /// parts), and of the name and arguments of tool calls. Images and other parts count nothing.
    /// </summary>
    public static int CountChars(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, ReaderOptions);
        reader.Read();
        var chars = 0;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isContent = reader.ValueTextEquals("content"u8);
            var isCalls = reader.ValueTextEquals("tool_calls"u8) || reader.ValueTextEquals("function_call"u8);
            reader.Read();
            if (isContent)
                chars += ContentChars(ref reader);
            else if (isCalls)
                chars += CallChars(ref reader);
            else
                reader.Skip();
        }
        return chars;
    }

    /// <summary>The content when it is text and nothing else; "" where it is null or absent; null otherwise.</summary>
    public static string? PlainText(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, ReaderOptions);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isContent = reader.ValueTextEquals("content"u8);
            reader.Read();
            if (isContent)
                return PlainContent(ref reader);
            reader.Skip();
        }
        return "";
    }

    /// <summary>Moves over one part of a content array; true and its text where it is a text part.</summary>
    /// <param name="reader">Stands on the part's first token, afterwards on its last.</param>
    /// <param name="text">Stands on the text.</param>
    public static bool ReadTextPart(ref Utf8JsonReader reader, out Utf8JsonReader text)
    {
        text = reader;
        if (reader.TokenType == JsonTokenType.String)
            return true;
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return false;
        }
        var (isTextType, hasText) = (false, false);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isType = reader.ValueTextEquals("type"u8);
            var isText = reader.ValueTextEquals("text"u8);
            reader.Read();
            if (isType)
                isTextType = reader.TokenType == JsonTokenType.String && IsText(ref reader);
            if (isText && reader.TokenType == JsonTokenType.String)
            {
                text = reader;
                hasText = true;
            }
            reader.Skip();
        }
        return isTextType && hasText;
    }

    private static bool IsText(ref Utf8JsonReader type)
    {
        try
        {
            return type.ValueTextEquals("text"u8);
        }
        catch (InvalidOperationException)
        {
            // An unpaired surrogate is in no text that we know.
            return false;
        }
    }

    /// <summary>Cuts a JSON array into its items' bytes.</summary>
    public static List<ReadOnlyMemory<byte>> Items(ReadOnlyMemory<byte> jsonArray)
    {
        var items = new List<ReadOnlyMemory<byte>>();
        var reader = new Utf8JsonReader(jsonArray.Span, ReaderOptions);
        reader.Read();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            var start = (int)reader.TokenStartIndex;
            reader.Skip();
            items.Add(jsonArray[start..(int)reader.BytesConsumed]);
        }
        return items;
    }

    /// <summary>Cuts off the system messages that a JSON array begins with.</summary>
    /// <param name="jsonArray">Of messages.</param>
    /// <param name="most">So many at most; further ones are among the others.</param>
    /// <returns>They, and in one piece what stands behind them, up to the array's end; empty where that is nothing.</returns>
    public static (List<ChatMessage> System, ReadOnlyMemory<byte> Others) SystemAndOthers(
        ReadOnlyMemory<byte> jsonArray, int most)
    {
        var system = new List<ChatMessage>();
        var reader = new Utf8JsonReader(jsonArray.Span, ReaderOptions);
        reader.Read();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            var start = (int)reader.TokenStartIndex;
            var others = jsonArray[start..^1];
            if (reader.TokenType != JsonTokenType.StartObject || system.Count == most)
                return (system, others);
            reader.Skip();
            var message = Read(jsonArray[start..(int)reader.BytesConsumed]);
            if (!message.IsSystem)
                return (system, others);
            system.Add(message);
        }
        return (system, default);
    }

    /// <summary>The same JSON on one line: insignificant white space is left out, every other byte stays.</summary>
    public static byte[] OneLine(ReadOnlySpan<byte> json)
    {
        var line = new byte[json.Length];
        var (length, inString, escaped) = (0, false, false);
        foreach (var unit in json)
        {
            if (!inString && unit is (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n')
                continue;
            if (unit == '"' && !escaped)
                inString = !inString;
            escaped = inString && unit == '\\' && !escaped;
            line[length++] = unit;
        }
        return line.AsSpan(0, length).ToArray();
    }

    private static string? PlainContent(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.Null)
            return "";
        if (reader.TokenType == JsonTokenType.String)
            return Text(ref reader);
        if (reader.TokenType != JsonTokenType.StartArray)
            return null;
        var content = new StringBuilder();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (!ReadTextPart(ref reader, out var text))
                return null;
            content.Append(Text(ref text));
        }
        return content.ToString();
    }

    private static int ContentChars(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.String)
            return Chars(ref reader);
        var chars = 0;
        if (reader.TokenType == JsonTokenType.StartArray)
        {
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                if (ReadTextPart(ref reader, out var text))
                    chars += Chars(ref text);
            }
        }
        else
        {
            reader.Skip();
        }
        return chars;
    }

    /// <summary>
    /// Names and arguments of {"function":{"name","arguments"}} and of the older {"name","arguments"}.
    /// </summary>
    private static int CallChars(ref Utf8JsonReader reader)
    {
        var chars = 0;
        var outside = reader.CurrentDepth;
        if (reader.TokenType is not (JsonTokenType.StartArray or JsonTokenType.StartObject))
            return 0;
        while (reader.Read() && reader.CurrentDepth > outside)
        {
            if (reader.TokenType != JsonTokenType.PropertyName)
                continue;
            var counts = reader.ValueTextEquals("name"u8) || reader.ValueTextEquals("arguments"u8);
            if (!counts)
                continue;
            reader.Read();
            if (reader.TokenType == JsonTokenType.String)
                chars += Chars(ref reader);
            else
                reader.Skip();
        }
        return chars;
    }

    private static int Chars(ref Utf8JsonReader reader)
    {
        using var text = new MessageText(ref reader);
        return MessageText.CountChars(text.Bytes);
    }

    private static string Text(ref Utf8JsonReader reader)
    {
        using var text = new MessageText(ref reader);
        return Encoding.UTF8.GetString(text.Bytes);
    }
}
