namespace HotModel.Scheduling;

/// <summary>How long something takes, from how long it took: newer measurements count more.</summary>
/// <param name="Mean">The expected time.</param>
/// <param name="Deviation">The mean distance from the mean.</param>
internal readonly record struct Estimate(TimeSpan Mean, TimeSpan Deviation)
{
    private const double Weight = 0.25;

    /// <summary>Before anything was measured.</summary>
    public static Estimate Guess(TimeSpan time) => new(time, TimeSpan.Zero);

    /// <summary>After the first measurement, which says little about the next one.</summary>
    public static Estimate First(TimeSpan sample) => new(sample, sample / 4);

    /// <summary>A time that is rarely exceeded: mean and four deviations, as TCP waits before it sends again.</summary>
    public TimeSpan Safe => Mean + 4 * Deviation;

    /// <summary>Of one after the other. They do not all take long at once: what they deviate adds up as squares do.</summary>
    public static Estimate operator +(Estimate a, Estimate b) => new(
        a.Mean + b.Mean,
        TimeSpan.FromSeconds(Math.Sqrt(Square(a.Deviation) + Square(b.Deviation))));

    public Estimate With(TimeSpan sample) => new(
        Mean + Weight * (sample - Mean),
        Deviation + Weight * ((sample - Mean).Duration() - Deviation));

    private static double Square(TimeSpan time) => time.TotalSeconds * time.TotalSeconds;
}
