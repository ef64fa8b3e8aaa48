namespace HotModel.Switching;

/// <summary>Decides. Pure: state and event in, state and effects out; docs/transitions.txt is its whole table.</summary>
/// <remarks>
/// One function per phase, one arm per event, no default arm: the compiler reports an event that a phase forgot.
/// An event that cannot happen in a phase throws; results and deadlines of an earlier phase are dropped in one place.
/// </remarks>
internal sealed class SwitchMachine(SwitchRules rules)
{
    /// <summary>
    /// From this many failures in a row on, requests are refused with the reason instead of waiting. Three tries take
    /// about a second of pauses: longer than any hiccup of a driver, shorter than anybody's patience.
    /// </summary>
    public const int PatientAttempts = 3;

    /// <summary>From here on the pause is the longest there is; counting on would only make more states.</summary>
    public const int MostAttempts = PatientAttempts + 4;

    public Step Step(SwitchState s, SwitchEvent e)
    {
        if (IsLate(s, e))
            return s;
        return s.Phase switch
        {
            SwitchPhase.Idle => Idle(s, e),
            SwitchPhase.Loading => Loading(s, e),
            SwitchPhase.Ready => Ready(s, e),
            SwitchPhase.Draining => Draining(s, e),
            SwitchPhase.Unloading => Unloading(s, e),
            SwitchPhase.Settling => Settling(s, e),
            SwitchPhase.BackingOff => BackingOff(s, e),
            SwitchPhase.Stopping => Stopping(s, e),
            SwitchPhase.Stopped => Stopped(s, e),
        };
    }

    /// <summary>What an earlier phase asked for, or the loss of a model that has been given up already.</summary>
    private static bool IsLate(SwitchState s, SwitchEvent e) => e.Kind switch
    {
        SwitchEventKind.ModelUnloaded or SwitchEventKind.MemorySettled or SwitchEventKind.ModelLoaded
            or SwitchEventKind.LoadFailed or SwitchEventKind.DeadlinePassed or SwitchEventKind.BackendStopped
            => e.Generation != s.Generation,
        // A model may die before the news of its load is read.
        SwitchEventKind.ModelLost => e.Generation != (s.Phase == SwitchPhase.Loading ? s.Generation : s.Instance)
            || (s.Phase != SwitchPhase.Loading && s.Instance == 0),
        SwitchEventKind.RequestArrived or SwitchEventKind.RequestFinished or SwitchEventKind.WaiterLeft
            or SwitchEventKind.SwitchRequested or SwitchEventKind.StopRequested => false,
    };

    private static Step Idle(SwitchState s, SwitchEvent e) => e.Kind switch
    {
        SwitchEventKind.RequestArrived => Refuse(s, RefusalKind.NoActiveModel),
        SwitchEventKind.SwitchRequested => Load(s with { Current = e.Ticket, Goal = e.Ticket.Model }),
        SwitchEventKind.StopRequested => Close(s).Then(StopBackend),
        SwitchEventKind.RequestFinished or SwitchEventKind.WaiterLeft or SwitchEventKind.ModelUnloaded
            or SwitchEventKind.MemorySettled or SwitchEventKind.ModelLoaded or SwitchEventKind.LoadFailed
            or SwitchEventKind.ModelLost or SwitchEventKind.DeadlinePassed or SwitchEventKind.BackendStopped
            => throw Impossible(s, e),
    };

    private Step Loading(SwitchState s, SwitchEvent e) => e.Kind switch
    {
        SwitchEventKind.RequestArrived => Wait(s),
        SwitchEventKind.WaiterLeft => s with { Waiting = s.Waiting - 1 },
        // A load that nobody asked for gives way to one that somebody did.
        SwitchEventKind.SwitchRequested => s.Current is not null ? Queue(s, e.Ticket)
            : e.Ticket.Model == s.Goal ? s with { Current = e.Ticket }
            : Unload(s with { Current = e.Ticket, Goal = e.Ticket.Model, Fallback = s.Active }, s.Goal!),
        SwitchEventKind.ModelLoaded => Loaded(s),
        SwitchEventKind.LoadFailed or SwitchEventKind.ModelLost => Failed(s, e.Permanent),
        SwitchEventKind.DeadlinePassed => Failed(s, permanent: false),
        SwitchEventKind.StopRequested => Close(s).Then(StopBackend),
        SwitchEventKind.RequestFinished or SwitchEventKind.ModelUnloaded or SwitchEventKind.MemorySettled
            or SwitchEventKind.BackendStopped => throw Impossible(s, e),
    };

