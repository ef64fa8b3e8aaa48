using System.Text;

namespace HotModel.Proxy;

/// <param name="Where">In the client's body; empty where something is put in.</param>
/// <param name="Pieces">What stands there instead.</param>
internal readonly record struct BodyEdit(Extent Where, IReadOnlyList<ReadOnlyMemory<byte>> Pieces);

/// <summary>The upstream's body: the client's with the model's id and the prompt, and without a session.</summary>
/// <remarks>A list of pieces of the client's body, of stored messages and of our own: nothing is copied.</remarks>
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
    /// <param name="slot">In which llama-server is to answer; null: in any.</param>
    public static RequestSplice Create(
        ChatRequest request, string model, IReadOnlyList<ReadOnlyMemory<byte>> messages, int? slot = null)
    {
        byte[] quotedModel = JsonText.Quote(model);
        var edits = new List<BodyEdit>(4);
        // What is inserted is always followed by another property: "messages" is never cut.
        var afterBrace = new Extent(request.ObjectStart + 1, request.ObjectStart + 1);
        if (slot is { } chosen)
            edits.Add(new(afterBrace, [Encoding.ASCII.GetBytes($"\"id_slot\":{chosen},")]));
        if (request.ModelValue is { } modelValue)
            edits.Add(new(modelValue, [quotedModel]));
        else
            edits.Add(new(afterBrace, ["\"model\":"u8.ToArray(), quotedModel, Comma]));
        edits.Add(new(request.MessagesValue, ArrayOf(messages)));
        if (request.SessionProperty is { } sessionProperty)
            edits.Add(new(sessionProperty, []));
        return Of(request.Body, edits);
    }

    /// <param name="request">What the client sent.</param>
    /// <param name="model">The id under which the upstream knows the model.</param>
    /// <param name="prompt">What becomes of the member that carries the instructions; null: nothing.</param>
    public static RequestSplice Create(JsonObjectBody request, string model, PromptEdit? prompt)
    {
        byte[] quotedModel = JsonText.Quote(model);
        var edits = new List<BodyEdit>(3);
        var inserted = new List<ReadOnlyMemory<byte>>();
        int membersLeft = request.MemberCount;
        if (request.Model is { } named)
            edits.Add(new(named.Value, [quotedModel]));
        else
            inserted.AddRange(["\"model\":"u8.ToArray(), quotedModel]);
        if (prompt is { IsCut: true })
        {
            membersLeft -= request.PromptCount;
            edits.AddRange(request.PromptProperties.Select(property => new BodyEdit(property, [])));
        }
        else if (prompt is { } change && request.Prompt is { } member)
        {
            edits.Add(new(member.Value, change.Value));
        }
        else if (prompt is { } added)
        {
            if (inserted.Count > 0)
                inserted.Add(Comma);
            inserted.Add(added.Name);
            inserted.AddRange(added.Value);
        }
        if (inserted.Count > 0 && membersLeft > 0)
            inserted.Add(Comma);
        // First of those at one place: what stands behind the brace may be cut.
        return Of(request.Body, [new(new(request.Inside, request.Inside), inserted), .. edits]);
    }

    /// <summary>A body with some places changed; they do not overlap.</summary>
    public static RequestSplice Of(ReadOnlyMemory<byte> body, IReadOnlyList<BodyEdit> edits)
    {
        var splice = new RequestSplice();
        int copied = 0;
        foreach (BodyEdit edit in edits.OrderBy(edit => edit.Where.Start))
        {
            splice.Add(body[copied..edit.Where.Start]);
            foreach (ReadOnlyMemory<byte> piece in edit.Pieces)
                splice.Add(piece);
            copied = edit.Where.End;
        }
        splice.Add(body[copied..]);
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

    internal static List<ReadOnlyMemory<byte>> ArrayOf(IReadOnlyList<ReadOnlyMemory<byte>> messages)
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
}
