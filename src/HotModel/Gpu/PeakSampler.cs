namespace HotModel.Gpu;

/// <summary>The most memory seen used since it was made, by samples. Disposing ends the sampling.</summary>
internal sealed class PeakSampler : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(10);

    private readonly Func<GpuReading> read;
    private readonly ITimer? timer;
    private readonly Lock gate = new();
    private long? peakMb;
    private int sampling;

    /// <summary>Takes the first sample; without a device it is the last one too.</summary>
    public PeakSampler(Func<GpuReading> read, TimeProvider time)
    {
        this.read = read;
        Add(read());
        if (PeakMb is not null)
            timer = time.CreateTimer(static sampler => ((PeakSampler)sampler!).Sample(), this, Interval, Interval);
    }

    /// <summary>On all devices together; null where there is none.</summary>
    public long? PeakMb
    {
        get
        {
            lock (gate)
                return peakMb;
        }
    }

    /// <summary>Counts a reading that was taken for another purpose.</summary>
    public void Add(GpuReading reading)
    {
        lock (gate)
            peakMb = reading.TotalMb is { } used && !(used <= peakMb) ? used : peakMb;
    }

    public void Dispose() => timer?.Dispose();

    private void Sample()
    {
        // A reading slower than the interval: one at a time is enough.
        if (Interlocked.Exchange(ref sampling, 1) == 1)
            return;
        try
        {
            Add(read());
        }
        finally
        {
            Volatile.Write(ref sampling, 0);
        }
    }
}