    private static Step Ready(SwitchState s, SwitchEvent e) => e.Kind switch
    {
        SwitchEventKind.RequestArrived => new Step(s with { InFlight = s.InFlight + 1 }, [])
            .Do(SwitchEffectKind.Admit),
        SwitchEventKind.RequestFinished => s with
        {
            InFlight = s.InFlight - 1,
            Attempts = e.Answered ? 0 : s.Attempts,
        },
        SwitchEventKind.SwitchRequested => Begin(s, e.Ticket),
        SwitchEventKind.ModelLost => Lost(s),
        SwitchEventKind.StopRequested => Close(s).Then(c => c.InFlight == 0 ? StopBackend(c)
            : Drain(c, DeadlineKind.Stop)),
        SwitchEventKind.WaiterLeft or SwitchEventKind.ModelUnloaded or SwitchEventKind.MemorySettled
            or SwitchEventKind.ModelLoaded or SwitchEventKind.LoadFailed or SwitchEventKind.DeadlinePassed
            or SwitchEventKind.BackendStopped => throw Impossible(s, e),
    };

    private Step Draining(SwitchState s, SwitchEvent e) => e.Kind switch
    {
        SwitchEventKind.RequestArrived => Wait(s),
        SwitchEventKind.WaiterLeft => s with { Waiting = s.Waiting - 1 },
        SwitchEventKind.RequestFinished => Drained(s with { InFlight = s.InFlight - 1 }),
        // Force for the switch that is draining already: it takes its place, with a deadline of its own.
        SwitchEventKind.SwitchRequested => s.Current is { Force: false } current && e.Ticket.Force
            && current.Model == e.Ticket.Model && s.Instance != 0
            ? Drain(s with { Current = e.Ticket, Queued = s.Queued.Insert(0, current) }, DeadlineKind.Drain)
            : Queue(s, e.Ticket),
        SwitchEventKind.ModelLost => new Step(s with { Instance = 0 }, []).Do(SwitchEffectKind.AbortInFlight),
        SwitchEventKind.DeadlinePassed => s.Closing || s.Current is not { Force: false } || s.Instance == 0
            ? new Step(s, []).Do(SwitchEffectKind.AbortInFlight)
            : DrainFailed(s),
        SwitchEventKind.StopRequested => s.Closing ? s : Close(s).Then(c => Drain(c, DeadlineKind.Stop)),
        SwitchEventKind.ModelUnloaded or SwitchEventKind.MemorySettled or SwitchEventKind.ModelLoaded
            or SwitchEventKind.LoadFailed or SwitchEventKind.BackendStopped => throw Impossible(s, e),
    };

    private Step Unloading(SwitchState s, SwitchEvent e) => e.Kind switch
    {
        SwitchEventKind.RequestArrived => Wait(s),
        SwitchEventKind.WaiterLeft => s with { Waiting = s.Waiting - 1 },
        SwitchEventKind.SwitchRequested => Queue(s, e.Ticket),
        SwitchEventKind.ModelUnloaded => Enter(s, SwitchPhase.Settling).Do(SwitchEffectKind.StartSettle),
        SwitchEventKind.StopRequested => Close(s).Then(StopBackend),
        SwitchEventKind.RequestFinished or SwitchEventKind.MemorySettled or SwitchEventKind.ModelLoaded
            or SwitchEventKind.LoadFailed or SwitchEventKind.ModelLost or SwitchEventKind.DeadlinePassed
            or SwitchEventKind.BackendStopped => throw Impossible(s, e),
    };

