using HotModel.Configuration;
using HotModel.Llama;
using HotModel.Sessions;

namespace HotModel.Snapshots;

/// <summary>
/// Brings conversations back to a model without evaluating them again: seats each in a slot, saves slots before they are
/// lost, and restores them when their conversation goes on.
/// </summary>
/// <remarks>Whatever breaks here costs an evaluation, never a switch or a request.</remarks>
/// <param name="keeper">The files.</param>
/// <param name="store">The conversations.</param>
/// <param name="gain">Counts what it was good for.</param>
/// <param name="setupOf">What is known of a model before it is loaded, as one text; null: something is missing.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Of what breaks.</param>
internal sealed partial class WarmReturn(
    SnapshotKeeper keeper, SessionStore store, ReturnGain gain, Func<ModelConfig, string?> setupOf, TimeProvider time,
    ILogger<WarmReturn> logger)
{
    // llama-server notices within a second that the client of a whole answer has left, and frees its slot.
    private static readonly TimeSpan LeftoverLimit = TimeSpan.FromSeconds(1.5);
    private static readonly TimeSpan LookPause = TimeSpan.FromMilliseconds(20);

    private readonly PassportOffice passports = new(time);
    private readonly Lock sync = new();
    private LoadedSlots? loaded;
    // By the passports' fingerprints.
    private readonly Dictionary<string, PromptSpeed> speeds = new(StringComparer.Ordinal);

    /// <summary>Whether snapshots of the loaded model are of use; null: none is loaded, or it has no passport.</summary>
    public bool? IsRestorable
    {
        get
        {
            LoadedSlots? current;
            lock (sync)
                current = loaded;
            return current is null ? null : keeper.IsRestorable(current.Passport);
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
            || await passports.IssueAsync(model, upstream, upstream.Arguments, cancel) is not { } issued)
            return null;
        var passport = issued with { Setup = setupOf(model) };
        using var client = new RouterClient(upstream.BaseAddress, upstream.ApiKey, time);
        if (SlotAnswers.Count((await client.SlotsAsync(upstream.Model, cancel)).Body) is not ({ } slots and > 0))
            return null;
        var current = new LoadedSlots(upstream, passport, new SlotBoard(slots), SpeedOf(passport));
        RestoredSlot? restored = null;
        if (store.LatestSession() is { } latest)
        {
            var result = await keeper.RestoreAsync(
                upstream, passport, slot: 0, latest.Key, isCrowded: false, cancel);
            if (result is { Status: RestoreStatus.Restored, Content: { } content })
            {
                var seat = current.Board.Take(latest.Id)!;
                current.Board.LeaveCut(seat.Slot);
                NoteRestored(current, seat.Slot, content, result.Seconds);
                restored = new RestoredSlot(result.Tokens, result.Bytes, Round(result.Seconds), SavedSeconds(current, result));
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
            current = loaded;
            loaded = null;
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
                loaded = current;
            throw;
        }
        catch (Exception cause)
        {
            SnapshotLog.Broke(logger, cause);
        }
        return count == 0 ? null : new SavedSlots(count, tokens, bytes, Round(time.GetElapsedTime(began).TotalSeconds));
    }

    /// <summary>The model computes differently from now on, and no passport tells: nothing of it is saved or restored.</summary>
    public void Forget(Upstream upstream)
    {
        lock (sync)
        {
            if (loaded?.Upstream == upstream)
                loaded = null;
        }
    }

    private PromptSpeed SpeedOf(Passport passport)
    {
        lock (sync)
        {
            if (!speeds.TryGetValue(passport.Fingerprint, out var speed))
                speeds.Add(passport.Fingerprint, speed = new PromptSpeed(store.TokenSecondsOf(passport.Fingerprint)));
            return speed;
        }
    }

    private ReadFile NoteRestored(LoadedSlots current, int slot, SlotContent content, double seconds)
    {
        gain.Read(seconds);
        var file = new ReadFile(content.Tokens, seconds);
        var isBeginning = store.HasInHistory(content.SessionKey, content.History);
        lock (sync)
            current.Board.Restored(slot, file, content.History, isBeginning);
        return file;
    }

    private double? SavedSeconds(LoadedSlots current, RestoreResult result)
    {
        lock (sync)
            return current.Speed.SecondsPerToken is { } each ? Round(Math.Max(0, (result.Tokens * each) - result.Seconds)) : null;
    }

    /// <summary>Null where the conversation was deleted meanwhile, or no longer begins so.</summary>
    private async Task<SaveResult?> SaveAsync(
        LoadedSlots current, int slot, HeldConversation held, CancellationToken cancel, long? comesNext = null)
    {
        if (store.Find(held.Session) is not { } head
            || (held.History != MessageHash.Start && !store.HasInHistory(head.Key, held.History)))
            return null;
        double? tokenSeconds;
        lock (sync)
            tokenSeconds = current.Speed.SecondsPerToken;
        return await keeper.SaveAsync(current.Upstream, current.Passport, slot,
            new SlotContent(head.Key, held.History, held.Tokens)
            {
                IsKept = held.IsKept,
                IsCut = held.IsCut,
                TokenSeconds = tokenSeconds,
                SparedKey = comesNext,
            }, cancel);
    }

    private static double Round(double seconds) => Math.Round(seconds, 6);
}

/// <param name="Count">Conversations.</param>
internal sealed record SavedSlots(int Count, int Tokens, long Bytes, double Seconds);

/// <param name="SavedSeconds">What evaluating it would take, less the reading; null where the model's speed is not known.</param>
internal sealed record RestoredSlot(int Tokens, long Bytes, double Seconds, double? SavedSeconds);
