namespace HotModel.Proxy;

/// <summary>The upstream's body: the client's with the model's id, the prompt's messages, and no session.</summary>
/// <remarks>A list of pieces of the client's body and of the stored messages: nothing is copied.</remarks>
internal sealed class RequestSplice
{
    private static readonly byte[] Comma = [(byte)','];

    private readonly List<ReadOnlyMemory<byte>> pieces = [];

    private RequestSplice() { }

    /// <summary>One JSON text, in order.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> Pieces => pieces;

    /// <param name="request">What the client sent.</param>
    /// <param name="model">The id under which the upstream knows the model.</param>
    /// <param name="messages">The prompt, each message from { to }.</param>
    public static RequestSplice Create(
        ChatRequest request, string model, IReadOnlyList<ReadOnlyMemory<byte>> messages)
    {
        var splice = new RequestSplice();
        byte[] quotedModel = JsonText.Quote(model);
        var edits = new List<Edit>(3) { new(request.MessagesValue, Array(messages)) };
        if (request.ModelValue is { } modelValue)
        {
            edits.Add(new(modelValue, [quotedModel]));
        }
        else
        {
            // What is inserted is always followed by another property: "messages" is never cut.
            int afterBrace = request.ObjectStart + 1;
            edits.Add(new(new(afterBrace, afterBrace), ["\"model\":"u8.ToArray(), quotedModel, Comma]));
        }
        if (request.SessionProperty is { } sessionProperty)
            edits.Add(new(sessionProperty, []));

        int copied = 0;
        foreach (Edit edit in edits.OrderBy(edit => edit.Where.Start))
        {
            splice.Add(request.Body[copied..edit.Where.Start]);
            foreach (ReadOnlyMemory<byte> piece in edit.Pieces)
                splice.Add(piece);
            copied = edit.Where.End;
        }
        splice.Add(request.Body[copied..]);
        return splice;
    }

    /// <summary>A body of our own.</summary>
    public static RequestSplice Of(params ReadOnlySpan<ReadOnlyMemory<byte>> pieces)
    {
        var splice = new RequestSplice();
        foreach (ReadOnlyMemory<byte> piece in pieces)
            splice.Add(piece);
        return splice;
    }

    private static List<ReadOnlyMemory<byte>> Array(IReadOnlyList<ReadOnlyMemory<byte>> messages)
    {
        var pieces = new List<ReadOnlyMemory<byte>>(2 * messages.Count + 1) { "["u8.ToArray() };
        for (int i = 0; i < messages.Count; i++)
        {
            if (i > 0)
                pieces.Add(Comma);
            pieces.Add(messages[i]);
        }
        pieces.Add("]"u8.ToArray());
        return pieces;
    }

    private void Add(ReadOnlyMemory<byte> piece)
    {
        if (!piece.IsEmpty)
            pieces.Add(piece);
    }

    private readonly record struct Edit(Extent Where, IReadOnlyList<ReadOnlyMemory<byte>> Pieces);
}