    private Step Settling(SwitchState s, SwitchEvent e) => e.Kind switch
    {
        SwitchEventKind.RequestArrived => Wait(s),
        SwitchEventKind.WaiterLeft => s with { Waiting = s.Waiting - 1 },
        SwitchEventKind.SwitchRequested => Queue(s, e.Ticket),
        SwitchEventKind.MemorySettled => Settled(s),
        SwitchEventKind.StopRequested => Close(s).Then(StopBackend),
        SwitchEventKind.RequestFinished or SwitchEventKind.ModelUnloaded or SwitchEventKind.ModelLoaded
            or SwitchEventKind.LoadFailed or SwitchEventKind.ModelLost or SwitchEventKind.DeadlinePassed
            or SwitchEventKind.BackendStopped => throw Impossible(s, e),
    };

    private Step BackingOff(SwitchState s, SwitchEvent e) => e.Kind switch
    {
        SwitchEventKind.RequestArrived => s.Attempts >= PatientAttempts
            ? Refuse(s, RefusalKind.ModelFailed) : Wait(s),
        SwitchEventKind.WaiterLeft => s with { Waiting = s.Waiting - 1 },
        SwitchEventKind.SwitchRequested => Begin(s, e.Ticket),
        SwitchEventKind.DeadlinePassed => Load(s),
        SwitchEventKind.StopRequested => Close(s).Then(StopBackend),
        SwitchEventKind.RequestFinished or SwitchEventKind.ModelUnloaded or SwitchEventKind.MemorySettled
            or SwitchEventKind.ModelLoaded or SwitchEventKind.LoadFailed or SwitchEventKind.ModelLost
            or SwitchEventKind.BackendStopped => throw Impossible(s, e),
    };

    private static Step Stopping(SwitchState s, SwitchEvent e) => e.Kind switch
    {
        SwitchEventKind.RequestArrived => Refuse(s, RefusalKind.Stopping),
        SwitchEventKind.SwitchRequested => Complete(s, e.Ticket, SwitchOutcome.Stopping),
        SwitchEventKind.BackendStopped => Enter(s, SwitchPhase.Stopped),
        SwitchEventKind.StopRequested => s,
        SwitchEventKind.RequestFinished or SwitchEventKind.WaiterLeft or SwitchEventKind.ModelUnloaded
            or SwitchEventKind.MemorySettled or SwitchEventKind.ModelLoaded or SwitchEventKind.LoadFailed
            or SwitchEventKind.ModelLost or SwitchEventKind.DeadlinePassed => throw Impossible(s, e),
    };

    private static Step Stopped(SwitchState s, SwitchEvent e) => e.Kind switch
    {
        SwitchEventKind.RequestArrived => Refuse(s, RefusalKind.Stopping),
        SwitchEventKind.SwitchRequested => Complete(s, e.Ticket, SwitchOutcome.Stopping),
        SwitchEventKind.StopRequested => s,
        SwitchEventKind.RequestFinished or SwitchEventKind.WaiterLeft or SwitchEventKind.ModelUnloaded
            or SwitchEventKind.MemorySettled or SwitchEventKind.ModelLoaded or SwitchEventKind.LoadFailed
            or SwitchEventKind.ModelLost or SwitchEventKind.DeadlinePassed or SwitchEventKind.BackendStopped
            => throw Impossible(s, e),
    };

    /// <summary>Starts the switch from a phase where nothing else is under way.</summary>
    private static Step Begin(SwitchState s, SwitchTicket ticket)
    {
        var begun = s with { Current = ticket, Goal = ticket.Model };
        return s.Phase switch
        {
            SwitchPhase.Ready when ticket.Model == s.Active => Complete(s, ticket, SwitchOutcome.AlreadyActive),
            SwitchPhase.Ready => begun.InFlight == 0
                ? Unload(begun with { Fallback = s.Active }, s.Active!)
                : Drain(begun with { Fallback = s.Active }, DeadlineKind.Drain),
            _ => Load(begun with { Fallback = ticket.Model == s.Active ? null : s.Active }),
        };
    }

