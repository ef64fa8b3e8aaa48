namespace HotModel.Proxy;

/// <summary>Counts since the start, for /admin/state.</summary>
internal sealed class ProxyMetrics
{
    private long requests;
    private long streams;
    private long cutStreams;
    private long storeFailures;
    private long relayedBytes;
    private long waitTicks;

    public long Requests => Interlocked.Read(ref requests);
    public long Streams => Interlocked.Read(ref streams);
    /// <summary>Answers that the upstream or a switch ended after they had begun and before they were complete.</summary>
    public long CutStreams => Interlocked.Read(ref cutStreams);
    /// <summary>Complete answers that reached the client but not the store.</summary>
    public long StoreFailures => Interlocked.Read(ref storeFailures);
    /// <summary>Of answers, streamed or not.</summary>
    public long RelayedBytes => Interlocked.Read(ref relayedBytes);

    /// <summary>What requests waited for their model.</summary>
    public TimeSpan Wait => TimeSpan.FromTicks(Interlocked.Read(ref waitTicks));

    public void CountRequest() => Interlocked.Increment(ref requests);
    public void CountStream() => Interlocked.Increment(ref streams);
    public void CountCutStream() => Interlocked.Increment(ref cutStreams);
    public void CountStoreFailure() => Interlocked.Increment(ref storeFailures);
    public void AddWait(TimeSpan wait) => Interlocked.Add(ref waitTicks, wait.Ticks);
    public void AddRelayedBytes(long bytes) => Interlocked.Add(ref relayedBytes, bytes);
}
