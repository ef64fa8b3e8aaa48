using HdrHistogram;

namespace MeasureRelay;

/// <summary>From just before the upstream's send to just after the client's receive.</summary>
internal sealed class Latencies
{
    private const long HighestNanoseconds = 60_000_000_000;

    private readonly LongHistogram histogram = new(HighestNanoseconds, 3);

    public void Add(long nanoseconds) => histogram.RecordValue(Math.Min(nanoseconds, HighestNanoseconds));

    public double Microseconds(double percentile) => histogram.GetValueAtPercentile(percentile) / 1e3;
}
