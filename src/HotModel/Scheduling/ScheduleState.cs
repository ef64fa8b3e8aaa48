using System.Collections.Immutable;

namespace HotModel.Scheduling;

internal enum GateState
{
    /// <summary>No model is loaded. <see cref="ScheduleState.Target"/> may be on its way back after it was lost.</summary>
    Empty,
    /// <summary><see cref="ScheduleState.Loaded"/> answers, and who asks for it is let in.</summary>
    Open,
    /// <summary>Nobody is let in; running answers of <see cref="ScheduleState.Loaded"/> end.</summary>
    Draining,
    /// <summary>One model leaves, <see cref="ScheduleState.Target"/> comes; null: none does.</summary>
    Switching,
}

/// <summary>A request that waits.</summary>
/// <param name="Model">Null: whatever model is active.</param>
/// <param name="Intent">Whether a switch is made for it.</param>
/// <param name="Arrived">When it came.</param>
/// <param name="GivesUp">When it is refused.</param>
internal sealed record WaitingRequest(string? Model, RequestIntent Intent, TimeSpan Arrived, TimeSpan GivesUp);

/// <summary>All that decides who is let in and which model comes next.</summary>
/// <remarks>Changed by <see cref="RequestScheduler"/> only. Times are of one clock with any origin.</remarks>
internal sealed record ScheduleState
{
    public GateState Gate { get; init; } = GateState.Empty;
    public string? Loaded { get; init; }
    public string? Target { get; init; }
    /// <summary>The model that was open last: what a request means that names none.</summary>
    public string? Active { get; init; }
    /// <summary>The switch under way is somebody's explicit wish.</summary>
    public bool Asked { get; init; }
    public bool Closing { get; init; }
    /// <summary>
    /// Where models are loaded beside each other: the one that is to come now, while the loaded one goes on. BesideEnded or
    /// BesideRefused is owed for it.
    /// </summary>
    public string? Beside { get; init; }
    /// <summary>One more model has place, so that none has to leave for it.</summary>
    public bool HasRoom { get; init; }
    /// <summary>Another model that is not pinned is loaded beside this one, or comes.</summary>
    public bool OthersYield { get; init; }
    /// <summary>When the gate came into its state.</summary>
    public TimeSpan GateSince { get; init; }
    /// <summary>When the loaded model was loaded.</summary>
    public TimeSpan OpenedAt { get; init; }
    /// <summary>Somebody was let in since then, or it was chosen by an explicit switch.</summary>
    public bool Used { get; init; }
    /// <summary>When the last answer ended, or the model was loaded; means something while nothing is in flight.</summary>
    public TimeSpan IdleSince { get; init; }
    /// <summary>The same of the answers to requests that are not background ones.</summary>
    public TimeSpan NormalIdleSince { get; init; }
    /// <summary>Requests that were let in and have not ended.</summary>
    public int InFlight { get; init; }
    /// <summary>Those of them that are not background ones.</summary>
    public int InFlightNormal { get; init; }
    /// <summary>By id, which is the order of arrival.</summary>
    public ImmutableSortedDictionary<long, WaitingRequest> Waiting { get; init; } =
        ImmutableSortedDictionary<long, WaitingRequest>.Empty;
    public ImmutableDictionary<string, ModelHistory> Models { get; init; } =
        ImmutableDictionary<string, ModelHistory>.Empty;
    /// <summary>The time asked for last; null: none, or it has passed.</summary>
    public TimeSpan? WakeAt { get; init; }

    public ModelHistory Of(string? model) =>
        model is not null && Models.TryGetValue(model, out var history) ? history : ModelHistory.Empty;

    public ScheduleState With(string model, ModelHistory history) => this with { Models = Models.SetItem(model, history) };
}
