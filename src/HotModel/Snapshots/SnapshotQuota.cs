using System.Collections.Concurrent;
using System.Globalization;
using HotModel.Configuration;
using HotModel.Sessions;

namespace HotModel.Snapshots;

/// <summary>How much disk snapshots may take; makes room by deleting those of the conversations that were used
/// least recently.</summary>
internal sealed class SnapshotQuota
{
    private const long DefaultMaxBytes = 8L << 30;
    private const int DefaultShareOfFree = 10;
    /// <summary>What is left to everybody else on the disk, the conversations' own store among them.</summary>
    private const long FreeMarginBytes = 512L << 20;

    private readonly SessionStore store;
    private readonly ILogger logger;
    private readonly Func<long?> freeBytes;
    // Of the longest conversation saved: what a file has whatever its length weighs least in it.
    private readonly ConcurrentDictionary<string, StoredSnapshot> largest = new(StringComparer.Ordinal);
    private long evicted;

    public SnapshotQuota(SnapshotConfig config, SessionStore store, ILogger logger, Func<long?> freeBytes)
    {
        this.store = store;
        this.logger = logger;
        this.freeBytes = freeBytes;
        foreach (var snapshot in store.SnapshotsByUse())
            Learn(snapshot);
        // What snapshots hold already would be free without them: else the bound would shrink from start to start.
        MaxBytes = config.MaxBytes ?? (freeBytes() is { } free
            ? Math.Min(DefaultMaxBytes, (free + store.SnapshotTotals().Bytes) / DefaultShareOfFree)
            : DefaultMaxBytes);
    }

    public long MaxBytes { get; }

    public long Evicted => Interlocked.Read(ref evicted);

    /// <summary>Remembers the size of a file, also of one too large to be kept.</summary>
    public void Learn(StoredSnapshot snapshot) => largest.AddOrUpdate(
        snapshot.Fingerprint, snapshot, (_, known) => snapshot.Tokens >= known.Tokens ? snapshot : known);

    /// <summary>Null before the first save under this fingerprint.</summary>
    public long? Estimate(string fingerprint, int tokens) => largest.TryGetValue(fingerprint, out var known)
        ? (long)((double)known.Bytes / known.Tokens * tokens)
        : null;

    /// <summary>
    /// Makes room for a file of about so many bytes; not at the cost of conversations that were used since.
    /// </summary>
    /// <param name="expectedBytes">0 where unknown.</param>
    /// <param name="content">Of the file.</param>
    /// <param name="replaced">Will be replaced by the new file, so it goes first.</param>
    /// <returns>Null, or why there is none.</returns>
    public (SaveStatus Status, string Why)? MakeRoom(long expectedBytes, SlotContent content, StoredSnapshot? replaced)
    {
        if (expectedBytes > MaxBytes)
            return (SaveStatus.Failed, TooLarge(expectedBytes));
        var held = store.SnapshotTotals().Bytes;
        var mayGo = store.SnapshotsThatMayGoFor(content.SessionKey, content.SparedKey);
        var room = mayGo.Sum(snapshot => snapshot.Bytes);
        if (held - room + expectedBytes > MaxBytes)
            return (SaveStatus.NoRoom, "Conversations that were used since take all the room.");
        if (freeBytes() + room < expectedBytes + FreeMarginBytes)
            return NoDisk(expectedBytes);
        foreach (var snapshot in mayGo.OrderBy(snapshot => snapshot.File == replaced?.File ? 0 : 1))
        {
            if (held + expectedBytes <= MaxBytes && HasDisk(expectedBytes))
                return null;
            if (snapshot.File == replaced?.File)
                store.RemoveSnapshot(snapshot.File);
            else
                Evict(snapshot);
            held -= snapshot.Bytes;
        }
        return HasDisk(expectedBytes) ? null : NoDisk(expectedBytes);
    }

    /// <summary>Deletes what is beyond the bound, but not <paramref name="newest"/>.</summary>
    public void Evict(string? newest = null)
    {
        var all = store.SnapshotsByUse();
        var held = all.Sum(snapshot => snapshot.Bytes);
        foreach (var snapshot in all.Where(snapshot => snapshot.File != newest))
        {
            if (held <= MaxBytes)
                return;
            Evict(snapshot);
            held -= snapshot.Bytes;
        }
    }

    private void Evict(StoredSnapshot snapshot)
    {
        SnapshotLog.Evicted(
            logger, store.IdOf(snapshot.SessionKey), snapshot.Model, Math.Round(snapshot.Bytes / 1e6, 1));
        store.RemoveSnapshot(snapshot.File);
        Interlocked.Increment(ref evicted);
    }

    public string TooLarge(long bytes) => string.Create(CultureInfo.InvariantCulture,
        $"A snapshot of {bytes} bytes is more than snapshots.max_bytes, {MaxBytes}, allows.");

    // A disk of which the system says nothing is one that shows by itself when it is full.
    private bool HasDisk(long expectedBytes) => freeBytes() is not { } free || free >= expectedBytes + FreeMarginBytes;

    private static (SaveStatus, string) NoDisk(long expectedBytes) => (SaveStatus.Failed, string.Create(
        CultureInfo.InvariantCulture,
        $"The disk has no room for a snapshot of {expectedBytes} bytes beside the {FreeMarginBytes} that stay free."));
}
