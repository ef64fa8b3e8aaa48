namespace HotModel.Switching;

internal enum SwitchEventKind
{
    /// <summary>A request was let in to the model that answers.</summary>
    RequestAdmitted,
    RequestFinished,
    SwitchRequested,
    /// <summary>Nobody needs the switch any more, which waits for running answers or its turn: nothing was unloaded.</summary>
    SwitchWithdrawn,
    /// <summary>Those who waited for the model that answers are let in: a switch that waits may begin.</summary>
    NextSwitch,
    /// <summary>Nobody uses the model that answers.</summary>
    UnloadRequested,
    /// <summary>The model that answers, or is to be brought back, is configured otherwise now.</summary>
    ReloadRequested,
    /// <summary>The model that answers, or answered last, is not configured any more.</summary>
    ModelForgotten,
    StopRequested,
    ModelUnloaded,
    MemorySettled,
    ModelLoaded,
    LoadFailed,
    /// <summary>The loaded model's process ended by itself; the generation is the instance's.</summary>
    ModelLost,
    DeadlinePassed,
    BackendStopped,
}

/// <param name="Kind">What happened.</param>
/// <param name="Generation">Of the phase that asked for what has now ended; 0 for what comes from outside.</param>
/// <param name="Ticket">With SwitchRequested and SwitchWithdrawn.</param>
/// <param name="Answered">With RequestFinished: the model gave a whole answer, so it works.</param>
/// <param name="Permanent">With LoadFailed: trying again soon cannot help (a missing file, an unknown flag).</param>
internal readonly record struct SwitchEvent(
    SwitchEventKind Kind, long Generation = 0, SwitchTicket Ticket = default, bool Answered = false, bool Permanent = false);
