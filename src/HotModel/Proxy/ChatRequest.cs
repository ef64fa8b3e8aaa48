using System.Text.Json;
using System.Text.Unicode;
using HotModel.Sessions;

namespace HotModel.Proxy;

/// <summary>Where something lies in the body, in bytes.</summary>
internal readonly record struct Extent(int Start, int End);

/// <summary>Exactly one of the two is set; the error is one sentence for the client.</summary>
internal readonly record struct ChatRequestResult(ChatRequest? Request, string? Error);

/// <summary>The parts of a chat request that decide something, and where in the body they lie.</summary>
internal sealed record ChatRequest
{
    /// <summary>The body as it came; everything below points into it.</summary>
    public required ReadOnlyMemory<byte> Body { get; init; }
    /// <summary>Of the object's opening brace.</summary>
    public required int ObjectStart { get; init; }
    public required string? Model { get; init; }
    /// <summary>The value, quotes included; null where the body names no model.</summary>
    public required Extent? ModelValue { get; init; }
    public required bool Stream { get; init; }
    public required string? SessionId { get; init; }
    /// <summary>Name, value and one comma: what is left without it is still JSON.</summary>
    public required Extent? SessionProperty { get; init; }
    /// <summary>From [ to ].</summary>
    public required Extent MessagesValue { get; init; }
    public required IReadOnlyList<ChatMessage> Messages { get; init; }
    /// <summary>
    /// The client itself chose a slot of llama-server, wants several answers, which take one each, wants nothing reused, or
    /// has adapters of its own: what is computed under these is no use to others, and no passport tells it apart.
    /// </summary>
    public bool LeavesSlotOpen { get; init; }

    /// <summary>Says nothing but that its messages are to be answered, and has none.</summary>
    public static ChatRequest Plain { get; } = new()
    {
        Body = "{\"messages\":[]}"u8.ToArray(),
        ObjectStart = 0,
        Model = null,
        ModelValue = null,
        Stream = false,
        SessionId = null,
        SessionProperty = null,
        MessagesValue = new(12, 14),
        Messages = [],
    };

    /// <summary>
    /// A copy of what else there is than messages, such as tools and arguments of the template: they shape a prompt too.
    /// </summary>
    public ChatRequest WithoutMessages()
    {
        ReadOnlySpan<byte> body = Body.Span;
        int start = MessagesValue.Start;
        int shift = MessagesValue.End - start - 2;
        Extent? Moved(Extent? extent) =>
            extent is { } at && at.Start > start ? new(at.Start - shift, at.End - shift) : extent;
        return this with
        {
            Body = (byte[])[.. body[..start], .. "[]"u8, .. body[MessagesValue.End..]],
            ModelValue = Moved(ModelValue),
            SessionProperty = Moved(SessionProperty),
            MessagesValue = new(start, start + 2),
            Messages = [],
        };
    }

    /// <summary>Reads a body without building anything of it but the list of its messages.</summary>
    public static ChatRequestResult Read(ReadOnlyMemory<byte> body)
    {
        ReadOnlySpan<byte> bytes = body.Span;
        if (bytes.StartsWith("\uFEFF"u8))
            return new(null, "The body begins with a byte order mark; it must be plain UTF-8 JSON.");
        // The JSON reader lets broken UTF-8 in strings pass, and what is stored once is sent for ever.
        if (!Utf8.IsValid(bytes))
            return new(null, "The body is not valid UTF-8.");
        try
        {
            ChatRequestResult result = new ChatRequestReader(body).Read();
            // Those that look at the messages later compare names at any depth.
            if (result.Error is null)
                JsonText.CheckNames(bytes);
            return result;
        }
        catch (JsonException e)
        {
            return new(null, $"The body is not JSON at line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}; "
                + "it must be one JSON object without comments, nested at most "
                + $"{MessageJson.DepthLimit} levels deep.");
        }
        catch (InvalidOperationException)
        {
            return new(null, "The body has a string with an unpaired surrogate (\\uD800 to \\uDFFF).");
        }
    }
}
