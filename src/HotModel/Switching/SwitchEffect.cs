using System.Collections.Immutable;

namespace HotModel.Switching;

internal enum SwitchEffectKind
{
    /// <summary>The model answers (again): requests may be let in, then NextSwitch is owed.</summary>
    Open,
    /// <summary>The model did not load: those who wait for it learn so.</summary>
    GiveUp,
    /// <summary>End the running answers now.</summary>
    AbortInFlight,
    StartUnload,
    StartSettle,
    StartLoad,
    StopBackend,
    /// <summary>Send DeadlinePassed with the current generation when the time is up.</summary>
    ArmDeadline,
    CompleteSwitch,
}

internal enum DeadlineKind { Drain, Load, BackOff, Stop }

internal enum SwitchOutcome
{
    Switched,
    AlreadyActive,
    /// <summary>Running answers did not end in time; nothing was unloaded.</summary>
    DrainTimedOut,
    /// <summary>The target did not load and there was no previous model.</summary>
    LoadFailed,
    /// <summary>The target did not load; the previous model answers again.</summary>
    RolledBack,
    /// <summary>Neither the target nor the previous model loaded; the previous one is tried on.</summary>
    RollbackFailed,
    TooManyQueued,
    /// <summary>
    /// A scheduled switch that nobody needed any more, or that an explicit one has replaced; or one to a model that is not
    /// configured any more. Nothing was unloaded.
    /// </summary>
    Withdrawn,
    /// <summary>The target does not fit beside what is loaded; nothing was unloaded. Not said by a machine.</summary>
    NoPlace,
    Stopping,
}

/// <summary>What the loop has to do. Only the fields that the kind names are set.</summary>
internal readonly record struct SwitchEffect(SwitchEffectKind Kind)
{
    public string? Model { get; init; }
    public DeadlineKind Deadline { get; init; }
    public SwitchTicket Ticket { get; init; }
    public SwitchOutcome Outcome { get; init; }
}

/// <summary>A state and what has to be done on the way into it, in order.</summary>
internal readonly record struct Step(SwitchState State, ImmutableArray<SwitchEffect> Effects)
{
    public static implicit operator Step(SwitchState state) => new(state, []);

    public Step Do(SwitchEffectKind kind) => Do(new SwitchEffect(kind));

    public Step Do(SwitchEffect effect) => this with { Effects = Effects.Add(effect) };

    public Step Then(Func<SwitchState, Step> next)
    {
        var step = next(State);
        return step with { Effects = Effects.AddRange(step.Effects) };
    }
}
