namespace HotModel.Sessions;

/// <summary>Finds the session that a request belongs to, and what of the request is new in it.</summary>
internal sealed class Conversations(SessionStore store, TimeProvider time)
{
    private readonly TurnGates gates = new(time);

    /// <summary>
    /// Begins a turn. Null: an earlier turn of the named session took longer than <paramref name="wait"/>.
    /// </summary>
    /// <param name="sessionId">As the client named it, validated; null: recognised by its messages.</param>
    /// <param name="messages">All messages of the request, in order.</param>
    /// <param name="wait">For earlier turns of a named session; an unnamed request never waits.</param>
    /// <param name="cancel">The client left.</param>
    public async ValueTask<Turn?> BeginAsync(
        string? sessionId, IReadOnlyList<ChatMessage> messages, TimeSpan wait, CancellationToken cancel)
    {
        var request = Request.Of(messages);
        if (sessionId is null)
            return BeginUnnamed(request);
        if (!SessionId.TryValidate(sessionId, out var error))
            throw new ArgumentException(error, nameof(sessionId));
        if (!await gates.EnterAsync(sessionId, wait, cancel))
            return null;
        return BeginEntered(sessionId, () => PlanNamed(sessionId, request));
    }

    private Turn BeginUnnamed(Request request)
    {
        if (TryContinue(request) is { } turn)
            return turn;
        var id = SessionId.New();
        gates.TryEnter(id);
        return BeginEntered(id, () => PlanNew(id, request))!;
    }

    /// <summary>The longest beginning of the request that is the whole history of a stored session.</summary>
    private Turn? TryContinue(Request request)
    {
        if (request.FirstAnswer < 0)
            return null;
        var hashes = request.Hashes();
        for (var count = request.Incoming.Count; count > request.FirstAnswer; count--)
        {
            var heads = store.FindByLastHash(hashes[count - 1]);
            foreach (var head in heads)
            {
                if (!gates.TryEnter(head.Id))
                    continue;
                if (BeginEntered(head.Id, () => PlanContinued(head, request, count)) is { } turn)
                    return turn;
            }
            if (heads.Count > 0)
                return null;
        }
        return null;
    }

    /// <summary>Null, and the gate left again, where there is no plan.</summary>
    private Turn? BeginEntered(string id, Func<TurnPlan?> plan)
    {
        Turn? turn = null;
        try
        {
            return turn = plan() is { } made ? new Turn(store, gates, made) : null;
        }
        finally
        {
            if (turn is null)
                gates.Leave(id);
        }
    }

    /// <summary>Null: the session moved on between the look at it and the gate.</summary>
    private TurnPlan? PlanContinued(SessionHead seen, Request request, int same) =>
        store.Find(seen.Id) is { } now && now.Key == seen.Key && now.LastHash == seen.LastHash
            ? PlanResend(now, request, same, now.LastHash, replaceFromSeq: null)
            : null;

    private TurnPlan PlanNamed(string id, Request request)
    {
        if (store.Find(id) is not { } head)
            return PlanNew(id, request);
        if (request.FirstAnswer >= 0)
        {
            var stored = store.ReadHashes(head.Key);
            var incoming = request.Hashes();
            var same = 0;
            while (same < Math.Min(stored.Count, incoming.Length) && stored[same].Hash == incoming[same])
                same++;
            // A beginning without an answer proves nothing: many conversations begin with "hi".
            if (same > request.FirstAnswer)
            {
                return PlanResend(
                    head, request, same, incoming[same - 1], same < stored.Count ? stored[same].Seq : null);
            }
        }
        return new TurnPlan(
            id, head.Key, SystemOf(head, request), request.System.Count > 0, store.ReadHistory(head.Key),
            request.Incoming, FirstNew: 0, head.LastHash, ReplaceFromSeq: null);
    }

    private static TurnPlan PlanNew(string id, Request request) => new(
        id, Key: null, request.System, HasOwnSystem: request.System.Count > 0, History: [], request.Incoming,
        FirstNew: 0, MessageHash.Start, ReplaceFromSeq: null);

    private static TurnPlan PlanResend(
        SessionHead head, Request request, int same, MessageHash hash, long? replaceFromSeq) => new(
        head.Id, head.Key, SystemOf(head, request), request.System.Count > 0, History: [], request.Incoming,
        FirstNew: same, hash, replaceFromSeq);

    private static IReadOnlyList<ChatMessage> SystemOf(SessionHead head, Request request) =>
        request.System.Count > 0 ? request.System : [.. head.ClientSystem.Select(MessageJson.Read)];

    /// <param name="System">Leading system messages: instructions of the client, not history.</param>
    /// <param name="Incoming">All that follows.</param>
    /// <param name="FirstAnswer">Index of the first assistant message or tool result in it, or -1.</param>
    private sealed record Request(
        IReadOnlyList<ChatMessage> System, IReadOnlyList<ChatMessage> Incoming, int FirstAnswer)
    {
        public static Request Of(IReadOnlyList<ChatMessage> messages)
        {
            var leading = messages.TakeWhile(message => message.IsSystem).ToList();
            var incoming = messages.Skip(leading.Count).ToList();
            return new Request(
                leading, incoming, incoming.FindIndex(message => message.Role == "assistant" || message.IsToolResult));
        }

        public MessageHash[] Hashes()
        {
            var hashes = new MessageHash[Incoming.Count];
            var hash = MessageHash.Start;
            for (var i = 0; i < hashes.Length; i++)
                hashes[i] = hash = hash.Next(Incoming[i].Json.Span);
            return hashes;
        }
    }
}
