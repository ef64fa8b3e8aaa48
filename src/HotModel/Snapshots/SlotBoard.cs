using HotModel.Sessions;

namespace HotModel.Snapshots;

/// <summary>Which conversation each slot of the loaded model holds. Not for several threads: its owner locks.</summary>
internal sealed class SlotBoard
{
    private readonly Entry[] entries;
    private long uses;

    public SlotBoard(int slots)
    {
        entries = new Entry[slots];
        for (var slot = 0; slot < slots; slot++)
            entries[slot] = new Entry();
    }

    /// <summary>
    /// Seats a conversation: in the slot that holds it, else in one that holds none, else in that of the conversation that
    /// was away longest. Null where a request runs in every slot, or in its own.
    /// </summary>
    /// <param name="session">The conversation.</param>
    /// <param name="running">Slots in which llama-server works, for whomever.</param>
    public SlotSeat? Take(string session, params IReadOnlyList<int> running)
    {
        var own = SlotOf(session);
        if (own is { } held && !entries[held].IsBusy)
            return running.Contains(held) ? null : Seat(held, session);
        return LeastUsed(slot => !running.Contains(slot)) is { } other ? Seat(other, session) : null;
    }

    /// <summary>
    /// Seats a conversation for work that nobody asked for: in its own slot, else in one that nobody has used, or whose
    /// conversation is not worth a file.
    /// </summary>
    /// <param name="session">The conversation.</param>
    /// <param name="worthTokens">From so many on, another conversation is left alone.</param>
    public SlotSeat? TakeAhead(string session, int worthTokens)
    {
        if (SlotOf(session) is { } own)
            return entries[own].IsBusy ? null : Seat(own, session);
        return LeastUsed(slot => entries[slot] is { IsCut: false } entry && entry.Tokens < worthTokens) is { } slot
            ? Seat(slot, session) : null;
    }

    /// <summary>The seat's conversation was read from a file into its slot.</summary>
    /// <param name="slot">The seat.</param>
    /// <param name="file">What was read.</param>
    /// <param name="history">Of the messages that it covers.</param>
    /// <param name="isBeginning">The conversation begins with all of it.</param>
    public void Restored(int slot, ReadFile file, MessageHash history, bool isBeginning)
    {
        var entry = entries[slot];
        entry.Hold(file.Tokens, history, isKept: true);
        (entry.Unproven, entry.FromFile) = (isBeginning ? file.Tokens : 0, file);
    }

    /// <summary>The whole answer has come.</summary>
    /// <param name="slot">Where its request ran.</param>
    /// <param name="held">What the slot holds now.</param>
    public void Leave(int slot, HeldTokens held)
    {
        entries[slot].IsBusy = false;
        entries[slot].Hold(held.Tokens, held.History, isKept: false);
        entries[slot].Unused = held.Unused;
    }

    /// <summary>
    /// A request ended otherwise: refused, cut, or its client left. What the slot held may be followed by more of it, which
    /// is looked at before the slot is saved.
    /// </summary>
    public void LeaveCut(int slot)
    {
        var entry = entries[slot];
        entry.IsBusy = false;
        entry.Hold(entry.Tokens, entry.History, entry.IsKept);
        entry.IsCut = true;
    }

    /// <summary>The seat's conversation has not come to its slot.</summary>
    /// <param name="slot">The seat.</param>
    /// <param name="still">What the slot holds as before; null: nothing that is known.</param>
    public void GiveUp(int slot, HeldConversation? still)
    {
        var entry = entries[slot];
        entry.Clear(still?.Session);
        entry.IsBusy = false;
        if (still is null)
        {
            // As one that nobody has used.
            entry.Used = 0;
            return;
        }
        entry.Hold(still.Tokens, still.History, still.IsKept);
        entry.IsCut = still.IsCut;
    }

    /// <summary>A file now holds what the slot does.</summary>
    public void Kept(int slot) => entries[slot].Hold(entries[slot].Tokens, entries[slot].History, isKept: true);

    /// <summary>Others than its conversations may have used the slots: what an answer reuses says nothing of a file.</summary>
    public void Doubt()
    {
        foreach (var entry in entries)
            entry.Hold(entry.Tokens, entry.History, entry.IsKept);
    }

    /// <summary>Other slots that hold a conversation and are at rest.</summary>
    public IReadOnlyList<int> IdleBeside(int slot) =>
    [
        .. Enumerable.Range(0, entries.Length)
            .Where(other => other != slot && entries[other] is { Session: not null, IsBusy: false }),
    ];

    /// <summary>Takes an idle slot out of use until it is given up. False: a request has it by now.</summary>
    /// <param name="slot">The slot.</param>
    /// <param name="unkept">What it holds and no file does.</param>
    public bool Close(int slot, out HeldConversation? unkept)
    {
        unkept = Unkept(entries[slot]);
        return !entries[slot].IsBusy && (entries[slot].IsBusy = true);
    }

    /// <summary>The slot of a conversation; null where it has none.</summary>
    public int? SlotOf(string session) =>
        Array.FindIndex(entries, entry => entry.Session == session) is >= 0 and var slot ? slot : null;

