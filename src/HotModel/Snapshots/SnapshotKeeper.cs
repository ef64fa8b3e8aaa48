using System.Collections.Concurrent;
using HotModel.Configuration;
using HotModel.Llama;
using HotModel.Sessions;

namespace HotModel.Snapshots;

/// <summary>
/// Saves what slots of a loaded model hold to files and brings it back. A file is used only under the passport under
/// which it was written; whatever is odd about one makes it a miss.
/// </summary>
/// <remarks>A file has its row only when it is whole, so a file without a row may go at any time.</remarks>
internal sealed class SnapshotKeeper : IAsyncDisposable
{
    /// <summary>llama-server's count of a slot may or may not have the last token, which it has not evaluated yet.</summary>
    private const int TokenSlack = 1;

    // What a slow disk does, with as much again for a server that is in the middle of a batch.
    private static readonly TimeSpan TransferBase = TimeSpan.FromSeconds(10);
    private const double TransferBytesPerSecond = 50e6;

    // The slot of an answer whose last byte has come is free a moment later.
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan BusyPause = TimeSpan.FromMilliseconds(40);
    private static readonly TimeSpan BusyLimit = TimeSpan.FromMilliseconds(100);
    // One whose client left before the end may be free only after a second in which nobody looks at it: unloading waits for
    // that too.
    private static readonly TimeSpan CutPause = TimeSpan.FromMilliseconds(1100);
    private static readonly TimeSpan CutLimit = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan FlushLimit = TimeSpan.FromSeconds(30);

    private readonly bool isEnabled;
    private readonly SessionStore store;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly SnapshotFolder folder;
    private readonly SnapshotQuota quota;
    private readonly DiskFlush flush;
    // Files that llama-server writes just now.
    private readonly ConcurrentDictionary<string, bool> writing = new(StringComparer.Ordinal);
    // Models and builds whose mark the disk may not have taken, and fingerprints of servers that cannot save at all.
    private readonly ConcurrentDictionary<string, bool> useless = new(StringComparer.Ordinal);
    // Models and builds whose last restored file was of no use.
    private readonly ConcurrentDictionary<string, bool> unused = new(StringComparer.Ordinal);
    private long saved, restored, failed;

    /// <summary>Opens the folder: what is no whole snapshot goes, and all of it where snapshots are off.</summary>
    /// <param name="config">The bounds.</param>
    /// <param name="path">The folder that llama-server has as --slot-save-path.</param>
    /// <param name="store">Where the list of files is.</param>
    /// <param name="time">Bounds waiting.</param>
    /// <param name="logger">One line for each failure.</param>
    /// <param name="freeBytes">Of the disk; null: as the system says.</param>
    /// <exception cref="IOException">There can be no such folder; also UnauthorizedAccessException.</exception>
    public SnapshotKeeper(
        SnapshotConfig config, string path, SessionStore store, TimeProvider time, ILogger logger,
        Func<long?>? freeBytes = null)
    {
        MinTokens = config.MinTokens;
        this.store = store;
        this.time = time;
        this.logger = logger;
        folder = new SnapshotFolder(path);
        flush = new DiskFlush(folder, store);
        store.SnapshotDropped = folder.Delete;
        isEnabled = config.Enabled;
        if (isEnabled)
            folder.Create();
        else
            RemoveAll();
        quota = new SnapshotQuota(config, store, logger, freeBytes ?? folder.FreeBytes);
        if (!isEnabled)
            return;
        RemoveTorn();
        quota.Evict();
        SnapshotLog.Opened(logger, quota.MaxBytes / 1_000_000, path, store.SnapshotTotals().Count);
    }

    /// <summary>Fewer are not worth a file.</summary>
    public int MinTokens { get; }

    /// <summary>Counts and bytes for people.</summary>
    public SnapshotTotals Totals
    {
        get
        {
            var (count, bytes) = store.SnapshotTotals();
            return new SnapshotTotals(count, bytes, quota.MaxBytes, Interlocked.Read(ref saved),
                Interlocked.Read(ref restored), Interlocked.Read(ref failed), quota.Evicted);
        }
    }

    /// <summary>Before a load: llama-server does not start without the folder, and somebody may have deleted it.</summary>
    public void Prepare()
    {
        if (!isEnabled)
            return;
        try
        {
            folder.Create();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            SnapshotLog.NoFolder(logger, folder.Location, e.Message);
        }
    }

