using System.Collections.Immutable;

namespace HotModel.Switching;

internal enum SwitchPhase
{
    /// <summary>No model is loaded, and none wanted.</summary>
    Idle,
    /// <summary><see cref="SwitchState.Goal"/> is being loaded.</summary>
    Loading,
    /// <summary><see cref="SwitchState.Active"/> answers.</summary>
    Ready,
    /// <summary>Nobody is let in; running answers end.</summary>
    Draining,
    /// <summary>The process of the model that leaves is ending.</summary>
    Unloading,
    /// <summary>The device memory of the model that left is coming back.</summary>
    Settling,
    /// <summary>A pause before the wanted model is tried again.</summary>
    BackingOff,
    /// <summary>Every process of ours is ending.</summary>
    Stopping,
    Stopped,
}

/// <summary>Somebody who waits for a switch to end.</summary>
/// <param name="Force">At the drain's deadline running answers are cut, instead of the switch failing.</param>
/// <param name="IsScheduled">For requests that name the model; else somebody asked for the switch as such.</param>
internal readonly record struct SwitchTicket(long Id, string Model, bool Force, bool IsScheduled = false);

/// <summary>All that decides what happens next.</summary>
/// <remarks>Owned by <see cref="SwitchLoop"/>, changed by <see cref="SwitchMachine"/>.</remarks>
internal sealed record SwitchState
{
    public SwitchPhase Phase { get; init; }
    /// <summary>Counts the phases entered; results and deadlines of an earlier one are recognised by it and dropped.</summary>
    public long Generation { get; init; }
    /// <summary>The generation of the load that brought the loaded model; 0 while none is loaded.</summary>
    public long Instance { get; init; }
    /// <summary>The model that answers, or that answered last: it is brought back if it was lost.</summary>
    public string? Active { get; init; }
    /// <summary>The model on its way in; null where the way leads to <see cref="SwitchPhase.Idle"/>.</summary>
    public string? Goal { get; init; }
    /// <summary>What is loaded again if the goal fails.</summary>
    public string? Fallback { get; init; }
    /// <summary>The switch being carried out; null while a model is brought (back) without anyone having asked.</summary>
    public SwitchTicket? Current { get; init; }
    public ImmutableArray<SwitchTicket> Queued { get; init; } = [];
    /// <summary>The goal is the previous model again, because the target failed.</summary>
    public bool RollingBack { get; init; }
    /// <summary>Times in a row that the active model was lost or not brought back, counted up to a limit.</summary>
    public int Attempts { get; init; }
    public bool Closing { get; init; }
    /// <summary>Leases given out and not returned.</summary>
    public int InFlight { get; init; }

    /// <summary>Before the first event. With a model, the loop starts by passing the deadline of this back-off at once.</summary>
    public static SwitchState Initial(string? activeModel) => activeModel is null
        ? new SwitchState { Phase = SwitchPhase.Idle }
        : new SwitchState { Phase = SwitchPhase.BackingOff, Active = activeModel, Goal = activeModel };

    public bool IsSwitching => Phase is not (SwitchPhase.Idle or SwitchPhase.Ready or SwitchPhase.Stopped);
}
