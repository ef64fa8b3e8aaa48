namespace HotModel;

/// <summary>Gives memory that a burst of requests left behind back to the system, once the burst is over.</summary>
/// <remarks>
/// Streams allocate nothing as they go on, so the collector, which looks only when something is allocated, would keep the
/// room that their beginnings took for as long as they run: 12 kB for each of 1,000 streams. The pause grows with what is in
/// use: 4 ms with few streams, 30 ms with 1,000 (scripts/measure-relay.sh).
/// </remarks>
internal sealed class HeapTrim : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(3);
    // A hundred requests leave so much; below it a collection frees less than it costs.
    private const long WorthwhileBytes = 4 << 20;
    // In an interval. Beyond it requests come in, and a pause would be theirs.
    private const long QuietBytes = 512 << 10;

    private readonly ITimer timer;
    private long allocatedBytes;
    private long trimmedBytes;

    public HeapTrim(TimeProvider time) =>
        timer = time.CreateTimer(static trim => ((HeapTrim)trim!).Look(), this, Interval, Interval);

    public void Dispose() => timer.Dispose();

    private void Look()
    {
        long before = allocatedBytes;
        allocatedBytes = GC.GetTotalAllocatedBytes();
        if (allocatedBytes - before > QuietBytes || allocatedBytes - trimmedBytes < WorthwhileBytes)
            return;
        trimmedBytes = allocatedBytes;
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
    }
}
