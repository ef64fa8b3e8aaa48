namespace HotModel.Sessions;

/// <summary>
/// One request and its answer in a session. No other turn of the session runs until it is disposed; disposed without
/// <see cref="Complete"/> it leaves no trace.
/// </summary>
internal sealed class Turn : IDisposable
{
    private readonly SessionStore store;
    private readonly TurnGates gates;
    private readonly TurnPlan plan;
    private bool completed;
    private int disposed;

    public Turn(SessionStore store, TurnGates gates, TurnPlan plan)
    {
        this.store = store;
        this.gates = gates;
        this.plan = plan;
    }

    public string SessionId => plan.SessionId;
    public bool IsNew => plan.Key is null;
    /// <summary>The client's system messages: this request's, else those the session has.</summary>
    public IReadOnlyList<ChatMessage> ClientSystem => plan.ClientSystem;
    /// <summary>
    /// Stored messages that go before <see cref="Incoming"/>; empty when the client itself resent them.
    /// </summary>
    public IReadOnlyList<ChatMessage> History => plan.History;
    /// <summary>The request's messages as they came, without its leading system messages.</summary>
    public IReadOnlyList<ChatMessage> Incoming => plan.Incoming;
    /// <summary>What was said before stays as it was.</summary>
    public bool GoesOn => plan is { Key: not null, ReplaceFromSeq: null };
    /// <summary>
    /// Index into <see cref="History"/> followed by <see cref="Incoming"/> of the first message that is new in this
    /// turn; their count when none is. What comes before may be left out to keep a budget.
    /// </summary>
    public int FixedFrom => plan.History.Count + plan.FirstNew;

    /// <summary>
    /// Stores the turn's new messages and the answer, all or nothing. Only a complete answer may come here.
    /// </summary>
    public AppendResult Complete(ReadOnlyMemory<byte> assistantMessageJson, string model)
    {
        ObjectDisposedException.ThrowIf(disposed != 0, this);
        if (completed)
            throw new InvalidOperationException($"The turn of session {SessionId} is already complete.");
        completed = true;
        var messages = new List<NewMessage>(plan.Incoming.Count - plan.FirstNew + 1);
        var hash = plan.HashBeforeNew;
        for (var i = plan.FirstNew; i < plan.Incoming.Count; i++)
        {
            var message = plan.Incoming[i];
            hash = hash.Next(message.Json.Span);
            messages.Add(new NewMessage(message.Role, message.Json, hash, Model: null));
        }
        messages.Add(new NewMessage(
            "assistant", assistantMessageJson, hash.Next(assistantMessageJson.Span), model));
        return store.Append(
            new TurnWrite(
                plan.SessionId, plan.Key, plan.ReplaceFromSeq,
                plan.HasOwnSystem ? [.. plan.ClientSystem.Select(message => message.Json)] : null, messages),
            gates.IsHeld);
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref disposed, 1) == 0)
            gates.Leave(plan.SessionId);
    }
}

/// <summary>What a turn sends and stores.</summary>
/// <param name="SessionId">Its session.</param>
/// <param name="Key">Null: the session is new.</param>
/// <param name="ClientSystem">To send.</param>
/// <param name="HasOwnSystem">They came with this request and are to be stored.</param>
/// <param name="History">Stored messages to send first.</param>
/// <param name="Incoming">The request's.</param>
/// <param name="FirstNew">Index into <paramref name="Incoming"/> of the first one that is not stored yet.</param>
/// <param name="HashBeforeNew">Of the history up to there.</param>
/// <param name="ReplaceFromSeq">The first stored message that the request replaces.</param>
internal sealed record TurnPlan(
    string SessionId,
    long? Key,
    IReadOnlyList<ChatMessage> ClientSystem,
    bool HasOwnSystem,
    IReadOnlyList<ChatMessage> History,
    IReadOnlyList<ChatMessage> Incoming,
    int FirstNew,
    MessageHash HashBeforeNew,
    long? ReplaceFromSeq);
