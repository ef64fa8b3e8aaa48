using HdrHistogram;

namespace HotModel.LoadTests;

/// <summary>Many times and their percentiles, to three digits.</summary>
internal sealed class Times
{
    private const long HighestMicroseconds = 600_000_000;

    private readonly LongHistogram histogram = new(HighestMicroseconds, 3);

    public long Count => histogram.TotalCount;

    public void Add(TimeSpan time) =>
        histogram.RecordValue(Math.Clamp((long)time.TotalMicroseconds, 0, HighestMicroseconds));

    /// <summary>NaN where there is no time.</summary>
    public double Milliseconds(double percentile) =>
        Count == 0 ? double.NaN : histogram.GetValueAtPercentile(percentile) / 1e3;

    public double MaxMilliseconds => Milliseconds(100);
}
