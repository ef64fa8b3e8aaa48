namespace HotModel.Switching;

/// <summary>A picture of the loop's state for display. Nothing may be decided by it: it is old when it is read.</summary>
internal sealed record SwitchStatus
{
    public required string Phase { get; init; }
    public required string? ActiveModel { get; init; }
    /// <summary>The model on its way in, if one is.</summary>
    public required string? GoalModel { get; init; }
    public required bool Switching { get; init; }
    public required int InflightChats { get; init; }
    public required int WaitingChats { get; init; }
    /// <summary>Why the active model is not loaded; null while all is well.</summary>
    public required string? LastError { get; init; }

    public static SwitchStatus Of(SwitchState state, int waiting, string? lastError) => new()
    {
        Phase = Name(state.Phase),
        ActiveModel = state.Active,
        GoalModel = state.Goal,
        Switching = state.IsSwitching,
        InflightChats = state.InFlight,
        WaitingChats = waiting,
        LastError = state.Phase == SwitchPhase.Ready ? null : lastError,
    };

    private static string Name(SwitchPhase phase) => phase switch
    {
        SwitchPhase.Idle => "idle",
        SwitchPhase.Loading => "loading",
        SwitchPhase.Ready => "ready",
        SwitchPhase.Draining => "draining",
        SwitchPhase.Unloading => "unloading",
        SwitchPhase.Settling => "settling",
        SwitchPhase.BackingOff => "backing_off",
        SwitchPhase.Stopping => "stopping",
        SwitchPhase.Stopped => "stopped",
    };
}
