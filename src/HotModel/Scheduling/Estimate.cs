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

    public Estimate With(TimeSpan sample) => new(
        Mean + Weight * (sample - Mean),
        Deviation + Weight * ((sample - Mean).Duration() - Deviation));
}
