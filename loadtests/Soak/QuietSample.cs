using HotModel.FunctionalTests.Harness;

namespace Soak;

/// <summary>What hotmodel takes when nobody uses it.</summary>
/// <param name="Hours">Since the first round.</param>
internal sealed record QuietSample(double Hours, double ResidentMegabytes, int Descriptors, int Threads, int Processes)
{
    public static QuietSample Take(int pid, TimeSpan since) => new(
        since.TotalHours,
        ProcessTree.ResidentBytes(pid) / 1e6,
        ProcessTree.OpenFiles(pid),
        ProcessTree.ThreadNames(pid).Count,
        ProcessTree.Descendants(pid).Count);
}

/// <summary>One figure at all quiet moments after the warm-up.</summary>
/// <param name="First">The median of the first third.</param>
/// <param name="Last">The median of the last third.</param>
/// <param name="PerHour">How steeply the straight line through all of them rises.</param>
internal sealed record Trend(double First, double Last, double PerHour)
{
    public double Growth => (Last - First) / First;

    public static Trend Of(IReadOnlyList<QuietSample> samples, Func<QuietSample, double> figure)
    {
        int third = (samples.Count + 2) / 3;
        return new(
            Median(samples.Take(third).Select(figure)),
            Median(samples.TakeLast(third).Select(figure)),
            Slope([.. samples.Select(s => (s.Hours, figure(s)))]));
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    private static double Slope(IReadOnlyList<(double X, double Y)> points)
    {
        var (x, y) = (points.Average(p => p.X), points.Average(p => p.Y));
        double spread = points.Sum(p => (p.X - x) * (p.X - x));
        return spread == 0 ? 0 : points.Sum(p => (p.X - x) * (p.Y - y)) / spread;
    }
}