    public bool IsRestorable(Passport passport) =>
        isEnabled && !useless.ContainsKey(passport.Fingerprint) && !useless.ContainsKey(passport.ModelAndBuild)
        && store.IsRestorable(passport.ModelAndBuild);

    /// <summary>Saves a slot. Expected failures are values; a cancelled one leaves nothing behind.</summary>
    public async Task<SaveResult> SaveAsync(
        Upstream upstream, Passport passport, int slot, SlotContent content, CancellationToken cancel)
    {
        if (content.Tokens < MinTokens && isEnabled && !content.IsCut)
            return TooShort(passport, content);
        if (!IsRestorable(passport))
            return NotSaved(SaveStatus.NotRestorable, isEnabled ? "Restoring is no use with this model." : "Switched off.");
        var start = time.GetTimestamp();
        var file = SnapshotFolder.NewName();
        writing[file] = true;
        SaveResult result;
        try
        {
            result = await SaveAsync(upstream, passport, slot, content, file, cancel);
        }
        finally
        {
            writing.TryRemove(file, out _);
            Sweep();
        }
        result = result with { Seconds = time.GetElapsedTime(start).TotalSeconds };
        if (result.Status == SaveStatus.Saved)
        {
            Interlocked.Increment(ref saved);
            SnapshotLog.Saved(logger, store.IdOf(content.SessionKey), passport.Model, result.Tokens, Megabytes(result.Bytes),
                Math.Round(result.Seconds, 3));
        }
        if (result.Status == SaveStatus.Failed)
        {
            Interlocked.Increment(ref failed);
            SnapshotLog.NotSaved(logger, store.IdOf(content.SessionKey), slot, passport.Model, result.Error!);
        }
        return result;
    }

