using HotModel.Llama;
using HotModel.Sessions;

namespace HotModel.Snapshots;

/// <content>Slots for requests, and what their answers tell.</content>
internal sealed partial class WarmReturn
{
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
        return await FillAsync(current, seat, session, goesOn, cancel);
    }

    /// <summary>
    /// A slot to evaluate a conversation in before it is asked for, without taking one from another that is worth a file.
    /// Null: there is none.
    /// </summary>
    public async ValueTask<TakenSlot?> TakeAheadAsync(Upstream upstream, string session, CancellationToken cancel)
    {
        LoadedSlots current;
        SlotSeat seat;
        lock (sync)
        {
            if (loaded is not { } now || now.Upstream != upstream
                || now.Board.TakeAhead(session, keeper.MinTokens) is not { } found)
                return null;
            (current, seat) = (now, found);
        }
        return await FillAsync(current, seat, session, goesOn: true, cancel);
    }

    /// <summary>Saves what another conversation has in the slot, and brings this one's there.</summary>
    private async ValueTask<TakenSlot?> FillAsync(
        LoadedSlots current, SlotSeat seat, string session, bool goesOn, CancellationToken cancel)
    {
        var taken = new TakenSlot(this, current, seat.Slot, session)
        {
            IsOwn = seat.IsOwn,
            UnprovenTokens = goesOn ? seat.UnprovenTokens : 0,
            UnusedTokens = seat.UnusedTokens,
            FromFile = seat.FromFile,
            AheadTokens = seat.AheadTokens,
        };
        if (seat.IsOwn)
            return taken;
        var still = seat.Displaced;
        try
        {
            var head = store.Find(session);
            if (seat.Displaced is { } displaced)
                await SaveAsync(current, seat.Slot, displaced, cancel, comesNext: head?.Key);
            still = null;
            if (head is not null
                && await RestoreAsync(current, seat.Slot, head.Key, cancel) is
                { Status: RestoreStatus.Restored, Content: { } content } result)
            {
                taken.FromFile = NoteRestored(current, seat.Slot, content, result.Seconds);
                taken.UnprovenTokens = goesOn && store.HasInHistory(content.SessionKey, content.History) ? content.Tokens : 0;
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

    internal void EndOpenUse(LoadedSlots current)
    {
        lock (sync)
        {
            current.OpenUses--;
            // It may have waited for a slot and run in one whose own request was cut meanwhile.
            current.Board.Doubt();
        }
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

    /// <returns>The hash of the messages that the slot covers now.</returns>
    internal MessageHash Answered(TakenSlot slot, AnswerTimings timings)
    {
        double? each;
        lock (sync)
        {
            slot.Current.Speed.Learn(timings);
            each = slot.Current.Speed.SecondsPerToken;
        }
        var restored = Math.Min(slot.FromFile.Tokens, timings.CachedTokens);
        var ahead = Math.Clamp(timings.CachedTokens - slot.FromFile.Tokens, 0, slot.AheadTokens);
        gain.Used(restored, ahead, each);
        try
        {
            if (store.Find(slot.Session) is not { } head)
                return MessageHash.Start;
            if (restored > 0)
                store.CountReuse(head.Key, restored, Math.Max(0, (restored * each ?? 0) - slot.FromFile.Seconds));
            Verify(slot, head.Key, timings);
            return head.LastHash;
        }
        catch (Exception cause)
        {
            SnapshotLog.Broke(logger, cause);
            return MessageHash.Start;
        }
    }

    internal void LeaveAhead(TakenSlot slot, AnswerTimings timings, MessageHash history)
    {
        lock (sync)
        {
            slot.Current.Speed.Learn(timings);
            slot.Current.Board.LeaveAhead(slot.Slot, new HeldTokens(timings.HeldTokens, history, slot.UnusedBy(timings)),
                slot.FromFile with { Tokens = Math.Min(slot.FromFile.Tokens, timings.CachedTokens) });
        }
        try
        {
            if (store.Find(slot.Session) is { } head)
                Verify(slot, head.Key, timings);
        }
        catch (Exception cause)
        {
            SnapshotLog.Broke(logger, cause);
        }
    }

    /// <remarks>
    /// Where something else than the end of the prompt has changed, a part is reused. A model that cannot go on from a file
    /// reuses not even the first token, which all its prompts share. One with a sliding window or a recurrent state does
    /// not either where the client has changed the beginning: only where the next answer goes on from the slot, as this one
    /// could not from the file, the client is not one that changes the beginning of every prompt.
    /// </remarks>
    private void Verify(TakenSlot slot, long key, AnswerTimings timings)
    {
        if (timings.CachedTokens == 0)
            return;
        if (slot.UnusedTokens > 0)
            keeper.Verify(slot.Current.Passport, key, slot.UnusedTokens, reusedTokens: 0);
        else if (slot.UnprovenTokens > 0)
            keeper.Verify(slot.Current.Passport, key, slot.UnprovenTokens, slot.UnprovenTokens);
    }

    /// <param name="slot">The slot.</param>
    /// <param name="held">What it holds; null: its request did not get its whole answer.</param>
    internal void Leave(TakenSlot slot, HeldTokens? held)
    {
        lock (sync)
        {
            if (held is { } known)
            {
                slot.Current.Board.Leave(slot.Slot, known);
                return;
            }
            // Of one that was refused: what stood in the slot before stands there still, and is another's.
            if (slot is { IsOwn: false, FromFile.Tokens: 0, HasBegun: false })
                slot.Current.Board.GiveUp(slot.Slot, null);
            else
                slot.Current.Board.LeaveCut(slot.Slot);
            // A client that left: llama-server may be at its answer still.
            slot.Current.IsUncertain = true;
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
        IReadOnlyList<int> others;
        lock (sync)
            others = current.Board.IdleBeside(slot);
        var result = await keeper.RestoreAsync(current.Upstream, current.Passport, slot, key, others.Count > 0, cancel);
        if (result.Status != RestoreStatus.NoRoom)
            return result;
        foreach (var other in others)
        {
            HeldConversation? still;
            lock (sync)
            {
                // What it holds now: it may have answered while the file was read.
                if (!current.Board.Close(other, out still))
                    continue;
            }
            try
            {
                if (still is not null)
                    await SaveAsync(current, other, still, cancel);
                still = null;
                await keeper.EraseAsync(current.Upstream, other, cancel);
            }
            finally
            {
                lock (sync)
                    current.Board.GiveUp(other, still);
            }
        }
        return await keeper.RestoreAsync(current.Upstream, current.Passport, slot, key, isCrowded: false, cancel);
    }
}
