namespace HotModel.Switching;

/// <summary>Decides. Pure: state and event in, state and effects out; docs/transitions.txt is its whole table.</summary>
/// <remarks>
/// One function per phase, one arm per event, no default arm: the compiler reports an event that a phase forgot.
/// An event that cannot happen in a phase throws; results and deadlines of an earlier phase are dropped in one place, and
/// switches that still wait for their turn are withdrawn in one.
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
        if (e.Kind == SwitchEventKind.SwitchWithdrawn && s.Queued.Contains(e.Ticket))
            return Unqueue(s, e.Ticket);
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
        SwitchEventKind.RequestAdmitted or SwitchEventKind.RequestFinished or SwitchEventKind.SwitchRequested
            or SwitchEventKind.SwitchWithdrawn or SwitchEventKind.NextSwitch or SwitchEventKind.UnloadRequested
            or SwitchEventKind.ReloadRequested or SwitchEventKind.ModelForgotten or SwitchEventKind.StopRequested => false,
    };

    private static Step Idle(SwitchState s, SwitchEvent e) => e.Kind switch
    {
        SwitchEventKind.SwitchRequested => Begin(s, e.Ticket),
        SwitchEventKind.ModelForgotten => s with { Active = null },
        SwitchEventKind.StopRequested => Close(s).Then(StopBackend),
        SwitchEventKind.RequestAdmitted or SwitchEventKind.RequestFinished or SwitchEventKind.SwitchWithdrawn
            or SwitchEventKind.NextSwitch or SwitchEventKind.UnloadRequested or SwitchEventKind.ModelUnloaded
            or SwitchEventKind.MemorySettled or SwitchEventKind.ModelLoaded or SwitchEventKind.LoadFailed
            or SwitchEventKind.ModelLost or SwitchEventKind.DeadlinePassed or SwitchEventKind.BackendStopped
            or SwitchEventKind.ReloadRequested => throw Impossible(s, e),
    };

    private Step Loading(SwitchState s, SwitchEvent e) => e.Kind switch
    {
        // A load that nobody asked for gives way to one that somebody did.
        SwitchEventKind.SwitchRequested => s.Current is not null ? Queue(s, e.Ticket)
            : e.Ticket.Model == s.Goal ? s with { Current = e.Ticket }
            : Unload(s with { Current = e.Ticket, Goal = e.Ticket.Model, Fallback = s.Active }, s.Goal!),
        SwitchEventKind.ModelLoaded => Loaded(s),
        SwitchEventKind.LoadFailed or SwitchEventKind.ModelLost => Failed(s, e.Permanent),
        SwitchEventKind.DeadlinePassed => Failed(s, permanent: false),
        SwitchEventKind.StopRequested => Close(s).Then(StopBackend),
        SwitchEventKind.RequestAdmitted or SwitchEventKind.RequestFinished or SwitchEventKind.SwitchWithdrawn
            or SwitchEventKind.NextSwitch or SwitchEventKind.UnloadRequested or SwitchEventKind.ModelUnloaded
            or SwitchEventKind.MemorySettled or SwitchEventKind.BackendStopped
            or SwitchEventKind.ReloadRequested or SwitchEventKind.ModelForgotten => throw Impossible(s, e),
    };

    private static Step Ready(SwitchState s, SwitchEvent e) => e.Kind switch
    {
        SwitchEventKind.RequestAdmitted => s with { InFlight = s.InFlight + 1 },
        SwitchEventKind.RequestFinished => s with
        {
            InFlight = s.InFlight - 1,
            Attempts = e.Answered ? 0 : s.Attempts,
        },
        SwitchEventKind.SwitchRequested => Begin(s, e.Ticket),
        SwitchEventKind.NextSwitch => Next(s),
        SwitchEventKind.UnloadRequested when s.InFlight == 0 => Unload(s, s.Active!),
        SwitchEventKind.ReloadRequested => Renew(s with { Goal = s.Active }),
        SwitchEventKind.ModelForgotten => Renew(s),
        SwitchEventKind.ModelLost => Lost(s),
        SwitchEventKind.StopRequested => Close(s).Then(c => c.InFlight == 0 ? StopBackend(c)
            : Drain(c, DeadlineKind.Stop)),
        SwitchEventKind.SwitchWithdrawn or SwitchEventKind.UnloadRequested or SwitchEventKind.ModelUnloaded
            or SwitchEventKind.MemorySettled or SwitchEventKind.ModelLoaded or SwitchEventKind.LoadFailed
            or SwitchEventKind.DeadlinePassed or SwitchEventKind.BackendStopped => throw Impossible(s, e),
    };

    private Step Draining(SwitchState s, SwitchEvent e) => e.Kind switch
    {
        SwitchEventKind.RequestFinished => Drained(s with { InFlight = s.InFlight - 1 }),
        SwitchEventKind.SwitchRequested => s.Instance == 0 || s.Closing ? Queue(s, e.Ticket)
            : s.Current is null ? TakeOver(s, e.Ticket)
            : Replace(s, e.Ticket),
        SwitchEventKind.SwitchWithdrawn when s.Instance != 0 && s.Current == e.Ticket => Withdraw(s, e.Ticket),
        SwitchEventKind.ModelLost => new Step(s with { Instance = 0 }, []).Do(SwitchEffectKind.AbortInFlight),
        SwitchEventKind.DeadlinePassed => IsRenewing(s) ? throw Impossible(s, e)
            : s.Closing || s.Current is not { Force: false } || s.Instance == 0
            ? new Step(s, []).Do(SwitchEffectKind.AbortInFlight)
            : Reopen(s, SwitchOutcome.DrainTimedOut).Do(SwitchEffectKind.Open),
        SwitchEventKind.StopRequested => s.Closing ? s : Close(s).Then(c => Drain(c, DeadlineKind.Stop)),
        SwitchEventKind.RequestAdmitted or SwitchEventKind.SwitchWithdrawn or SwitchEventKind.NextSwitch
            or SwitchEventKind.UnloadRequested or SwitchEventKind.ModelUnloaded or SwitchEventKind.MemorySettled
            or SwitchEventKind.ModelLoaded or SwitchEventKind.LoadFailed or SwitchEventKind.BackendStopped
            or SwitchEventKind.ReloadRequested or SwitchEventKind.ModelForgotten => throw Impossible(s, e),
    };

    private Step Unloading(SwitchState s, SwitchEvent e) => e.Kind switch
    {
        SwitchEventKind.SwitchRequested => Queue(s, e.Ticket),
        SwitchEventKind.ModelUnloaded => Enter(s, SwitchPhase.Settling).Do(SwitchEffectKind.StartSettle),
        SwitchEventKind.StopRequested => Close(s).Then(StopBackend),
        SwitchEventKind.RequestAdmitted or SwitchEventKind.RequestFinished or SwitchEventKind.SwitchWithdrawn
            or SwitchEventKind.NextSwitch or SwitchEventKind.UnloadRequested or SwitchEventKind.MemorySettled
            or SwitchEventKind.ModelLoaded or SwitchEventKind.LoadFailed or SwitchEventKind.ModelLost
            or SwitchEventKind.DeadlinePassed or SwitchEventKind.BackendStopped
            or SwitchEventKind.ReloadRequested or SwitchEventKind.ModelForgotten => throw Impossible(s, e),
    };

    private Step Settling(SwitchState s, SwitchEvent e) => e.Kind switch
    {
        SwitchEventKind.SwitchRequested => Queue(s, e.Ticket),
        SwitchEventKind.MemorySettled => Settled(s),
        SwitchEventKind.StopRequested => Close(s).Then(StopBackend),
        SwitchEventKind.RequestAdmitted or SwitchEventKind.RequestFinished or SwitchEventKind.SwitchWithdrawn
            or SwitchEventKind.NextSwitch or SwitchEventKind.UnloadRequested or SwitchEventKind.ModelUnloaded
            or SwitchEventKind.ModelLoaded or SwitchEventKind.LoadFailed or SwitchEventKind.ModelLost
            or SwitchEventKind.DeadlinePassed or SwitchEventKind.BackendStopped
            or SwitchEventKind.ReloadRequested or SwitchEventKind.ModelForgotten => throw Impossible(s, e),
    };

    private static Step BackingOff(SwitchState s, SwitchEvent e) => e.Kind switch
    {
        SwitchEventKind.SwitchRequested => Begin(s, e.Ticket),
        SwitchEventKind.DeadlinePassed => Load(s),
        SwitchEventKind.ReloadRequested => Load(s with { Attempts = 0 }),
        SwitchEventKind.ModelForgotten => Enter(s with { Active = null, Goal = null, Attempts = 0 }, SwitchPhase.Idle),
        SwitchEventKind.StopRequested => Close(s).Then(StopBackend),
        SwitchEventKind.RequestAdmitted or SwitchEventKind.RequestFinished or SwitchEventKind.SwitchWithdrawn
            or SwitchEventKind.NextSwitch or SwitchEventKind.UnloadRequested or SwitchEventKind.ModelUnloaded
            or SwitchEventKind.MemorySettled or SwitchEventKind.ModelLoaded or SwitchEventKind.LoadFailed
            or SwitchEventKind.ModelLost or SwitchEventKind.BackendStopped => throw Impossible(s, e),
    };

    private static Step Stopping(SwitchState s, SwitchEvent e) => e.Kind switch
    {
        SwitchEventKind.SwitchRequested => Complete(s, e.Ticket, SwitchOutcome.Stopping),
        SwitchEventKind.BackendStopped => Enter(s, SwitchPhase.Stopped),
        SwitchEventKind.StopRequested => s,
        SwitchEventKind.RequestAdmitted or SwitchEventKind.RequestFinished or SwitchEventKind.SwitchWithdrawn
            or SwitchEventKind.NextSwitch or SwitchEventKind.UnloadRequested or SwitchEventKind.ModelUnloaded
            or SwitchEventKind.MemorySettled or SwitchEventKind.ModelLoaded or SwitchEventKind.LoadFailed
            or SwitchEventKind.ModelLost or SwitchEventKind.DeadlinePassed
            or SwitchEventKind.ReloadRequested or SwitchEventKind.ModelForgotten => throw Impossible(s, e),
    };

    private static Step Stopped(SwitchState s, SwitchEvent e) => e.Kind switch
    {
        SwitchEventKind.SwitchRequested => Complete(s, e.Ticket, SwitchOutcome.Stopping),
        SwitchEventKind.StopRequested => s,
        SwitchEventKind.RequestAdmitted or SwitchEventKind.RequestFinished or SwitchEventKind.SwitchWithdrawn
            or SwitchEventKind.NextSwitch or SwitchEventKind.UnloadRequested or SwitchEventKind.ModelUnloaded
            or SwitchEventKind.MemorySettled or SwitchEventKind.ModelLoaded or SwitchEventKind.LoadFailed
            or SwitchEventKind.ModelLost or SwitchEventKind.DeadlinePassed or SwitchEventKind.BackendStopped
            or SwitchEventKind.ReloadRequested or SwitchEventKind.ModelForgotten => throw Impossible(s, e),
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

    /// <summary>
    /// The model goes when its answers have ended, however long they take, and <see cref="SwitchState.Goal"/> comes.
    /// </summary>
    private static Step Renew(SwitchState s) => s.InFlight == 0 ? Unload(s, s.Active!) : Enter(s, SwitchPhase.Draining);

    private static bool IsRenewing(SwitchState s) => s is { Current: null, Instance: not 0, Closing: false };

    /// <summary>A switch has its own bound for the answers that end, and loads nothing as it was configured.</summary>
    private static Step TakeOver(SwitchState s, SwitchTicket ticket) => Drain(s with
    {
        Current = ticket,
        Goal = ticket.Model,
        Fallback = ticket.Model == s.Active ? null : s.Active,
    }, DeadlineKind.Drain);

    private static Step Drained(SwitchState s) => s.InFlight > 0 ? s
        : s.Closing ? StopBackend(s)
        : Unload(s, s.Active!);

    /// <summary>Only this switch ends: those behind it have deadlines of their own.</summary>
    private static Step Reopen(SwitchState s, SwitchOutcome outcome) => Complete(
        Enter(s with { Current = null, Goal = null, Fallback = null }, SwitchPhase.Ready).State, s.Current!.Value, outcome);

    /// <summary>The scheduler lets in itself who waits when a switch ends that it had wanted.</summary>
    private static Step Withdraw(SwitchState s, SwitchTicket ticket) => ticket.IsScheduled
        ? Reopen(s, SwitchOutcome.Withdrawn)
        : Reopen(s, SwitchOutcome.Withdrawn).Do(SwitchEffectKind.Open);

    private static Step Unqueue(SwitchState s, SwitchTicket ticket) =>
        Complete(s with { Queued = s.Queued.Remove(ticket) }, ticket, SwitchOutcome.Withdrawn);

    /// <summary>Somebody asks for a switch while running answers end for another one.</summary>
    private Step Replace(SwitchState s, SwitchTicket ticket)
    {
        var current = s.Current!.Value;
        // What somebody asks for comes before what was scheduled, and nothing is unloaded yet.
        if (current.IsScheduled)
        {
            return ticket.Model == s.Active
                ? Reopen(s, SwitchOutcome.Withdrawn).Then(r => Complete(r, ticket, SwitchOutcome.AlreadyActive))
                    .Do(SwitchEffectKind.Open)
                : Complete(s, current, SwitchOutcome.Withdrawn)
                    .Then(c => Drain(c with { Current = ticket, Goal = ticket.Model }, DeadlineKind.Drain));
        }
        // Force for the switch that is draining already: it takes its place, with a deadline of its own.
        return ticket.Force && !current.Force && current.Model == ticket.Model
            ? Drain(s with { Current = ticket, Queued = s.Queued.Insert(0, current) }, DeadlineKind.Drain)
            : Queue(s, ticket);
    }

    private static Step Settled(SwitchState s) =>
        s.Current is not null ? Load(s)
        : !s.Queued.IsEmpty ? Next(s)
        : s.Goal is null ? Enter(s, SwitchPhase.Idle)
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
        return Complete(ready, outcome).Do(SwitchEffectKind.Open);
    }

    /// <summary>The load of the goal failed. Whatever it left behind is unloaded before anything else is loaded.</summary>
    private static Step Failed(SwitchState s, bool permanent)
    {
        var failed = s.Goal!;
        if (s.Current is not null && s.Fallback is not null)
            return GiveUp(s with { Goal = s.Fallback, Fallback = null, RollingBack = true }, failed)
                .Then(g => Unload(g, failed));

        var attempts = Math.Min(MostAttempts, Math.Max(s.Attempts + 1, permanent ? PatientAttempts : 0));
        var next = s with { Goal = s.Active, RollingBack = false, Attempts = s.Active is null ? 0 : attempts };
        return Complete(next, s.RollingBack ? SwitchOutcome.RollbackFailed : SwitchOutcome.LoadFailed)
            .Then(c => failed != c.Goal || c.Attempts >= PatientAttempts ? GiveUp(c, failed) : c)
            .Then(c => Unload(c, failed));
    }

    private static Step Lost(SwitchState s)
    {
        var lost = s with { Goal = s.Active, Instance = 0, Attempts = Math.Min(MostAttempts, s.Attempts + 1) };
        return (lost.Attempts >= PatientAttempts ? GiveUp(lost, s.Active!) : lost).Then(l => l.InFlight == 0
            ? Unload(l, s.Active!)
            : Enter(l, SwitchPhase.Draining).Do(SwitchEffectKind.AbortInFlight));
    }

    private Step Queue(SwitchState s, SwitchTicket ticket) =>
        s.Closing ? Complete(s, ticket, SwitchOutcome.Stopping)
        : !ticket.IsScheduled && s.Queued.Count(q => !q.IsScheduled) >= rules.SwitchQueueLimit
            ? Complete(s, ticket, SwitchOutcome.TooManyQueued)
        : s with { Queued = s.Queued.Add(ticket) };

    private static Step GiveUp(SwitchState s, string model) =>
        new Step(s, []).Do(new SwitchEffect(SwitchEffectKind.GiveUp) { Model = model });

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
        Step step = s with { Closing = true };
        if (s.Current is { } current)
            step = step.Then(c => Complete(c with { Current = null }, current, SwitchOutcome.Stopping));
        foreach (var ticket in s.Queued)
            step = step.Then(c => Complete(c, ticket, SwitchOutcome.Stopping));
        return step.Then(c => c with { Queued = [], Goal = null, Fallback = null, RollingBack = false });
    }

    private static Step Enter(SwitchState s, SwitchPhase phase) =>
        s with { Phase = phase, Generation = s.Generation + 1 };

    /// <summary>
    /// A scheduled switch has no deadline: the scheduler counts with the end of the running answers, and letting others in
    /// once more would let them go before those who have waited longer. It is withdrawn when nobody waits for it any more.
    /// </summary>
    private static Step Drain(SwitchState s, DeadlineKind deadline)
    {
        Step draining = Enter(s, SwitchPhase.Draining);
        return deadline == DeadlineKind.Drain && s.Current is { IsScheduled: true } ? draining : Arm(draining, deadline);
    }

    private static Step Unload(SwitchState s, string model) => Enter(s with { Instance = 0 }, SwitchPhase.Unloading)
        .Do(new SwitchEffect(SwitchEffectKind.StartUnload) { Model = model });

    private static Step Load(SwitchState s) => Arm(Enter(s, SwitchPhase.Loading)
        .Do(new SwitchEffect(SwitchEffectKind.StartLoad) { Model = s.Goal }), DeadlineKind.Load);

    private static Step BackOff(SwitchState s) => Arm(Enter(s, SwitchPhase.BackingOff), DeadlineKind.BackOff);

    private static Step StopBackend(SwitchState s) => Enter(s with { Instance = 0 }, SwitchPhase.Stopping)
        .Do(SwitchEffectKind.StopBackend);

    private static Step Arm(Step step, DeadlineKind deadline) =>
        step.Do(new SwitchEffect(SwitchEffectKind.ArmDeadline) { Deadline = deadline });

    private static InvalidOperationException Impossible(SwitchState s, SwitchEvent e) =>
        new($"Event {e} cannot happen in state {s}.");
}

/// <param name="SwitchQueueLimit">Explicit switches that may wait at once behind the current one.</param>
internal sealed record SwitchRules(int SwitchQueueLimit);
