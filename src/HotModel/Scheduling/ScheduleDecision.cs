using System.Collections.Immutable;

namespace HotModel.Scheduling;

internal enum ScheduleDecisionKind
{
    /// <summary>Let the request in, to the loaded model.</summary>
    Admit,
    Refuse,
    /// <summary>Close the gate, and have the model loaded once the running answers have ended.</summary>
    StartSwitch,
    /// <summary>Give up the switch that waits for running answers: nobody needs it any more.</summary>
    Reopen,
    /// <summary>Unload the loaded model, which nobody uses.</summary>
    Unload,
    /// <summary>Send TimePassed at that time. It replaces the time asked for before.</summary>
    WakeAt,
}

/// <summary>Why a request is not let in.</summary>
internal enum RefusalKind
{
    QueueFull,
    ModelQueueFull,
    /// <summary>Its own bound on waiting, or the configured one.</summary>
    QueueTimedOut,
    /// <summary>The model did not load, now or a little while ago.</summary>
    ModelFailed,
    /// <summary>The loaded model is pinned.</summary>
    Pinned,
    /// <summary>A background request for which no switch is made now.</summary>
    Background,
    NoActiveModel,
    /// <summary>The model that it names was taken out of the configuration.</summary>
    Removed,
    /// <summary>It names another model than the active one, and no model is switched for it.</summary>
    OtherModel,
    /// <summary>No model answers now, and the rules are that nobody waits for one.</summary>
    Switching,
    Stopping,
}

/// <summary>What is to be done. Only the members that the kind names are set.</summary>
internal readonly record struct ScheduleDecision(ScheduleDecisionKind Kind)
{
    /// <summary>Of the request: Admit, Refuse.</summary>
    public long Id { get; init; }
    /// <summary>StartSwitch, Unload; Admit: the loaded one; Refuse with ModelFailed: the one that did not load.</summary>
    public string? Model { get; init; }
    public RefusalKind Refusal { get; init; }
    /// <summary>Refuse with ModelFailed: why the model did not load.</summary>
    public string? Reason { get; init; }
    /// <summary>Refuse: when trying again may help; null where that is not known.</summary>
    public TimeSpan? RetryAfter { get; init; }
    /// <summary>WakeAt: on the clock that the events' times are of.</summary>
    public TimeSpan At { get; init; }
}

/// <summary>A state and what has to be done on the way into it, in order.</summary>
internal readonly record struct ScheduleStep(ScheduleState State, ImmutableArray<ScheduleDecision> Decisions)
{
    public static implicit operator ScheduleStep(ScheduleState state) => new(state, []);

    public ScheduleStep Do(ScheduleDecision decision) => this with { Decisions = Decisions.Add(decision) };

    public ScheduleStep Then(Func<ScheduleState, ScheduleStep> next)
    {
        var step = next(State);
        return step with { Decisions = Decisions.AddRange(step.Decisions) };
    }
}
