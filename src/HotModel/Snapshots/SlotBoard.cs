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
        Entry? best = null;
        var at = -1;
        for (var slot = 0; slot < entries.Length; slot++)
        {
            var entry = entries[slot];
            if (entry.IsBusy)
                continue;
            if (entry.Session == session)
            {
                (best, at) = (entry, slot);
                break;
            }
            if (running.Contains(slot))
                continue;
            if (best is null || entry.Used < best.Used)
                (best, at) = (entry, slot);
        }
        if (best is null || running.Contains(at))
            return null;
        var isOwn = best.Session == session;
        var displaced = isOwn ? null : Held(best);
        if (!isOwn)
            best.Clear(session);
        best.IsBusy = true;
        best.Used = ++uses;
        return new SlotSeat(at, isOwn, displaced, best.Restored, best.Ahead);
    }

    /// <summary>Seats a conversation for work that nobody asked for: in its own slot, else in one that nobody has used.</summary>
    /// <param name="session">The conversation.</param>
    /// <param name="isOwn">Only in its own.</param>
    public SlotSeat? TakeAhead(string session, bool isOwn) =>
        entries.Any(entry => !entry.IsBusy && (entry.Session == session || (!isOwn && entry.Session is null)))
            ? Take(session) : null;

    /// <summary>The seat's conversation was read from a file into its slot.</summary>
    public void Restored(int slot, int tokens) => entries[slot].Hold(tokens, isKept: true, restored: tokens);

    /// <param name="slot">Where its request ran.</param>
    /// <param name="tokens">What the slot holds now; null where that is not known: then what it held, for a request that was
    /// refused changes nothing, and before a slot is saved it is looked at.</param>
    public void Leave(int slot, int? tokens)
    {
        var entry = entries[slot];
        entry.IsBusy = false;
        entry.Hold(tokens ?? entry.Tokens, isKept: tokens is null && entry.IsKept, restored: 0);
    }

    /// <summary>The seat's conversation has not come to its slot.</summary>
    /// <param name="slot">The seat.</param>
    /// <param name="still">What the slot holds as before; null: nothing that is known.</param>
    public void GiveUp(int slot, HeldConversation? still)
    {
        var entry = entries[slot];
        entry.Clear(still?.Session);
        entry.Hold(still?.Tokens ?? 0, isKept: false, restored: 0);
        entry.IsBusy = false;
        // As one that nobody has used.
        if (still is null)
            entry.Used = 0;
    }

    /// <summary>A file now holds what the slot does.</summary>
    public void Kept(int slot) => entries[slot].Hold(entries[slot].Tokens, isKept: true, restored: 0);

    /// <summary>Others than its conversations may have used the slots: what an answer reuses says nothing of a file.</summary>
    public void Doubt()
    {
        foreach (var entry in entries)
            entry.Hold(entry.Tokens, entry.IsKept, restored: 0);
    }

    /// <summary>Other slots that hold a conversation and are at rest, and what of it no file has.</summary>
    public IReadOnlyList<(int Slot, HeldConversation? Unkept)> IdleBeside(int slot) =>
    [
        .. entries.Select((entry, at) => (Slot: at, Entry: entry))
            .Where(item => item.Slot != slot && item.Entry is { Session: not null, IsBusy: false })
            .Select(item => (item.Slot, Held(item.Entry))),
    ];

    /// <summary>Takes an idle slot out of use until it is given up. False: a request has it by now.</summary>
    public bool Close(int slot) => !entries[slot].IsBusy && (entries[slot].IsBusy = true);

    /// <summary>The slot of a conversation; null where it has none.</summary>
    public int? SlotOf(string session) =>
        Array.FindIndex(entries, entry => entry.Session == session) is >= 0 and var slot ? slot : null;

    public bool IsBusy(int slot) => slot < entries.Length && entries[slot].IsBusy;

    /// <summary>The beginning of the seat's conversation was evaluated before it was asked for.</summary>
    public void LeaveAhead(int slot, int tokens)
    {
        Leave(slot, tokens);
        entries[slot].Ahead = tokens;
    }

    /// <summary>Conversations that no file has as their slots hold them, the most recently used first.</summary>
    public IReadOnlyList<(int Slot, HeldConversation Held)> Unkept() =>
    [
        .. entries.Select((entry, slot) => (Slot: slot, Entry: entry)).OrderByDescending(item => item.Entry.Used)
            .Where(item => Held(item.Entry) is not null).Select(item => (item.Slot, Held(item.Entry)!)),
    ];

    private static HeldConversation? Held(Entry entry) => entry is { Session: { } session, IsBusy: false, IsKept: false }
        && entry.Tokens > 0 ? new HeldConversation(session, entry.Tokens) : null;

    private sealed class Entry
    {
        public string? Session { get; private set; }
        public int Tokens { get; private set; }
        /// <summary>A file holds just this.</summary>
        public bool IsKept { get; private set; }
        /// <summary>Tokens that came from a file and that no answer has gone on from yet.</summary>
        public int Restored { get; private set; }
        /// <summary>Tokens that were evaluated ahead, since no answer has gone on from them yet.</summary>
        public int Ahead { get; set; }
        public bool IsBusy { get; set; }
        public long Used { get; set; }

        public void Clear(string? session)
        {
            Session = session;
            Hold(0, isKept: false, restored: 0);
        }

        public void Hold(int tokens, bool isKept, int restored) =>
            (Tokens, IsKept, Restored, Ahead) = (tokens, isKept, restored, 0);
    }
}

/// <summary>A slot for one request.</summary>
/// <param name="IsOwn">The slot holds the conversation already.</param>
/// <param name="Displaced">What it holds else and no file does.</param>
/// <param name="RestoredTokens">Of the conversation, from a file, when this is its first request since; else 0.</param>
/// <param name="AheadTokens">The same for what was evaluated ahead.</param>
internal sealed record SlotSeat(int Slot, bool IsOwn, HeldConversation? Displaced, int RestoredTokens, int AheadTokens);

internal sealed record HeldConversation(string Session, int Tokens);
