using HotModel.Configuration;
using HotModel.Gpu;
using HotModel.Llama;
using HotModel.Scheduling;
using HotModel.Snapshots;

namespace HotModel.Switching;

/// <summary>What reaches the loop from outside. One input makes at most one event of the machine.</summary>
internal abstract record LoopInput
{
    internal sealed record Arrived(RequestWaiter Waiter) : LoopInput;

    internal sealed record Left(RequestWaiter Waiter) : LoopInput;

    internal sealed record Returned(ModelLease Lease, RequestWaiter Waiter) : LoopInput;

    internal sealed record Asked(SwitchAsk Ask) : LoopInput;

    internal sealed record StopAsked : LoopInput;

    internal sealed record DeadlineReached(long Generation) : LoopInput;

    /// <summary>The scheduler wanted to be woken.</summary>
    internal sealed record Woken : LoopInput;

    internal sealed record Lost(ModelLost Model) : LoopInput;

    internal sealed record Unloaded(
        long Generation, GpuReading Before, GpuReading After, SavedSlots? Saved) : LoopInput;

    internal sealed record Settled(long Generation, bool? Value, GpuReading Reading) : LoopInput;

    /// <summary>The model answers; what is done for its conversations has no part in the time that a load may take.</summary>
    internal sealed record Answers(long Generation) : LoopInput;

    internal sealed record LoadEnded(
        long Generation, LoadResult Result, GpuReading Reading, RestoredSlot? Restored) : LoopInput;

    internal sealed record BackendStopped(long Generation) : LoopInput;

    /// <summary>Everything of the lane has ended.</summary>
    internal sealed record LaneEnded : LoopInput;

    /// <summary>For the lanes together: whether the model has a place beside what is loaded.</summary>
    internal sealed record Placed(LaneSwitch Switch, LanePlace Place) : LoopInput;

    /// <summary>For the lanes together: the switch has waited for a place for as long as for running answers.</summary>
    internal sealed record Overdue(SwitchAsk Ask) : LoopInput;

    /// <summary>For the lanes together: the answers of a lane that leaves have taken as long as they may.</summary>
    internal sealed record CutAsked(SwitchLoop Lane) : LoopInput;

    /// <summary>For the lanes together: somebody wants to know that inputs are handled.</summary>
    internal sealed record Passed(TaskCompletionSource Done) : LoopInput;

    /// <summary>For the lanes together: another configuration is in force.</summary>
    internal sealed record Reconfigured(ConfigDifference Difference, TaskCompletionSource Done) : LoopInput;

    /// <summary>An operation threw: a bug, or an operating system that refuses to work.</summary>
    internal sealed record Broken(Exception Cause) : LoopInput;
}

/// <summary>A request at the gate.</summary>
internal sealed class RequestWaiter(RequestAsk ask)
{
    private readonly TaskCompletionSource<Admission> admission = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public RequestAsk Ask { get; set; } = ask;
    /// <summary>What the scheduler knows it by; the loop gives it.</summary>
    public long Id { get; set; }
    /// <summary>Where it waits, or was let in.</summary>
    public SwitchLoop? Lane { get; set; }
    /// <summary>When it was let in, on the scheduler's clock.</summary>
    public TimeSpan AdmittedAt { get; set; }
    public Task<Admission> Admission => admission.Task;
    /// <summary>Called once, when the request is not let in at once.</summary>
    public Action<RequestWaiter>? OnQueued { get; init; }

    public void Complete(Admission value) => admission.SetResult(value);

    public void Refuse(RefusalKind kind, string message, TimeSpan? retryAfter) =>
        Complete(new Admission(null, new Refusal(kind, message, retryAfter)));
}

/// <summary>Somebody's wish for a switch.</summary>
/// <param name="ticket">What the machine knows of it.</param>
/// <param name="ownDrainTimeout">Null: the configured one.</param>
/// <param name="configuredDrainTimeout">The configured one.</param>
internal sealed class SwitchAsk(SwitchTicket ticket, TimeSpan? ownDrainTimeout, TimeSpan configuredDrainTimeout)
{
    private readonly TaskCompletionSource<SwitchReport> report = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public SwitchTicket Ticket { get; } = ticket;
    public TimeSpan DrainTimeout { get; } = ownDrainTimeout ?? configuredDrainTimeout;
    public bool HasOwnDrainTimeout { get; } = ownDrainTimeout is not null;
    public Task<SwitchReport> Report => report.Task;

    public void Complete(SwitchReport value) => report.SetResult(value);
}
