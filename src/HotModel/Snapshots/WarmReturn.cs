using HotModel.Configuration;
using HotModel.Llama;
using HotModel.Sessions;

namespace HotModel.Snapshots;

/// <summary>
/// Brings conversations back to a model without evaluating them again: seats each in a slot, saves slots before they are
/// lost, and restores them when their conversation goes on.
/// </summary>
/// <remarks>Whatever breaks here costs an evaluation, never a switch or a request.</remarks>
internal sealed class WarmReturn(SnapshotKeeper keeper, SessionStore store, TimeProvider time, ILogger<WarmReturn> logger)
{
    // llama-server notices within a second that the client of a whole answer has left, and frees its slot.
    private static readonly TimeSpan LeftoverLimit = TimeSpan.FromSeconds(1.5);
    private static readonly TimeSpan LookPause = TimeSpan.FromMilliseconds(20);

    private readonly PassportOffice passports = new(time);
    private readonly Lock sync = new();
    private LoadedSlots? loaded;
    // By the passports' fingerprints.
    private readonly Dictionary<string, PromptSpeed> speeds = new(StringComparer.Ordinal);
    private long reusedTokens;
    // By models that have left.
    private double savedSeconds;

    public WarmTotals Totals
    {
        get
        {
            lock (sync)
                return new WarmTotals(
                    keeper.Totals, reusedTokens, Math.Round(savedSeconds + (loaded?.SavedSeconds ?? 0), 3));
        }
    }

    /// <summary>
    /// A model answers: the conversation that was used last is restored before anybody is let in. The others are when
    /// their next requests come.
    /// </summary>
    /// <returns>Null where nothing was restored.</returns>
    public async Task<RestoredSlot?> LoadedAsync(ModelConfig model, Upstream upstream, CancellationToken cancel)
    {
        try
        {
            return await OpenAsync(model, upstream, cancel);
        }
        catch (Exception cause) when (cause is not OperationCanceledException)
        {
            SnapshotLog.Broke(logger, cause);
            return null;
        }
    }