    private static Step Next(SwitchState s) => s.Queued.IsEmpty
        ? s
        : Begin(s with { Queued = s.Queued.RemoveAt(0) }, s.Queued[0]).Then(b => b.IsSwitching ? b : Next(b));

    private static Step Drained(SwitchState s) => s.InFlight > 0 ? s
        : s.Closing ? StopBackend(s)
        : Unload(s, s.Active!);

    /// <summary>Only this switch has failed: those behind it have deadlines of their own.</summary>
    private static Step DrainFailed(SwitchState s)
    {
        var ready = Enter(s with { Current = null, Goal = null, Fallback = null }, SwitchPhase.Ready).State;
        return Complete(ready, s.Current!.Value, SwitchOutcome.DrainTimedOut).Then(AdmitWaiting).Then(Next);
    }

    private static Step Settled(SwitchState s) =>
        s.Current is not null ? Load(s)
        : !s.Queued.IsEmpty ? Next(s)
        : s.Goal is null ? RefuseWaiting(s, RefusalKind.NoActiveModel).Then(r => Enter(r, SwitchPhase.Idle))
        // One immediate try, then pauses.
        : s.Attempts >= 2 ? BackOff(s)
        : Load(s);

    private static Step Loaded(SwitchState s)
    {
        var outcome = s.RollingBack ? SwitchOutcome.RolledBack : SwitchOutcome.Switched;
        var ready = s with
        {
            Phase = SwitchPhase.Ready,
            Generation = s.Generation + 1,
            Instance = s.Generation,
            Active = s.Goal,
            Goal = null,
            Fallback = null,
            RollingBack = false,
            // A model that was asked for starts with a clean record; one brought back has to answer first.
            Attempts = s.Current is null ? s.Attempts : 0,
        };
        return Complete(ready, outcome).Then(AdmitWaiting).Then(Next);
    }

    /// <summary>The load of the goal failed. Whatever it left behind is unloaded before anything else is loaded.</summary>
    private static Step Failed(SwitchState s, bool permanent)
    {
        var failed = s.Goal!;
        if (s.Current is not null && s.Fallback is not null)
            return Unload(s with { Goal = s.Fallback, Fallback = null, RollingBack = true }, failed);

        var attempts = Math.Min(MostAttempts, Math.Max(s.Attempts + 1, permanent ? PatientAttempts : 0));
        var next = s with { Goal = s.Active, RollingBack = false, Attempts = s.Active is null ? 0 : attempts };
        return Complete(next, s.RollingBack ? SwitchOutcome.RollbackFailed : SwitchOutcome.LoadFailed)
            .Then(c => c.Goal is null || c.Attempts >= PatientAttempts ? RefuseWaiting(c, RefusalKind.ModelFailed) : c)
            .Then(c => Unload(c, failed));
    }

    private static Step Lost(SwitchState s)
    {
        var lost = s with { Goal = s.Active, Instance = 0, Attempts = Math.Min(MostAttempts, s.Attempts + 1) };
        return lost.InFlight == 0
            ? Unload(lost, s.Active!)
            : Enter(lost, SwitchPhase.Draining).Do(SwitchEffectKind.AbortInFlight);
    }

    private Step Wait(SwitchState s) =>
        s.Closing ? Refuse(s, RefusalKind.Stopping)
        : !rules.Wait ? Refuse(s, RefusalKind.Switching)
        : s.Waiting >= rules.QueueLimit ? Refuse(s, RefusalKind.QueueFull)
        : new Step(s with { Waiting = s.Waiting + 1 }, []).Do(SwitchEffectKind.Enqueue);

    private Step Queue(SwitchState s, SwitchTicket ticket) =>
        s.Closing ? Complete(s, ticket, SwitchOutcome.Stopping)
        : s.Queued.Length >= rules.SwitchQueueLimit ? Complete(s, ticket, SwitchOutcome.TooManyQueued)
        : s with { Queued = s.Queued.Add(ticket) };

