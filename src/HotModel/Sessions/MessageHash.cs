using System.Buffers;
using System.Buffers.Binary;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace HotModel.Sessions;

/// <summary>
/// Rolling hash of a conversation: h(i) = H(h(i-1), message i). Equal hashes mean equal conversations up to there, in
/// the canonical form in which a message that a client sends again equals the one it first sent or was sent.
/// </summary>
/// <remarks>
/// Canonical are: role, name, tool_call_id, the content (text parts joined and trimmed; other parts by their JSON
/// values), and of each tool call its id, name and arguments. Everything else (reasoning_content, refusal, annotations,
/// audio, whatever a client adds), null and empty fields, the order of properties, white space and escapes do not
/// matter. Not cryptographic: who can make collisions can as well send the messages themselves.
/// </remarks>
internal readonly record struct MessageHash(UInt128 Value)
{
    private const int Size = 16;

    /// <summary>Of the conversation without messages.</summary>
    public static MessageHash Start => default;

    public static MessageHash FromBytes(ReadOnlySpan<byte> bytes) => new(BinaryPrimitives.ReadUInt128BigEndian(bytes));

    public byte[] ToBytes()
    {
        var bytes = new byte[Size];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, Value);
        return bytes;
    }

    /// <summary>The hash of the conversation with one more message.</summary>
    public MessageHash Next(ReadOnlySpan<byte> messageJson)
    {
        UInt128 role = 0, name = 0, content = 0, calls = 0, callId = 0;
        var reader = new Utf8JsonReader(messageJson, MessageJson.ReaderOptions);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            switch (FieldOf(ref reader))
            {
                case Field.Role: role = OfField(ref reader); break;
                case Field.Name: name = OfField(ref reader); break;
                case Field.Content: content = OfContent(ref reader); break;
                case Field.ToolCalls: calls = OfToolCalls(ref reader); break;
                case Field.FunctionCall: calls = OfFunction(ref reader); break;
                case Field.ToolCallId: callId = OfField(ref reader); break;
                case Field.Ignored: reader.Skip(); break;
            }
        }
        return new MessageHash(Combine(Value, role, name, content, calls, callId));
    }

    private enum Field { Ignored, Role, Name, Content, ToolCalls, FunctionCall, ToolCallId }

    /// <summary>Leaves the reader on the field's value. A null counts as absent.</summary>
    private static Field FieldOf(ref Utf8JsonReader reader)
    {
        var field = reader.ValueTextEquals("role"u8) ? Field.Role
            : reader.ValueTextEquals("name"u8) ? Field.Name
            : reader.ValueTextEquals("content"u8) ? Field.Content
            : reader.ValueTextEquals("tool_calls"u8) ? Field.ToolCalls
            : reader.ValueTextEquals("function_call"u8) ? Field.FunctionCall
            : reader.ValueTextEquals("tool_call_id"u8) ? Field.ToolCallId
            : Field.Ignored;
        reader.Read();
        return reader.TokenType == JsonTokenType.Null ? Field.Ignored : field;
    }

    private static UInt128 OfField(ref Utf8JsonReader reader) =>
        reader.TokenType == JsonTokenType.String ? OfText(ref reader) : OfValue(ref reader);

    private static UInt128 OfText(ref Utf8JsonReader reader)
    {
        using var text = new MessageText(ref reader);
        return OfText(text.Bytes);
    }

    private static UInt128 OfText(ReadOnlySpan<byte> text) => text.IsEmpty ? 0 : XxHash128.HashToUInt128(text);

    /// <summary>A string, an array of parts, or whatever else a client sends.</summary>
    private static UInt128 OfContent(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.String)
        {
            using var text = new MessageText(ref reader);
            return OfText(MessageText.Trim(text.Bytes));
        }
        if (reader.TokenType != JsonTokenType.StartArray)
            return OfValue(ref reader);
        UInt128 content = 0;
        var run = new ArrayBufferWriter<byte>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            var part = reader;
            if (MessageJson.ReadTextPart(ref reader, out var text))
            {
                using var bytes = new MessageText(ref text);
                run.Write(bytes.Bytes);
                continue;
            }
            content = Combine(WithText(content, run), OfValue(ref part));
        }
        return WithText(content, run);
    }

    /// <summary>Adds a run of text parts, which equals one string; an empty one is nothing.</summary>
    private static UInt128 WithText(UInt128 content, ArrayBufferWriter<byte> run)
    {
        var text = OfText(MessageText.Trim(run.WrittenSpan));
        run.ResetWrittenCount();
        return text == 0 ? content : content == 0 ? text : Combine(content, text);
    }

    private static UInt128 OfToolCalls(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            return OfValue(ref reader);
        UInt128 calls = 0;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.StartObject)
            {
                calls = Combine(calls, OfValue(ref reader));
                continue;
            }
            UInt128 id = 0, function = 0;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var isId = reader.ValueTextEquals("id"u8);
                var isFunction = reader.ValueTextEquals("function"u8);
                reader.Read();
                if (isId && reader.TokenType != JsonTokenType.Null)
                    id = OfField(ref reader);
                else if (isFunction)
                    function = OfFunction(ref reader);
                else
                    reader.Skip();
            }
            calls = Combine(calls, id, function);
        }
        return calls;
    }

    private static UInt128 OfFunction(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            return OfValue(ref reader);
        UInt128 name = 0, arguments = 0;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isName = reader.ValueTextEquals("name"u8);
            var isArguments = reader.ValueTextEquals("arguments"u8);
            reader.Read();
            if (isName)
                name = OfField(ref reader);
            else if (isArguments)
                arguments = OfArguments(ref reader);
            else
                reader.Skip();
        }
        return Combine(name, arguments);
    }

    /// <summary>By value where the string is JSON: clients parse arguments and write them anew.</summary>
    private static UInt128 OfArguments(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.String)
            return OfValue(ref reader);
        using var text = new MessageText(ref reader);
        try
        {
            var inner = new Utf8JsonReader(text.Bytes);
            if (!inner.Read())
                return 0;
            var value = OfValue(ref inner);
            return inner.Read() ? OfText(text.Bytes) : value;
        }
        catch (JsonException)
        {
            // A model may write arguments that are not JSON; they are then text like any other.
            return OfText(text.Bytes);
        }
    }

    private static UInt128 OfValue(ref Utf8JsonReader reader)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.String:
                return Combine((byte)'s', OfText(ref reader));
            case JsonTokenType.StartArray:
                UInt128 items = (byte)'a';
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                    items = Combine(items, OfValue(ref reader));
                return items;
            case JsonTokenType.StartObject:
                // A sum, because it does not depend on the order of the properties.
                UInt128 properties = (byte)'o';
                while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
                {
                    var name = OfText(ref reader);
                    reader.Read();
                    properties += reader.TokenType == JsonTokenType.Null ? 0 : Combine(name, OfValue(ref reader));
                }
                return properties;
            default:
                return Combine((byte)'v', OfText(reader.ValueSpan));
        }
    }

    private static UInt128 Combine(params ReadOnlySpan<UInt128> values) =>
        XxHash128.HashToUInt128(MemoryMarshal.AsBytes(values));
}
