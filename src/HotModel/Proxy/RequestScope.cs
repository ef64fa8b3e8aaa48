namespace HotModel.Proxy;

internal enum EndCause { None, ClientGone, LeaseAborted, Stalled }

/// <summary>The one cancellation of a request that holds a lease, and what caused it: the first cause stays.</summary>
internal sealed class RequestScope : IDisposable
{
    private readonly CancellationTokenSource source = new();
    private readonly CancellationTokenRegistration client;
    private readonly CancellationTokenRegistration lease;
    private readonly ITimer silence;
    private int cause;

    public RequestScope(TimeProvider time, CancellationToken clientGone, CancellationToken leaseAborted)
    {
        silence = time.CreateTimer(static scope => ((RequestScope)scope!).End(EndCause.Stalled), this,
            Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        client = clientGone.UnsafeRegister(static scope => ((RequestScope)scope!).End(EndCause.ClientGone), this);
        lease = leaseAborted.UnsafeRegister(static scope => ((RequestScope)scope!).End(EndCause.LeaseAborted), this);
    }

    public CancellationToken Token => source.Token;
    public EndCause Cause => (EndCause)Volatile.Read(ref cause);

    /// <summary>Ends the request unless this is called again within the time.</summary>
    public void ExpectBytesWithin(TimeSpan time) => silence.Change(time, Timeout.InfiniteTimeSpan);

    public void Dispose()
    {
        client.Dispose();
        lease.Dispose();
        silence.Dispose();
        source.Dispose();
    }

    private void End(EndCause why)
    {
        if (Interlocked.CompareExchange(ref cause, (int)why, (int)EndCause.None) != (int)EndCause.None)
            return;
        try
        {
            source.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The timer fired while the request ended.
        }
    }
}
