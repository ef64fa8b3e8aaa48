using HotModel.Configuration;
using HotModel.Llama;
using HotModel.Sessions;

namespace HotModel.Snapshots;

/// <summary>
/// Brings conversations back to a model without evaluating them again: seats each in a slot, saves slots before they are
/// lost, and restores them when their conversation goes on.
/// </summary>
internal sealed class WarmReturn(SnapshotKeeper keeper, SessionStore store, TimeProvider time)
{
    private readonly PassportOffice passports = new(time);
    private readonly Lock sync = new();
    private LoadedSlots? loaded;
    private long reusedTokens;
    private double savedSeconds;

    public WarmTotals Totals
    {
        get
        {
            lock (sync)
                return new WarmTotals(keeper.Totals, reusedTokens, Math.Round(savedSeconds, 3));
        }
    }

    /// <summary>
    /// A model answers: the conversation that was used last is restored before anybody is let in. The others are when
    /// their next requests come.
    /// </summary>
    /// <returns>Null where nothing was restored.</returns>
    public async Task<RestoredSlot?> LoadedAsync(ModelConfig model, Upstream upstream, CancellationToken cancel)
    {
        if (upstream.Arguments.Count == 0
            || await passports.IssueAsync(model, upstream, upstream.Arguments, cancel) is not { } passport)
            return null;
        using var client = new RouterClient(upstream.BaseAddress, upstream.ApiKey, time);
        if (SlotAnswers.Count((await client.SlotsAsync(upstream.Model, cancel)).Body) is not ({ } slots and > 0))
            return null;
        var current = new LoadedSlots(upstream, passport, new SlotBoard(slots));
        RestoredSlot? restored = null;
        if (store.LatestSession() is { } latest)
        {
            var result = await keeper.RestoreAsync(upstream, passport, slot: 0, latest.Key, cancel);
            if (result.Status == RestoreStatus.Restored)
            {
                var seat = current.Board.Take(latest.Id)!;
                current.Board.Leave(seat.Slot, null);
                current.Board.Restored(seat.Slot, result.Tokens);
                restored = new RestoredSlot(result.Tokens, result.Bytes, Round(result.Seconds));
            }
        }
        lock (sync)
            loaded = current;
        return restored;
    }

    /// <summary>The model is about to be unloaded, and no request runs: saves what is worth it.</summary>
    /// <returns>Null where nothing was saved.</returns>
    public async Task<SavedSlots?> LeavingAsync(CancellationToken cancel)
    {
        LoadedSlots? current;
        IReadOnlyList<(int Slot, HeldConversation Held)> unkept;
        lock (sync)
        {
            (current, loaded) = (loaded, null);
            unkept = current?.Board.Unkept() ?? [];
        }
        var began = time.GetTimestamp();
        var (count, tokens, bytes) = (0, 0, 0L);
        foreach (var (slot, held) in unkept)
        {
            var result = await SaveAsync(current!, slot, held, cancel);
            if (result is { Status: SaveStatus.Saved })
                (count, tokens, bytes) = (count + 1, tokens + result.Value.Tokens, bytes + result.Value.Bytes);
            // A server that fails once will not do better at the next, and the switch waits.
            else if (result is { Status: SaveStatus.Failed })
                break;
        }
        return count == 0 ? null : new SavedSlots(count, tokens, bytes, Round(time.GetElapsedTime(began).TotalSeconds));
    }

    /// <summary>A slot for a request of this conversation, which then holds what the model has evaluated of it.</summary>
    /// <param name="upstream">Where the request goes.</param>
    /// <param name="session">The conversation.</param>
    /// <param name="goesOn">The request begins with all that was said before.</param>
    /// <param name="cancel">Ends the wait for files.</param>
    /// <returns>Null: llama-server may choose the slot.</returns>
    public async ValueTask<TakenSlot?> TakeAsync(
        Upstream upstream, string session, bool goesOn, CancellationToken cancel)
    {
        LoadedSlots current;
        SlotSeat? seat;
        lock (sync)
        {
            if (loaded is not { } now || now.Upstream != upstream || (seat = now.Board.Take(session)) is null)
                return null;
            current = now;
        }
        var taken = new TakenSlot(this, current, seat.Slot, session)
        {
            RestoredTokens = goesOn ? seat.RestoredTokens : 0,
            AheadTokens = seat.AheadTokens,
        };
        if (seat.IsOwn)
            return taken;
        try
        {
            if (seat.Displaced is { } displaced)
                await SaveAsync(current, seat.Slot, displaced, cancel);
            if (store.Find(session) is { } head)
            {
                var result = await keeper.RestoreAsync(upstream, current.Passport, seat.Slot, head.Key, cancel);
                if (result.Status == RestoreStatus.Restored && goesOn)
                    taken.RestoredTokens = result.Tokens;
                taken.RestoreSeconds = result.Seconds;
            }
            return taken;
        }
        catch
        {
            taken.Dispose();
            throw;
        }
    }

