using System.Text.Json;
using HotModel.Sessions;

namespace HotModel.Proxy;

/// <summary>A member of a JSON object.</summary>
/// <param name="Value">The value alone.</param>
/// <param name="Type">Of the value's first token.</param>
internal readonly record struct JsonMember(Extent Value, JsonTokenType Type);

/// <summary>A request's body that is a JSON object, and the members of it that are changed on the way.</summary>
internal sealed record JsonObjectBody
{
    public required ReadOnlyMemory<byte> Body { get; init; }
    /// <summary>Behind the opening brace.</summary>
    public required int Inside { get; init; }
    public required int MemberCount { get; init; }
    public required JsonMember? Model { get; init; }
    /// <summary>Null where it is no text.</summary>
    public string? ModelName => Model is { Type: JsonTokenType.String } named
        ? JsonText.Unquote(Body.Span[named.Value.Start..named.Value.End]) : null;
    /// <summary>A stream of events is asked for.</summary>
    public required bool Stream { get; init; }
    /// <summary>The one that carries the instructions.</summary>
    public required JsonMember? Prompt { get; init; }
    /// <summary>How many members have its name.</summary>
    public required int PromptCount { get; init; }
    /// <summary>All of these, with the commas that go with them: what is left without them is still JSON.</summary>
    public required IReadOnlyList<Extent> PromptProperties { get; init; }

    /// <summary>Null where the body is something else: llama-server says best what is wrong with it.</summary>
    /// <param name="body">As it came.</param>
    /// <param name="prompt">The name of <see cref="Prompt"/>; empty: none is looked for.</param>
    /// <remarks>Of two members with one name llama-server obeys the last, so that is the one that is found.</remarks>
    public static JsonObjectBody? Read(ReadOnlyMemory<byte> body, ReadOnlySpan<byte> prompt)
    {
        // llama-server skips it too.
        int start = body.Span.StartsWith("\uFEFF"u8) ? 3 : 0;
        // To llama-server's parser a NUL is the end. Inside of JSON there is none.
        int nul = body.Span.IndexOf((byte)0);
        ReadOnlySpan<byte> text = nul < 0 ? body.Span : body.Span[..nul];
        try
        {
            var reader = new Utf8JsonReader(text[start..], MessageJson.ReaderOptions);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                return null;
            int inside = start + (int)reader.BytesConsumed;
            int count = 0;
            JsonMember? modelMember = null;
            JsonMember? promptMember = null;
            bool stream = false;
            int promptCount = 0;
            var promptProperties = new List<Extent>();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                count++;
                bool isModel = reader.ValueTextEquals("model"u8);
                bool isPrompt = !prompt.IsEmpty && reader.ValueTextEquals(prompt);
                int name = start + (int)reader.TokenStartIndex;
                if (isModel)
                {
                    modelMember = Member(ref reader, start);
                }
                else if (isPrompt)
                {
                    promptMember = Member(ref reader, start);
                    promptCount++;
                    AddProperty(promptProperties, text, name, promptMember.Value.Value.End);
                }
                else
                {
                    bool isStream = reader.ValueTextEquals("stream"u8);
                    reader.Read();
                    stream = isStream ? reader.TokenType == JsonTokenType.True : stream;
                    reader.Skip();
                }
            }
            // Throws on anything but white space behind the object.
            reader.Read();
            return new JsonObjectBody
            {
                Body = body,
                Inside = inside,
                MemberCount = count,
                Model = modelMember,
                Stream = stream,
                Prompt = promptMember,
                PromptCount = promptCount,
                PromptProperties = promptProperties,
            };
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static JsonMember Member(ref Utf8JsonReader reader, int start)
    {
        reader.Read();
        var (type, value) = (reader.TokenType, start + (int)reader.TokenStartIndex);
        reader.Skip();
        return new(new(value, start + (int)reader.BytesConsumed), type);
    }

    /// <remarks>The last member of an object takes the comma before it. One taken already makes the two one.</remarks>
    private static void AddProperty(List<Extent> properties, ReadOnlySpan<byte> body, int name, int end)
    {
        Extent property = JsonText.WithOneComma(body, name, end);
        while (properties.Count > 0 && property.Start < properties[^1].End)
        {
            property = JsonText.WithOneComma(body, properties[^1].Start, end);
            properties.RemoveAt(properties.Count - 1);
        }
        properties.Add(property);
    }
}