    private static Step Refuse(SwitchState s, RefusalKind kind) =>
        new Step(s, []).Do(new SwitchEffect(SwitchEffectKind.Refuse) { Refusal = kind });

    private static Step AdmitWaiting(SwitchState s) => s.Waiting == 0 ? s
        : new Step(s with { InFlight = s.InFlight + s.Waiting, Waiting = 0 }, []).Do(SwitchEffectKind.AdmitWaiting);

    private static Step RefuseWaiting(SwitchState s, RefusalKind kind) => s.Waiting == 0 ? s
        : new Step(s with { Waiting = 0 }, []).Do(new SwitchEffect(SwitchEffectKind.RefuseWaiting) { Refusal = kind });

    /// <summary>Ends the current switch and those queued behind it that asked for the same model.</summary>
    private static Step Complete(SwitchState s, SwitchOutcome outcome)
    {
        if (s.Current is not { } current)
            return s;
        var step = Complete(s with { Current = null }, current, outcome);
        while (step.State.Queued is [var next, ..] && next.Model == current.Model)
            step = step.Then(q => Complete(q with { Queued = q.Queued.RemoveAt(0) }, next, outcome));
        return step;
    }

    private static Step Complete(SwitchState s, SwitchTicket ticket, SwitchOutcome outcome) =>
        new Step(s, []).Do(new SwitchEffect(SwitchEffectKind.CompleteSwitch) { Ticket = ticket, Outcome = outcome });

    private static Step Close(SwitchState s)
    {
        var step = RefuseWaiting(s with { Closing = true }, RefusalKind.Stopping);
        if (s.Current is { } current)
            step = step.Then(c => Complete(c with { Current = null }, current, SwitchOutcome.Stopping));
        foreach (var ticket in s.Queued)
            step = step.Then(c => Complete(c, ticket, SwitchOutcome.Stopping));
        return step.Then(c => c with { Queued = [], Goal = null, Fallback = null, RollingBack = false });
    }

    private static Step Enter(SwitchState s, SwitchPhase phase) =>
        s with { Phase = phase, Generation = s.Generation + 1 };

    private static Step Drain(SwitchState s, DeadlineKind deadline) => Arm(Enter(s, SwitchPhase.Draining), deadline);

    private static Step Unload(SwitchState s, string model) => Enter(s with { Instance = 0 }, SwitchPhase.Unloading)
        .Do(new SwitchEffect(SwitchEffectKind.StartUnload) { Model = model });

    private static Step Load(SwitchState s) => Arm(Enter(s, SwitchPhase.Loading)
        .Do(new SwitchEffect(SwitchEffectKind.StartLoad) { Model = s.Goal }), DeadlineKind.Load);

    private static Step BackOff(SwitchState s) => Arm(
        (s.Attempts >= PatientAttempts ? RefuseWaiting(s, RefusalKind.ModelFailed) : s)
            .Then(r => Enter(r, SwitchPhase.BackingOff)), DeadlineKind.BackOff);

    private static Step StopBackend(SwitchState s) => Enter(s with { Instance = 0 }, SwitchPhase.Stopping)
        .Do(SwitchEffectKind.StopBackend);

    private static Step Arm(Step step, DeadlineKind deadline) =>
        step.Do(new SwitchEffect(SwitchEffectKind.ArmDeadline) { Deadline = deadline });

    private static InvalidOperationException Impossible(SwitchState s, SwitchEvent e) =>
        new($"Event {e} cannot happen in state {s}.");
}

/// <param name="Wait">Requests wait while no model is ready; false: they are refused.</param>
/// <param name="QueueLimit">Requests that may wait at once.</param>
/// <param name="SwitchQueueLimit">Switches that may wait at once behind the current one.</param>
internal sealed record SwitchRules(bool Wait, int QueueLimit, int SwitchQueueLimit);
