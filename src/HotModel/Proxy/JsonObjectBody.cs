using System.Text.Json;

namespace HotModel.Proxy;

/// <summary>A member of a JSON object.</summary>
/// <param name="Property">Name, value and one comma: what is left without it is still JSON.</param>
/// <param name="Value">The value alone.</param>
/// <param name="Type">Of the value's first token.</param>
internal readonly record struct JsonMember(Extent Property, Extent Value, JsonTokenType Type);

/// <summary>A request's body that is a JSON object, and the members of it that are changed on the way.</summary>
internal sealed record JsonObjectBody
{
    // llama-server's own parser has no bound. The reader does not recurse, so this only bounds a bit stack.
    private const int DepthLimit = 1 << 16;

    public required ReadOnlyMemory<byte> Body { get; init; }
    /// <summary>Behind the opening brace.</summary>
    public required int Inside { get; init; }
    public required int MemberCount { get; init; }
    public required JsonMember? Model { get; init; }
    /// <summary>The one that carries the instructions.</summary>
    public required JsonMember? Prompt { get; init; }

    /// <summary>Null where the body is something else: llama-server says best what is wrong with it.</summary>
    /// <param name="body">As it came.</param>
    /// <param name="prompt">The name of <see cref="Prompt"/>; empty: none is looked for.</param>
    /// <remarks>Of two members with one name llama-server obeys the last, so that is the one that is found.</remarks>
    public static JsonObjectBody? Read(ReadOnlyMemory<byte> body, ReadOnlySpan<byte> prompt)
    {
        // llama-server skips it too.
        int start = body.Span.StartsWith("\uFEFF"u8) ? 3 : 0;
        try
        {
            var reader = new Utf8JsonReader(body.Span[start..], new JsonReaderOptions { MaxDepth = DepthLimit });
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                return null;
            int inside = start + (int)reader.BytesConsumed;
            int count = 0;
            JsonMember? modelMember = null;
            JsonMember? promptMember = null;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                count++;
                bool isModel = reader.ValueTextEquals("model"u8);
                bool isPrompt = !prompt.IsEmpty && reader.ValueTextEquals(prompt);
                if (isModel)
                    modelMember = Member(ref reader, body.Span, start);
                else if (isPrompt)
                    promptMember = Member(ref reader, body.Span, start);
                else
                    reader.Skip();
            }
            // Throws on anything but white space behind the object.
            reader.Read();
            return new JsonObjectBody
            {
                Body = body,
                Inside = inside,
                MemberCount = count,
                Model = modelMember,
                Prompt = promptMember,
            };
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static JsonMember Member(ref Utf8JsonReader reader, ReadOnlySpan<byte> body, int start)
    {
        int name = start + (int)reader.TokenStartIndex;
        reader.Read();
        var (type, value) = (reader.TokenType, start + (int)reader.TokenStartIndex);
        reader.Skip();
        int end = start + (int)reader.BytesConsumed;
        return new(JsonText.WithOneComma(body, name, end), new(value, end), type);
    }
}