    public bool IsBusy(int slot) => slot < entries.Length && entries[slot].IsBusy;

    /// <summary>The beginning of the seat's conversation was evaluated before it was asked for.</summary>
    /// <param name="slot">Where.</param>
    /// <param name="held">What the slot holds now; the history is of the messages that it covers whole.</param>
    /// <param name="fromFile">Of the tokens, those that came from a file and that no answer has used yet.</param>
    public void LeaveAhead(int slot, HeldTokens held, ReadFile fromFile)
    {
        Leave(slot, held);
        (entries[slot].FromFile, entries[slot].Ahead) = (fromFile, held.Tokens - fromFile.Tokens);
    }

    /// <summary>Conversations that no file has as their slots hold them, the most recently used first.</summary>
    public IReadOnlyList<(int Slot, HeldConversation Held)> Unkept() =>
    [
        .. entries.Select((entry, slot) => (Slot: slot, Entry: entry)).OrderByDescending(item => item.Entry.Used)
            .Where(item => Unkept(item.Entry) is not null).Select(item => (item.Slot, Unkept(item.Entry)!)),
    ];

    private int? LeastUsed(Func<int, bool> mayTake)
    {
        int? best = null;
        for (var slot = 0; slot < entries.Length; slot++)
        {
            if (!entries[slot].IsBusy && mayTake(slot) && (best is not { } at || entries[slot].Used < entries[at].Used))
                best = slot;
        }
        return best;
    }

    private SlotSeat Seat(int slot, string session)
    {
        var entry = entries[slot];
        var isOwn = entry.Session == session;
        var displaced = isOwn ? null : Unkept(entry);
        if (!isOwn)
            entry.Clear(session);
        entry.IsBusy = true;
        entry.Used = ++uses;
        return new SlotSeat(slot, isOwn, displaced, entry.Unproven, entry.FromFile, entry.Ahead)
        {
            UnusedTokens = entry.Unused,
        };
    }

    private static HeldConversation? Unkept(Entry entry) =>
        entry is { Session: { } session, IsBusy: false } && (entry.IsCut || (!entry.IsKept && entry.Tokens > 0))
            ? new HeldConversation(session, entry.Tokens) { History = entry.History, IsKept = entry.IsKept, IsCut = entry.IsCut }
            : null;

    private sealed class Entry
    {
        public string? Session { get; private set; }
        public int Tokens { get; private set; }
        public MessageHash History { get; private set; }
        /// <summary>A file holds just this.</summary>
        public bool IsKept { get; private set; }
        /// <summary>More may follow.</summary>
        public bool IsCut { get; set; }
        /// <summary>Tokens that came from a file of which no answer has told yet whether that is of use.</summary>
        public int Unproven { get; set; }
        /// <summary>Tokens that came from a file and of which the one answer since has used none.</summary>
        public int Unused { get; set; }
        /// <summary>What came from a file and no answer has gone on from yet.</summary>
        public ReadFile FromFile { get; set; }
        /// <summary>Behind it: tokens that were evaluated ahead.</summary>
        public int Ahead { get; set; }
        public bool IsBusy { get; set; }
        public long Used { get; set; }

        public void Clear(string? session)
        {
            Session = session;
            Hold(0, MessageHash.Start, isKept: false);
        }

        public void Hold(int tokens, MessageHash history, bool isKept)
        {
            (Tokens, History, IsKept, IsCut) = (tokens, history, isKept, false);
            (Unproven, Unused, FromFile, Ahead) = (0, 0, default, 0);
        }
    }
}

/// <summary>What a slot has from a file, and how long the reading took.</summary>
internal readonly record struct ReadFile(int Tokens, double Seconds);

/// <summary>A slot for one request.</summary>
/// <param name="IsOwn">The slot holds the conversation already.</param>
/// <param name="Displaced">What it holds else and no file does.</param>
/// <param name="UnprovenTokens">Of the conversation, from a file, when this is its first request since; else 0.</param>
/// <param name="FromFile">Of the conversation, as long as no answer has used it.</param>
/// <param name="AheadTokens">Behind that, evaluated ahead; the same holds.</param>
internal sealed record SlotSeat(
    int Slot, bool IsOwn, HeldConversation? Displaced, int UnprovenTokens, ReadFile FromFile, int AheadTokens)
{
    /// <summary>Of the conversation, from a file, when the one answer since has used none of them; else 0.</summary>
    public int UnusedTokens { get; init; }
}

/// <summary>What a slot holds of a conversation and no file does.</summary>
/// <param name="Tokens">At least.</param>
internal sealed record HeldConversation(string Session, int Tokens)
{
    /// <summary>Of the messages that it covers; of none where it ends among them, or holds more than was stored.</summary>
    public MessageHash History { get; init; }
    /// <summary>A file has the tokens, and may lack what follows.</summary>
    public bool IsKept { get; init; }
    /// <summary>A request was cut: what it has evaluated may follow.</summary>
    public bool IsCut { get; init; }
}
