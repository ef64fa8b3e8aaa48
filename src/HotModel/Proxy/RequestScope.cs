namespace HotModel.Proxy;

internal enum EndCause { None, ClientGone, ClientStalled, LeaseAborted, Stalled }

/// <summary>The one cancellation of a request that holds a lease, and what caused it: the first cause stays.</summary>
internal sealed class RequestScope : IDisposable
{
    /// <summary>How often it is asked whether a client that takes nothing may go on so.</summary>
    private static readonly TimeSpan ClientLook = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource source = new();
    private readonly CancellationTokenRegistration client;
    private readonly CancellationTokenRegistration lease;
    private readonly TimeProvider time;
    private readonly ITimer silence;
    private readonly Lock gate = new();
    private TimeSpan silenceLimit = Timeout.InfiniteTimeSpan;
    private long silentSince;
    private bool isClientsTurn;
    private int cause;

    public RequestScope(TimeProvider time, CancellationToken clientGone, CancellationToken leaseAborted)
    {
        this.time = time;
        silence = time.CreateTimer(static scope => ((RequestScope)scope!).LookAtSilence(), this,
            Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        client = clientGone.UnsafeRegister(static scope => ((RequestScope)scope!).End(EndCause.ClientGone), this);
        lease = leaseAborted.UnsafeRegister(static scope => ((RequestScope)scope!).End(EndCause.LeaseAborted), this);
    }

    public CancellationToken Token => source.Token;
    public EndCause Cause => (EndCause)Volatile.Read(ref cause);

    /// <summary>Given how long the client has taken nothing: ends the request. Null: it may take its time.</summary>
    public Func<TimeSpan, bool>? IsClientTooSlow { private get; set; }

    /// <summary>Ends the request unless this is called again within the time.</summary>
    /// <remarks>Called for each arrival: the timer is left running, and when it ends looks how long it has been.</remarks>
    public void ExpectBytesWithin(TimeSpan limit) => Expect(limit, ofClient: false);

    /// <summary>The client is slower than the model: that is not the model's silence.</summary>
    public void ExpectClient() => Expect(IsClientTooSlow is null ? Timeout.InfiniteTimeSpan : ClientLook, ofClient: true);

    /// <summary>The answer is whole: what becomes of the model no longer ends the request.</summary>
    public void ForgetLease()
    {
        lease.Unregister();
        lock (gate)
            IsClientTooSlow = null;
    }

    public void Dispose()
    {
        client.Dispose();
        lease.Dispose();
        silence.Dispose();
        source.Dispose();
    }

    private void Expect(TimeSpan limit, bool ofClient)
    {
        lock (gate)
        {
            isClientsTurn = ofClient;
            silentSince = time.GetTimestamp();
            if (limit == silenceLimit)
                return;
            silenceLimit = limit;
            silence.Change(limit, Timeout.InfiniteTimeSpan);
        }
    }

    private void LookAtSilence()
    {
        bool isOfClient;
        lock (gate)
        {
            if (silenceLimit == Timeout.InfiniteTimeSpan)
                return;
            isOfClient = isClientsTurn;
            TimeSpan silent = time.GetElapsedTime(silentSince);
            TimeSpan left = silenceLimit - silent;
            if (isOfClient && left <= TimeSpan.Zero && IsClientTooSlow?.Invoke(silent) != true)
                left = ClientLook;
            if (left > TimeSpan.Zero)
            {
                silence.Change(left, Timeout.InfiniteTimeSpan);
                return;
            }
        }
        End(isOfClient ? EndCause.ClientStalled : EndCause.Stalled);
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
