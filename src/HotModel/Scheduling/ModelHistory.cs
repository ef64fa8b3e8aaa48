namespace HotModel.Scheduling;

/// <summary>What was measured of a model.</summary>
internal sealed record ModelHistory
{
    public static readonly ModelHistory Empty = new();

    /// <summary>Until it answers, after the model before it had gone.</summary>
    public Estimate? Load { get; init; }
    /// <summary>Until it has gone, after its last answer.</summary>
    public Estimate? Unload { get; init; }
    public Estimate? Answer { get; init; }
    /// <summary>The usual pause between its last answer and the next request for it; null: none was seen.</summary>
    public TimeSpan? Pause { get; init; }
    /// <summary>When its last answer ended, if no request has come since.</summary>
    public TimeSpan? PauseBegan { get; init; }
    /// <summary>Loads that failed in a row.</summary>
    public int Failures { get; init; }
    public TimeSpan FailedAt { get; init; }
    public string? FailureReason { get; init; }

    /// <summary>All that the next start is to know.</summary>
    public ModelTimes Times => new(Load, Unload, Answer);

    public static ModelHistory Of(ModelTimes times) => new() { Load = times.Load, Unload = times.Unload, Answer = times.Answer };

    /// <summary>A request for the model has come.</summary>
    /// <remarks>
    /// The mean of the logarithms: one walk to the coffee machine between two hundred short thoughts must not count for
    /// more than they do.
    /// </remarks>
    public ModelHistory WithArrival(TimeSpan now)
    {
        if (PauseBegan is not { } began)
            return this;
        var pause = Math.Max((now - began).TotalSeconds, 0.001);
        var usual = Pause is { } known ? Math.Exp(0.75 * Math.Log(known.TotalSeconds) + 0.25 * Math.Log(pause)) : pause;
        return this with { Pause = TimeSpan.FromSeconds(usual), PauseBegan = null };
    }

    public static Estimate Measured(Estimate? known, TimeSpan sample) => known?.With(sample) ?? Estimate.First(sample);
}
