namespace HotModel.Scheduling;

/// <summary>The configuration of the scheduler.</summary>
internal sealed record ScheduleRules
{
    /// <summary>No request waits longer than this behind requests that came later.</summary>
    public required TimeSpan MaxWait { get; init; }
    /// <summary>After this a request that was not let in is refused, if it brings no bound of its own.</summary>
    public required TimeSpan Patience { get; init; }
    /// <summary>Requests that may wait at once, for all models.</summary>
    public required int QueueLimit { get; init; }
    /// <summary>The same for one model that is named.</summary>
    public required int QueueLimitPerModel { get; init; }
    /// <summary>False: a request that comes while no model answers is refused.</summary>
    public bool Waits { get; init; } = true;
    /// <summary>False: a request that names another model than the active one is refused.</summary>
    public bool SwitchesOnRequest { get; init; } = true;
    /// <summary>The next model is loaded beside the loaded one, which is let requests in until it is there.</summary>
    public bool LoadsBeside { get; init; }
    /// <summary>How long an unused model is kept while others wait; null: as long as going there and back takes.</summary>
    public TimeSpan? Residency { get; init; }
    /// <summary>Bounds of the measured residency.</summary>
    public TimeSpan LeastResidency { get; init; } = TimeSpan.FromSeconds(0.1);
    public TimeSpan MostResidency { get; init; } = TimeSpan.FromSeconds(30);
    /// <summary>
    /// A model that others wait for is used for this many times as long as leaving it takes, its last answers included; so
    /// switching takes a twentieth of the time at most.
    /// </summary>
    public double TurnFactor { get; init; } = 20;
    /// <summary>A background request that may not have a switch now waits; false: it is refused.</summary>
    public bool BackgroundWaits { get; init; } = true;
    /// <summary>A model that did not load is not tried again before this; doubled by each further failure.</summary>
    public TimeSpan FirstRetry { get; init; } = TimeSpan.FromSeconds(30);
    public TimeSpan LongestRetry { get; init; } = TimeSpan.FromMinutes(10);
    /// <summary>What is expected before the first measurement.</summary>
    public TimeSpan UsualUnload { get; init; } = TimeSpan.FromSeconds(1);
    public TimeSpan UsualLoad { get; init; } = TimeSpan.FromSeconds(10);
    public TimeSpan UsualAnswer { get; init; } = TimeSpan.FromSeconds(10);
    /// <summary>By configured name; a model that is not in here has no rules of its own.</summary>
    public IReadOnlyDictionary<string, ModelRules> Models { get; init; } = new Dictionary<string, ModelRules>();

    public bool IsPinned(string? model) => model is not null && Models.TryGetValue(model, out var rules) && rules.Pinned;

    public TimeSpan? IdleUnload(string model) => Models.TryGetValue(model, out var rules) ? rules.IdleUnload : null;
}

/// <param name="IdleUnload">Unused for so long, it is unloaded; null: never.</param>
/// <param name="Pinned">Once loaded it is left only by an explicit switch.</param>
internal sealed record ModelRules(TimeSpan? IdleUnload = null, bool Pinned = false);