    /// <summary>
    /// A slot to evaluate a conversation in before it is asked for, without taking one from another. Null: there is none.
    /// </summary>
    /// <param name="upstream">Where the request goes.</param>
    /// <param name="session">The conversation.</param>
    /// <param name="isFirst">False: it goes on in the slot that it has.</param>
    public TakenSlot? TakeAhead(Upstream upstream, string session, bool isFirst)
    {
        lock (sync)
        {
            return loaded is { } now && now.Upstream == upstream && now.Board.TakeAhead(session, !isFirst) is { } seat
                ? new TakenSlot(this, now, seat.Slot, session) { RestoredTokens = seat.RestoredTokens }
                : null;
        }
    }

    internal void Answered(TakenSlot slot, AnswerTimings timings)
    {
        lock (sync)
        {
            slot.Current.LearnSpeed(timings);
            // What was restored and then gone on from ahead counts once.
            var reused = Math.Min(Math.Max(slot.RestoredTokens, slot.AheadTokens), timings.CachedTokens);
            reusedTokens += reused;
            savedSeconds += Math.Max(0, (reused * slot.Current.SecondsPerToken) - slot.RestoreSeconds);
        }
        Verify(slot, timings);
    }

    internal void LeaveAhead(TakenSlot slot, AnswerTimings timings)
    {
        lock (sync)
        {
            slot.Current.LearnSpeed(timings);
            slot.Current.Board.LeaveAhead(slot.Slot, timings.HeldTokens);
        }
        Verify(slot, timings);
    }

    private void Verify(TakenSlot slot, AnswerTimings timings)
    {
        // Where something else than the end of the prompt has changed, a part is reused. A model that cannot go on from a
        // file reuses not even the first token, which all its prompts share.
        if (slot.RestoredTokens > 0 && timings.CachedTokens == 0 && store.Find(slot.Session) is { } head)
            keeper.Verify(slot.Current.Passport, head.Key, slot.RestoredTokens, reusedTokens: 0);
    }

    internal void Leave(TakenSlot slot, int? tokens)
    {
        lock (sync)
            slot.Current.Board.Leave(slot.Slot, tokens);
    }

    /// <summary>Null where the conversation was deleted meanwhile.</summary>
    private async Task<SaveResult?> SaveAsync(
        LoadedSlots current, int slot, HeldConversation held, CancellationToken cancel) =>
        store.Find(held.Session) is { } head
            ? await keeper.SaveAsync(
                current.Upstream, current.Passport, slot, new SlotContent(head.Key, head.LastHash, held.Tokens), cancel)
            : null;

    private static double Round(double seconds) => Math.Round(seconds, 6);
}

/// <summary>The loaded model's slots.</summary>
internal sealed class LoadedSlots(Upstream upstream, Passport passport, SlotBoard board)
{
    public Upstream Upstream { get; } = upstream;
    public Passport Passport { get; } = passport;
    public SlotBoard Board { get; } = board;
    /// <summary>Of evaluating a prompt, by the last answer that told; 0 before the first.</summary>
    public double SecondsPerToken { get; private set; }

    public void LearnSpeed(AnswerTimings timings)
    {
        // Small prompts tell nothing of the speed: most of their time is not evaluation.
        if (timings.PromptTokens >= 32)
            SecondsPerToken = timings.PromptSeconds / timings.PromptTokens;
    }
}

/// <summary>A conversation's slot for the time of one request.</summary>
internal sealed class TakenSlot(WarmReturn owner, LoadedSlots current, int slot, string session) : IDisposable
{
    private int? tokens;
    private bool isLeft;

    public LoadedSlots Current { get; } = current;
    public int Slot { get; } = slot;
    public string Session { get; } = session;
    /// <summary>Of this conversation, from a file, that its answer will tell the use of; else 0.</summary>
    public int RestoredTokens { get; set; }
    public double RestoreSeconds { get; set; }
    /// <summary>Of this conversation, evaluated before it was asked for, that its answer will tell the use of; else 0.</summary>
    public int AheadTokens { get; init; }

    /// <summary>The whole answer has come; null: it said nothing of its cost.</summary>
    public void Answered(AnswerTimings? timings)
    {
        if (timings is not { } told)
            return;
        tokens = told.HeldTokens;
        owner.Answered(this, told);
    }

    /// <summary>What was to be evaluated ahead is, and the slot is left.</summary>
    public void EvaluatedAhead(AnswerTimings timings)
    {
        isLeft = true;
        owner.LeaveAhead(this, timings);
    }

    public void Dispose()
    {
        if (isLeft)
            return;
        isLeft = true;
        owner.Leave(this, tokens);
    }
}

/// <param name="Count">Conversations.</param>
internal sealed record SavedSlots(int Count, int Tokens, long Bytes, double Seconds);

internal sealed record RestoredSlot(int Tokens, long Bytes, double Seconds);

/// <param name="ReusedTokens">That were not evaluated again after a restore, since the start.</param>
/// <param name="SavedSeconds">What evaluating them would have taken, less the reading of the files.</param>
internal sealed record WarmTotals(SnapshotTotals Snapshots, long ReusedTokens, double SavedSeconds);
