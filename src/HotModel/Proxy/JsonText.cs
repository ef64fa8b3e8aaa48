using System.Text.Json;
using System.Text.Unicode;
using HotModel.Sessions;

namespace HotModel.Proxy;

internal static class JsonText
{
    /// <summary>A JSON string, quotes included.</summary>
    public static byte[] Quote(string text) =>
    [
        (byte)'"',
        .. JsonEncodedText.Encode(text, ReadableJson.Encoder).EncodedUtf8Bytes,
        (byte)'"',
    ];

    /// <summary>The text of a JSON string, quotes included. Null where it has an unpaired surrogate.</summary>
    public static string? Unquote(ReadOnlySpan<byte> json)
    {
        try
        {
            var reader = new Utf8JsonReader(json);
            reader.Read();
            return reader.GetString();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>Whether every parser takes it: one unpaired surrogate that is stored would spoil its session.</summary>
    public static bool IsSound(ReadOnlySpan<byte> json)
    {
        if (!Utf8.IsValid(json))
            return false;
        bool mayHaveSurrogates = json.IndexOf("\\u"u8) >= 0;
        try
        {
            var reader = new Utf8JsonReader(json, MessageJson.ReaderOptions);
            while (reader.Read())
            {
                if (mayHaveSurrogates && reader.ValueIsEscaped)
                    _ = reader.GetString();
            }
            return true;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>Throws InvalidOperationException on a name with an unpaired surrogate: it cannot be compared either.</summary>
    /// <param name="json">Valid.</param>
    public static void CheckNames(ReadOnlySpan<byte> json)
    {
        if (json.IndexOf("\\ud"u8) < 0 && json.IndexOf("\\uD"u8) < 0)
            return;
        var reader = new Utf8JsonReader(json, MessageJson.ReaderOptions);
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.PropertyName && reader.ValueIsEscaped)
                _ = reader.GetString();
        }
    }

    /// <summary>Whether brackets nest deeper, be it JSON or not: parsers take memory for each level before they know.</summary>
    public static bool IsDeeperThan(int levels, ReadOnlySpan<byte> text)
    {
        int depth = 0;
        bool isInString = false;
        for (int i = 0; i < text.Length; i++)
        {
            byte value = text[i];
            if (isInString && value == '\\')
                i++;
            else if (value == '"')
                isInString = !isInString;
            else if (!isInString && value is (byte)'[' or (byte)'{' && ++depth > levels)
                return true;
            else if (!isInString && value is (byte)']' or (byte)'}')
                depth--;
        }
        return false;
    }

    /// <summary>A member of an object with the comma behind it, else the one before it.</summary>
    public static Extent WithOneComma(ReadOnlySpan<byte> bytes, int start, int end)
    {
        int next = end + IndexOfNonSpace(bytes[end..]);
        if (next < bytes.Length && bytes[next] == (byte)',')
            return new(start, next + 1);
        int before = start - 1;
        while (IsSpace(bytes[before]))
            before--;
        return bytes[before] == (byte)',' ? new(before, end) : new(start, end);
    }

    private static int IndexOfNonSpace(ReadOnlySpan<byte> bytes)
    {
        int index = bytes.IndexOfAnyExcept(" \t\r\n"u8);
        return index < 0 ? bytes.Length : index;
    }

    private static bool IsSpace(byte b) => b is (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n';
}