    private async Task<RestoredSlot?> OpenAsync(ModelConfig model, Upstream upstream, CancellationToken cancel)
    {
        if (upstream.Arguments.Count == 0
            || await passports.IssueAsync(model, upstream, upstream.Arguments, cancel) is not { } passport)
            return null;
        using var client = new RouterClient(upstream.BaseAddress, upstream.ApiKey, time);
        if (SlotAnswers.Count((await client.SlotsAsync(upstream.Model, cancel)).Body) is not ({ } slots and > 0))
            return null;
        var current = new LoadedSlots(upstream, passport, new SlotBoard(slots), SpeedOf(passport));
        RestoredSlot? restored = null;
        if (store.LatestSession() is { } latest)
        {
            var result = await keeper.RestoreAsync(
                upstream, passport, slot: 0, latest.Key, isCrowded: false, cancel);
            if (result.Status == RestoreStatus.Restored)
            {
                var seat = current.Board.Take(latest.Id)!;
                current.Board.Leave(seat.Slot, null);
                current.Board.Restored(seat.Slot, result.Tokens);
                current.Read(result.Seconds);
                restored = new RestoredSlot(result.Tokens, result.Bytes, Round(result.Seconds));
            }
        }
        lock (sync)
            Replace(current);
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
            current = loaded;
            Replace(null);
            unkept = current?.Board.Unkept() ?? [];
        }
        var began = time.GetTimestamp();
        var (count, tokens, bytes) = (0, 0, 0L);
        try
        {
            foreach (var (slot, held) in unkept)
            {
                var result = await SaveAsync(current!, slot, held, cancel);
                if (result is { Status: SaveStatus.Saved })
                {
                    (count, tokens, bytes) = (count + 1, tokens + result.Value.Tokens, bytes + result.Value.Bytes);
                    lock (sync)
                        current!.Board.Kept(slot);
                }
                // A server that fails once will not do better at the next, and the switch waits.
                else if (result is { Status: SaveStatus.Failed })
                    break;
            }
        }
        catch (OperationCanceledException)
        {
            // A stop in the middle of a switch: it saves what is left.
            lock (sync)
                Replace(current);
            throw;
        }
        catch (Exception cause)
        {
            SnapshotLog.Broke(logger, cause);
        }
        return count == 0 ? null : new SavedSlots(count, tokens, bytes, Round(time.GetElapsedTime(began).TotalSeconds));
    }

    private PromptSpeed SpeedOf(Passport passport)
    {
        lock (sync)
        {
            if (!speeds.TryGetValue(passport.Fingerprint, out var speed))
                speeds.Add(passport.Fingerprint, speed = new PromptSpeed());
            return speed;
        }
    }

    /// <summary>Called under the lock.</summary>
    private void Replace(LoadedSlots? next)
    {
        savedSeconds += loaded?.TakeSavedSeconds() ?? 0;
        loaded = next;
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
        LoadedSlots? current;
        SlotSeat? seat;
        bool isUncertain;
        lock (sync)
        {
            current = loaded;
            isUncertain = current?.IsUncertain == true;
        }
        if (current is null || current.Upstream != upstream)
            return null;
        var running = isUncertain ? await RunningAsync(current, session, cancel) : [];
        lock (sync)
        {
            if (running is null || loaded != current || (seat = current.Board.Take(session, running)) is null)
                return null;
        }
        var taken = new TakenSlot(this, current, seat.Slot, session)
        {
            RestoredTokens = goesOn ? seat.RestoredTokens : 0,
            AheadTokens = seat.AheadTokens,
        };
        if (seat.IsOwn)
            return taken;
        var still = seat.Displaced;
        try
        {
            if (seat.Displaced is { } displaced)
                await SaveAsync(current, seat.Slot, displaced, cancel);
            still = null;
            if (store.Find(session) is { } head)
            {
                var result = await RestoreAsync(current, seat.Slot, head.Key, cancel);
                if (result.Status == RestoreStatus.Restored && goesOn)
                    taken.RestoredTokens = result.Tokens;
                lock (sync)
                    current.Read(result.Seconds);
            }
            return taken;
        }
        catch (Exception cause)
        {
            // Whoever asks next for this conversation finds it in no slot, and what was in this one is not forgotten.
            taken.GiveUp(still);
            if (cause is OperationCanceledException)
                throw;
            SnapshotLog.Broke(logger, cause);
            return null;
        }
    }

    /// <summary>A request for which llama-server chooses the slot, until its answer has ended.</summary>
    public OpenUse? LeaveOpen(Upstream upstream)
    {
        lock (sync)
        {
            if (loaded is not { } current || current.Upstream != upstream)
                return null;
            current.OpenUses++;
            current.IsUncertain = true;
            current.Board.Doubt();
            return new OpenUse(this, current);
        }
    }

    /// <summary>The model computes differently from now on, and no passport tells: nothing of it is saved or restored.</summary>
    public void Forget(Upstream upstream)
    {
        lock (sync)
        {
            if (loaded?.Upstream == upstream)
                Replace(null);
        }
    }

    internal void EndOpenUse(LoadedSlots current)
    {
        lock (sync)
            current.OpenUses--;
    }

    /// <summary>
    /// The slots in which llama-server works. A request that names one of them waits for the end of that, whatever other
    /// slots are free. Null where it does not tell.
    /// </summary>
    /// <remarks>
    /// Not looked for: what the slots hold. A conversation that another route's request drove out of its slot is found in
    /// the memory in which llama-server keeps such prompts (--cache-ram), also by a request that names the slot.
    /// </remarks>
    private async Task<IReadOnlyList<int>?> RunningAsync(LoadedSlots current, string session, CancellationToken cancel)
    {
        using var client = new RouterClient(current.Upstream.BaseAddress, current.Upstream.ApiKey, time);
        var start = time.GetTimestamp();
        while (true)
        {
            var slots = (await client.SlotsAsync(current.Upstream.Model, cancel)).Body;
            if (SlotAnswers.Running(slots) is not { } running)
                return null;
            lock (sync)
            {
                var isOpen = current.OpenUses > 0;
                if (!isOpen && running.All(current.Board.IsBusy))
                    current.IsUncertain = false;
                if (current.Board.SlotOf(session) is not { } own || !running.Contains(own))
                    return running;
                // What the conversation's last request left behind ends soon; what somebody else has begun may not.
                if (isOpen || time.GetElapsedTime(start) > LeftoverLimit)
                    return running;
            }
            await Task.Delay(LookPause, time, cancel);
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
            slot.Current.Speed.Learn(timings);
            // What was restored and then gone on from ahead counts once.
            var reused = Math.Min(Math.Max(slot.RestoredTokens, slot.AheadTokens), timings.CachedTokens);
            reusedTokens += reused;
            slot.Current.Reused(reused);
        }
        Verify(slot, timings);
    }

    internal void LeaveAhead(TakenSlot slot, AnswerTimings timings)
    {
        lock (sync)
        {
            slot.Current.Speed.Learn(timings);
            slot.Current.Board.LeaveAhead(slot.Slot, timings.HeldTokens);
        }
        Verify(slot, timings);
    }

    private void Verify(TakenSlot slot, AnswerTimings timings)
    {
        // Where something else than the end of the prompt has changed, a part is reused. A model that cannot go on from a
        // file reuses not even the first token, which all its prompts share.
        try
        {
            if (slot.RestoredTokens > 0 && store.Find(slot.Session) is { } head)
            {
                keeper.Verify(slot.Current.Passport, head.Key, slot.RestoredTokens,
                    reusedTokens: timings.CachedTokens > 0 ? slot.RestoredTokens : 0);
            }
        }
        catch (Exception cause)
        {
            SnapshotLog.Broke(logger, cause);
        }
    }

    internal void Leave(TakenSlot slot, int? tokens)
    {
        lock (sync)
        {
            slot.Current.Board.Leave(slot.Slot, tokens);
            // A client that left: llama-server may be at its answer still.
            slot.Current.IsUncertain |= tokens is null;
        }
    }

    internal void GiveUp(TakenSlot slot, HeldConversation? still)
    {
        lock (sync)
        {
            slot.Current.Board.GiveUp(slot.Slot, still);
            slot.Current.IsUncertain = true;
        }
    }

    /// <summary>Where the other slots leave no room for it, they are saved and emptied first.</summary>
    private async Task<RestoreResult> RestoreAsync(LoadedSlots current, int slot, long key, CancellationToken cancel)
    {
        IReadOnlyList<(int Slot, HeldConversation? Unkept)> others;
        lock (sync)
            others = current.Board.IdleBeside(slot);
        var result = await keeper.RestoreAsync(current.Upstream, current.Passport, slot, key, others.Count > 0, cancel);
        if (result.Status != RestoreStatus.NoRoom)
            return result;
        foreach (var (other, unkept) in others)
        {
            lock (sync)
            {
                if (!current.Board.Close(other))
                    continue;
            }
            try
            {
                if (unkept is not null)
                    await SaveAsync(current, other, unkept, cancel);
                await keeper.EraseAsync(current.Upstream, other, cancel);
            }
            finally
            {
                lock (sync)
                    current.Board.GiveUp(other, null);
            }
        }
        return await keeper.RestoreAsync(current.Upstream, current.Passport, slot, key, isCrowded: false, cancel);
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

/// <param name="Count">Conversations.</param>
internal sealed record SavedSlots(int Count, int Tokens, long Bytes, double Seconds);

internal sealed record RestoredSlot(int Tokens, long Bytes, double Seconds);

/// <param name="ReusedTokens">Restored or evaluated ahead, and then used by an answer, since the start.</param>
/// <param name="SavedSeconds">What evaluating them would have taken, by the speed of their model's other prompts, less the
/// reading of the files; without those of a model whose speed is not known.</param>
internal sealed record WarmTotals(SnapshotTotals Snapshots, long ReusedTokens, double SavedSeconds);
