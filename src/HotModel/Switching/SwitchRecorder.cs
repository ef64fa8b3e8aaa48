using HotModel.Gpu;
using HotModel.Llama;
using HotModel.Snapshots;

namespace HotModel.Switching;

/// <summary>Keeps what the report of the current switch needs while it goes on. Used by the loop only.</summary>
internal sealed class SwitchRecorder(TimeProvider time, SwitchGpu gpu)
{
    private readonly List<PhaseTime> phases = [];
    private SwitchTicket? ticket;
    private string? previousModel;
    private long begun;
    private long phaseBegun;
    private string? phase;
    private bool? settled;
    private SwitchMemory? memory;
    private bool isUnloaded;
    private bool isSettled;
    private LoadFailure? failure;
    private PeakSampler? peak;
    private SavedSlots? saved;
    private RestoredSlot? restored;

    public long? Ticket => ticket?.Id;

    /// <summary>Follows a step: a new current switch begins a record, a new phase ends the time of the one before.</summary>
    public void Observe(SwitchState state)
    {
        if (state.Current is not { } current)
            return;
        var now = time.GetTimestamp();
        if (ticket?.Id != current.Id)
            Begin(current, state.Fallback, now);
        var name = Name(state);
        if (name == phase)
            return;
        EndPhase(now);
        phase = name;
    }

    public void Unloaded(GpuReading before, GpuReading after, SavedSlots? slots)
    {
        // What the way back unloads is not the model that left.
        if (memory is null || isUnloaded)
            return;
        isUnloaded = true;
        saved = slots;
        memory = new SwitchMemory(before, after, after, after);
    }

    public void Settled(bool? value, GpuReading reading)
    {
        if (memory is null || isSettled)
            return;
        isSettled = true;
        settled = value;
        memory = memory with { AfterSettle = reading, AfterLoad = reading };
    }

    public void Loaded(GpuReading reading, RestoredSlot? slot)
    {
        restored = slot;
        peak?.Add(reading);
        if (memory is not null)
            memory = memory with { AfterLoad = reading };
    }

    /// <summary>The first failure is the switch's: later ones are of the way back.</summary>
    public void Failed(LoadFailure value) => failure ??= value;

    public SwitchReport Finish(SwitchAsk ask, SwitchOutcome outcome, string? activeModel)
    {
        var now = time.GetTimestamp();
        EndPhase(now);
        phase = null;
        var report = new SwitchReport
        {
            Outcome = outcome,
            PreviousModel = previousModel,
            TargetModel = ask.Ticket.Model,
            ActiveModel = activeModel,
            ElapsedSeconds = Seconds(begun, now),
            GpuSettled = settled,
            GpuMemory = memory!,
            Phases = [.. phases],
            PeakMb = peak?.PeakMb,
            Saved = saved,
            Restored = restored,
        };
        ticket = null;
        memory = null;
        peak?.Dispose();
        peak = null;
        return outcome == SwitchOutcome.Switched ? report : Explain(report, failure, ask);
    }

    /// <summary>A report for who asked for what needed no switch, or could not have one.</summary>
    public SwitchReport Trivial(SwitchOutcome outcome, SwitchAsk ask, string? activeModel)
    {
        var now = gpu.Read();
        var report = new SwitchReport
        {
            Outcome = outcome,
            PreviousModel = activeModel,
            TargetModel = ask.Ticket.Model,
            ActiveModel = activeModel,
            ElapsedSeconds = 0,
            GpuSettled = null,
            GpuMemory = new SwitchMemory(now, now, now, now),
            Phases = [],
            PeakMb = null,
        };
        return outcome == SwitchOutcome.AlreadyActive ? report : Explain(report, null, ask);
    }

    private static SwitchReport Explain(SwitchReport report, LoadFailure? failure, SwitchAsk ask) => report with
    {
        Reason = report.Outcome switch
        {
            SwitchOutcome.DrainTimedOut => "drain_timed_out",
            SwitchOutcome.TooManyQueued => "too_many_switches",
            SwitchOutcome.Withdrawn => "withdrawn",
            SwitchOutcome.NoPlace => "does_not_fit",
            SwitchOutcome.Stopping => "stopping",
            SwitchOutcome.LoadFailed or SwitchOutcome.RolledBack or SwitchOutcome.RollbackFailed
                or SwitchOutcome.Switched or SwitchOutcome.AlreadyActive
                => (failure?.Reason ?? LoadFailureReason.Unknown).Name(),
        },
        Error = report.Outcome switch
        {
            SwitchOutcome.DrainTimedOut => DrainTimedOut(ask),
            SwitchOutcome.TooManyQueued => "Too many switches are waiting already.",
            SwitchOutcome.Withdrawn => "Nobody waits for this model any more.",
            SwitchOutcome.NoPlace => "There is no place for the model beside what is loaded.",
            SwitchOutcome.Stopping => SwitchLoop.StoppingMessage,
            SwitchOutcome.LoadFailed or SwitchOutcome.RolledBack or SwitchOutcome.RollbackFailed
                or SwitchOutcome.Switched or SwitchOutcome.AlreadyActive
                => failure?.Error ?? "The model did not load.",
        },
        LogTail = failure?.LogTail,
        RolledBackTo = report.Outcome == SwitchOutcome.RolledBack ? report.ActiveModel : null,
    };

    /// <summary>Names the setting that was in force.</summary>
    private static string DrainTimedOut(SwitchAsk ask) =>
        $"Running answers did not end within {ask.DrainTimeout.TotalSeconds:0.###} s, so nothing was unloaded. Raise "
        + (ask.HasOwnDrainTimeout
            ? "drain_timeout_seconds of the request (--drain-timeout of hotmodel switch)"
            : "switch_drain_timeout_seconds")
        + ", or use force to cut them.";

    private void Begin(SwitchTicket current, string? previous, long now)
    {
        ticket = current;
        previousModel = previous;
        phases.Clear();
        phase = null;
        settled = null;
        isUnloaded = isSettled = false;
        var reading = gpu.Read();
        memory = new SwitchMemory(reading, reading, reading, reading);
        failure = null;
        (saved, restored) = (null, null);
        begun = phaseBegun = now;
        peak?.Dispose();
        peak = gpu.SamplePeak();
    }

    private void EndPhase(long now)
    {
        if (phase is not null)
            phases.Add(new PhaseTime(phase, Seconds(phaseBegun, now)));
        phaseBegun = now;
    }

    private double Seconds(long from, long to) => Math.Round(time.GetElapsedTime(from, to).TotalSeconds, 6);

    private static string Name(SwitchState state) => (state.RollingBack ? "rollback_" : "") + state.Phase switch
    {
        SwitchPhase.Draining => "drain",
        SwitchPhase.Unloading => "unload",
        SwitchPhase.Settling => "settle",
        SwitchPhase.Loading => "load",
        SwitchPhase.Idle or SwitchPhase.Ready or SwitchPhase.BackingOff or SwitchPhase.Stopping or SwitchPhase.Stopped
            => throw new InvalidOperationException($"No switch goes on in {state}."),
    };
}