    /// <summary>
    /// Restores the session's snapshot into the slot. Missing where there is none that matches; then the slot is as it was.
    /// </summary>
    /// <param name="upstream">The server.</param>
    /// <param name="passport">The loaded model's.</param>
    /// <param name="slot">Where to.</param>
    /// <param name="sessionKey">The store's key of the conversation.</param>
    /// <param name="isCrowded">Other slots hold something, so that a refusal may be for want of room: llama-server has the
    /// same words for it as for a broken file.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task<RestoreResult> RestoreAsync(
        Upstream upstream, Passport passport, int slot, long sessionKey, bool isCrowded, CancellationToken cancel)
    {
        var start = time.GetTimestamp();
        if (Find(passport, sessionKey) is not { } snapshot)
            return new RestoreResult(RestoreStatus.Missing, 0, 0, 0, null, null);
        using var client = new RouterClient(upstream.BaseAddress, upstream.ApiKey, time);
        var reply = await client.SlotAsync(
            upstream.Model, slot, "restore", snapshot.File, TransferLimit(snapshot.Bytes), cancel);
        var seconds = time.GetElapsedTime(start).TotalSeconds;
        if (reply.IsOk && SlotAnswers.Restored(reply.Body)?.Tokens == snapshot.Tokens)
        {
            Interlocked.Increment(ref restored);
            store.UseSnapshot(snapshot.File, passport.Setup);
            SnapshotLog.Restored(logger, store.IdOf(sessionKey), passport.Model, snapshot.Tokens, Megabytes(snapshot.Bytes),
                Math.Round(seconds, 3));
            return new RestoreResult(RestoreStatus.Restored, snapshot.Tokens, snapshot.Bytes, seconds, null,
                new SlotContent(sessionKey, snapshot.History, snapshot.Tokens));
        }
        if (isCrowded && reply.Status == StatusCodes.Status400BadRequest)
            return new RestoreResult(RestoreStatus.NoRoom, 0, 0, seconds, Refusal(reply), null);
        // Also where no answer came: a file that makes the server hang or crash must not do so twice.
        store.RemoveSnapshot(snapshot.File);
        Interlocked.Increment(ref failed);
        var error = reply.IsOk ? "llama-server restored another number of tokens than were saved." : Refusal(reply);
        SnapshotLog.NotRestored(logger, store.IdOf(sessionKey), slot, passport.Model, error);
        return new RestoreResult(RestoreStatus.Failed, 0, 0, seconds, error, null);
    }

    /// <summary>Empties a slot. False: llama-server did not.</summary>
    public async Task<bool> EraseAsync(Upstream upstream, int slot, CancellationToken cancel)
    {
        using var client = new RouterClient(upstream.BaseAddress, upstream.ApiKey, time);
        var reply = await client.SlotAsync(upstream.Model, slot, "erase", "", TransferBase, cancel);
        return reply.IsOk;
    }

    /// <summary>
    /// Answers after a restore told how much of it was used, their prompts being such that go on from it. Less than half,
    /// twice in a row, means that this model cannot go on from a file: once, the client may have changed the beginning.
    /// </summary>
    public void Verify(Passport passport, long sessionKey, int restoredTokens, int reusedTokens)
    {
        if (restoredTokens < MinTokens)
            return;
        if (reusedTokens >= restoredTokens / 2)
        {
            unused.TryRemove(passport.ModelAndBuild, out _);
            return;
        }
        if (unused.TryAdd(passport.ModelAndBuild, true))
            return;
        useless[passport.ModelAndBuild] = true;
        store.MarkNotRestorable(passport.ModelAndBuild);
        SnapshotLog.NoUse(logger, passport.Model, store.IdOf(sessionKey), restoredTokens, reusedTokens);
    }

    /// <summary>Waits until what was saved is on the disk, within bounds.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await flush.DisposeAsync().AsTask().WaitAsync(FlushLimit, time);
        }
        catch (TimeoutException)
        {
            // Such files are not used after a restart of the machine, and are after one of hotmodel.
        }
    }

    private async Task<SaveResult> SaveAsync(
        Upstream upstream, Passport passport, int slot, SlotContent content, string file, CancellationToken cancel)
    {
        using var client = new RouterClient(upstream.BaseAddress, upstream.ApiKey, time);
        var (slots, looked) = await LookAsync(client, upstream, slot, content.IsCut, cancel);
        if (!slots.IsOk)
            return Refused(passport, slots);
        if (looked is not { } state)
            return NotSaved(SaveStatus.Failed, "llama-server shows no such slot.");
        if (content.IsCut && state.Tokens is { } more && !IsSame(more, content.Tokens))
        {
            // What the file has is of the same beginning: so much has to come to it.
            if (more - (content.IsKept ? content.Tokens : 0) < MinTokens)
                return TooShort(passport, content with { Tokens = more });
            content = content with { Tokens = more, History = MessageHash.Start, IsKept = false };
        }
        if (content.IsKept || content.Tokens < MinTokens)
            return content.IsKept ? NotSaved(SaveStatus.Kept, "A file has it.") : TooShort(passport, content);
        if (state.IsProcessing || state.Tokens is { } held && !IsSame(held, content.Tokens))
            return NotSaved(SaveStatus.Changed, "The slot holds something else by now.");
        var expected = quota.Estimate(passport.Fingerprint, content.Tokens);
        var before = store.FindSnapshot(content.SessionKey, passport.Fingerprint);
        if (quota.MakeRoom(expected ?? 0, content, before) is { } noRoom)
            return NotSaved(noRoom.Status, noRoom.Why);
        var reply = await client.SlotAsync(
            upstream.Model, slot, "save", file, TransferLimit(expected ?? quota.MaxBytes), cancel);
        return Keep(passport, content, file, reply);
    }

    /// <summary>At the slot, once it is at rest or the time is over; null: there is none.</summary>
    private async Task<(RouterReply Reply, SlotState? State)> LookAsync(
        RouterClient client, Upstream upstream, int slot, bool isCut, CancellationToken cancel)
    {
        var (longest, limit) = isCut ? (CutPause, CutLimit) : (BusyPause, BusyLimit);
        var began = time.GetTimestamp();
        for (var pause = FirstPause; ; pause = pause * 4 < longest ? pause * 4 : longest)
        {
            var reply = await client.SlotsAsync(upstream.Model, cancel);
            var state = SlotAnswers.FindSlot(reply.Body, slot);
            if (!reply.IsOk || state is not { IsProcessing: true } || time.GetElapsedTime(began) > limit)
                return (reply, state);
            await Task.Delay(pause, time, cancel);
        }
    }

    private SaveResult Keep(Passport passport, SlotContent content, string file, RouterReply reply)
    {
        if (!reply.IsOk)
            return Refused(passport, reply);
        // Not every build reports a full disk: the size of the file decides.
        if (SlotAnswers.Saved(reply.Body) is not { Tokens: > 0 } done
            || folder.Look(file) is not { } there || there.Bytes != done.Bytes)
            return NotSaved(SaveStatus.Failed, "llama-server did not write the whole file; the disk may be full.");
        if (!IsSame(done.Tokens, content.Tokens))
            return NotSaved(SaveStatus.Changed, "The slot held something else.");
        var snapshot = new StoredSnapshot(file, content.SessionKey, passport.Model, passport.Fingerprint,
            passport.ModelAndBuild, content.History, done.Tokens, done.Bytes, there.ChangedTicks)
        {
            Setup = passport.Setup,
            TokenSeconds = content.TokenSeconds,
        };
        quota.Learn(snapshot);
        if (done.Bytes > quota.MaxBytes)
            return NotSaved(SaveStatus.Failed, quota.TooLarge(done.Bytes));
        if (Own(file) is { } notOurs)
            return NotSaved(SaveStatus.Failed, notOurs);
        if (store.AddSnapshot(snapshot, flush.Boot) is { } error)
            return NotSaved(SaveStatus.Failed, error);
        quota.Evict(newest: file);
        flush.Begin(file);
        return new SaveResult(SaveStatus.Saved, done.Tokens, done.Bytes, 0, null);
    }

    /// <summary>
    /// A server without these routes is not asked again: one with --no-slots, without the folder, for a model with images,
    /// or no llama-server.
    /// </summary>
    private SaveResult Refused(Passport passport, RouterReply reply)
    {
        if (reply.Status is not (StatusCodes.Status404NotFound or StatusCodes.Status501NotImplemented))
            return NotSaved(SaveStatus.Failed, Refusal(reply));
        useless[passport.Fingerprint] = true;
        return NotSaved(SaveStatus.NotRestorable, Refusal(reply));
    }

    /// <summary>The usable one; what is listed and is not whole is forgotten.</summary>
    private StoredSnapshot? Find(Passport passport, long sessionKey)
    {
        if (!IsRestorable(passport) || store.FindSnapshot(sessionKey, passport.Fingerprint) is not { } snapshot)
            return null;
        if (folder.IsAsSaved(snapshot))
            return snapshot;
        Forget(snapshot);
        return null;
    }

    /// <summary>Takes everyone else's rights from the file. Null, or why not.</summary>
    private string? Own(string file)
    {
        try
        {
            StateFiles.MakePrivate(folder.PathOf(file));
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return e.Message;
        }
    }

    private void RemoveAll()
    {
        var all = store.SnapshotsByUse();
        SnapshotLog.Off(logger, all.Count);
        foreach (var snapshot in all)
            store.RemoveSnapshot(snapshot.File);
        Sweep();
    }

    private void RemoveTorn()
    {
        var unflushed = store.SnapshotsOfOtherBoots(flush.Boot);
        if (unflushed.Count > 0)
            SnapshotLog.NotOnDisk(logger, unflushed.Count);
        foreach (var file in unflushed)
            store.RemoveSnapshot(file);
        foreach (var snapshot in store.SnapshotsByUse())
        {
            if (!folder.IsAsSaved(snapshot))
                Forget(snapshot);
        }
        Sweep();
    }

    private void Forget(StoredSnapshot snapshot)
    {
        SnapshotLog.NotAsSaved(logger, store.IdOf(snapshot.SessionKey), snapshot.Model);
        store.RemoveSnapshot(snapshot.File);
    }

    /// <summary>Deletes files without a row: of saves that failed, were cancelled or never ended.</summary>
    private void Sweep()
    {
        // In this order a file whose save ends meanwhile is found in one of the two.
        var files = folder.Files();
        var spared = writing.Keys.ToHashSet();
        spared.UnionWith(store.SnapshotsByUse().Select(snapshot => snapshot.File));
        foreach (var file in files.Where(file => !spared.Contains(file)))
            folder.Delete(file);
    }

    private static TimeSpan TransferLimit(long bytes) => TransferBase + TimeSpan.FromSeconds(bytes / TransferBytesPerSecond);

    private static double Megabytes(long bytes) => Math.Round(bytes / 1e6, 1);

    private static bool IsSame(int held, int expected) => Math.Abs(held - expected) <= TokenSlack;

    private SaveResult TooShort(Passport passport, SlotContent content)
    {
        SnapshotLog.TooShort(logger, store.IdOf(content.SessionKey), passport.Model, content.Tokens, MinTokens);
        return NotSaved(SaveStatus.TooShort, "It has fewer tokens than snapshots.min_tokens.");
    }

    private static SaveResult NotSaved(SaveStatus status, string error) => new(status, 0, 0, 0, error);

    private static string Refusal(RouterReply reply) => reply.Status == 0
        ? "llama-server did not answer in time."
        : reply.ErrorMessage ?? $"llama-server answered with status {reply.Status}.";
}
