using HotModel.Configuration;
using HotModel.Scheduling;

namespace HotModel.Switching;

/// <content>Requests: what happens goes to the scheduler, what it decides to the machine and to those who wait.</content>
internal sealed partial class SwitchLoop
{
    private RequestScheduler scheduler;
    private readonly Dictionary<long, RequestWaiter> waiters = [];
    private readonly SwitchCosts costs;
    private volatile ScheduleState schedule;
    private ITimer? wake;

    public ScheduleState Schedule => schedule;

    private TimeSpan Now => share.Now;

    /// <summary>What a request that waits is told. From any thread.</summary>
    public WaitStatus WaitStatusOf(RequestWaiter waiter) =>
        WaitStatus.Of(waiter.Ask.Model, RequestScheduler.PositionOf(schedule, waiter.Id), status, Feed.Progress);

    /// <summary>Takes those away for whom another lane is the right one.</summary>
    /// <param name="model">That they wait for; null: all.</param>
    public IReadOnlyList<(RequestWaiter Waiter, TimeSpan Arrived)> Release(string? model)
    {
        List<(RequestWaiter, TimeSpan)> released = [];
        foreach (var (id, waiting) in schedule.Waiting)
        {
            if ((model is null || waiting.Model == model) && waiters.Remove(id, out var waiter))
                released.Add((waiter, waiting.Arrived));
        }
        // All at once: between one and the next the scheduler must decide nothing about those who have gone from here.
        if (released.Count > 0)
            Tell(new ScheduleEvent(ScheduleEventKind.LineMoved) { Model = model });
        Settle();
        return released;
    }

    /// <summary>Takes one in that has waited elsewhere.</summary>
    public void Adopt(RequestWaiter waiter, TimeSpan arrived)
    {
        Enter(waiter, arrived, 0);
        Settle();
    }

    private void Enter(RequestWaiter waiter, TimeSpan? since, int elsewhere)
    {
        waiter.Lane = this;
        waiters.Add(waiter.Id, waiter);
        Tell(new ScheduleEvent(ScheduleEventKind.RequestArrived)
        {
            Id = waiter.Id,
            Model = waiter.Ask.Model,
            Intent = waiter.Ask.Intent,
            Patience = waiter.Ask.Patience - waiter.Ask.Spent,
            Since = since,
            WaitElsewhere = elsewhere,
        });
    }

    /// <summary>Answers of the model run; null: of whatever model is here.</summary>
    public bool IsAnswering(string? model) =>
        state is { InFlight: > 0, Instance: not 0 } && (model is null || model == state.Active);

    /// <summary>
    /// Lets one in that is about a running answer. Nothing waits for its end: the answer that it is about holds the model.
    /// </summary>
    public void Join(RequestWaiter waiter) => waiter.Complete(new Admission(NewLease(_ => { }), null));

    /// <summary>The model has left without another one having come: what that took is known all the same.</summary>
    public void NoteUnload()
    {
        if (costs is not { Left: { } left, Unload: { } took })
            return;
        var known = share.Models.GetValueOrDefault(left, ModelHistory.Empty);
        share.Models = share.Models.SetItem(left, known with { Unload = ModelHistory.Measured(known.Unload, took) });
        share.Keep(left);
    }

    /// <summary>What the lanes above decided: the scheduler hears it as any other event.</summary>
    public void Hear(ScheduleEvent happened)
    {
        Tell(happened);
        Settle();
    }

    private static ScheduleRules RulesOf(HotModelConfig config) => new()
    {
        MaxWait = config.Server.QueueMaxWait,
        Patience = config.Server.QueueTimeout,
        QueueLimit = config.Server.QueueLimit,
        QueueLimitPerModel = config.Server.QueueLimitPerModel,
        Waits = config.Server.DuringSwitch == DuringSwitch.Wait,
        SwitchesOnRequest = config.Server.SwitchOnRequest == SwitchOnRequest.Switch,
        Residency = config.Server.MinResidency,
        BackgroundWaits = config.Server.BackgroundRequests == BackgroundRequests.Wait,
        LoadsBeside = config.Server.SwitchPolicy != SwitchPolicy.ZeroOverlap,
        Models = config.Models.ToDictionary(
            entry => entry.Key, entry => new ModelRules(entry.Value.IdleUnload, entry.Value.Pin)),
    };

    /// <param name="waiter">A request that has just come.</param>
    /// <param name="elsewhere">How many wait in other lanes.</param>
    public void Arrive(RequestWaiter waiter, int elsewhere)
    {
        waiter.Id = share.NextRequest();
        Enter(waiter, null, elsewhere);
        Settle();
        if (waiters.ContainsKey(waiter.Id))
            waiter.OnQueued?.Invoke(waiter);
    }

    private void Leave(RequestWaiter waiter)
    {
        if (!waiters.Remove(waiter.Id))
            return;
        waiter.Refuse(RefusalKind.QueueTimedOut, "The client has gone.", null);
        Tell(new ScheduleEvent(ScheduleEventKind.RequestLeft) { Id = waiter.Id });
    }

    private void Return(ModelLease lease, RequestWaiter waiter)
    {
        // First: what the scheduler starts now finds the machine without this request.
        Apply(new SwitchEvent(SwitchEventKind.RequestFinished, Answered: lease.Answered));
        Tell(new ScheduleEvent(ScheduleEventKind.AnswerEnded)
        {
            Model = lease.Model,
            Intent = waiter.Ask.Intent,
            AnswerTook = lease.Answered ? Now - waiter.AdmittedAt : null,
        });
    }

    private void Tell(ScheduleEvent happened)
    {
        // What was measured of models is every lane's.
        var step = scheduler.Step(schedule with { Models = share.Models }, happened, Now);
        schedule = step.State;
        share.Models = schedule.Models;
        foreach (var decision in step.Decisions)
            Carry(decision);
    }

    private void Carry(ScheduleDecision decision)
    {
        switch (decision.Kind)
        {
            case ScheduleDecisionKind.Admit:
                waiters.Remove(decision.Id, out var admitted);
                Apply(new SwitchEvent(SwitchEventKind.RequestAdmitted));
                admitted!.AdmittedAt = Now;
                admitted.Complete(new Admission(
                    NewLease(lease => Post(new LoopInput.Returned(lease, admitted))), null));
                break;
            case ScheduleDecisionKind.Refuse:
                waiters.Remove(decision.Id, out var refused);
                Refuse(refused!, decision);
                break;
            case ScheduleDecisionKind.StartSwitch:
                var ticket = new SwitchTicket(
                    share.NextTicket(), decision.Model!, Force: false, IsScheduled: true);
                Ask(new SwitchAsk(ticket, null, Server.DrainTimeout));
                break;
            case ScheduleDecisionKind.Reopen:
                Apply(new SwitchEvent(SwitchEventKind.SwitchWithdrawn, Ticket: state.Current!.Value));
                break;
            case ScheduleDecisionKind.Unload:
                Apply(new SwitchEvent(SwitchEventKind.UnloadRequested));
                break;
            case ScheduleDecisionKind.WakeAt:
                WakeAt(decision.At);
                break;
        }
    }

    private void WakeAt(TimeSpan at)
    {
        wake?.Dispose();
        var due = at - Now;
        wake = time.CreateTimer(_ => Post(new LoopInput.Woken()), null,
            due > TimeSpan.Zero ? due : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }

    /// <summary>What a step of the machine means to the scheduler.</summary>
    private void Tell(SwitchEffect effect)
    {
        if (effect.Kind == SwitchEffectKind.Open)
        {
            var next = state.Queued.FirstOrDefault(q => q.Model != state.Active).Model;
            // Whoever asked for what answers now need not wait for what the scheduler may begin.
            if (next is null && !state.Queued.IsEmpty)
                Apply(new SwitchEvent(SwitchEventKind.NextSwitch));
            Tell(new ScheduleEvent(ScheduleEventKind.ModelOpened)
            {
                Model = state.Active,
                Next = next,
                Left = costs.Left,
                UnloadTook = costs.Unload,
                LoadTook = costs.Load,
            });
            if (costs.Left is { } left)
                share.Keep(left);
            if (costs.Load is not null)
                share.Keep(state.Active!);
            if (next is not null)
                Apply(new SwitchEvent(SwitchEventKind.NextSwitch));
        }
        else if (effect.Kind == SwitchEffectKind.GiveUp)
        {
            Tell(new ScheduleEvent(ScheduleEventKind.LoadFailed)
            {
                Model = effect.Model,
                Reason = failure?.Error ?? "The model did not load.",
                Instead = state.Goal,
            });
        }
    }

    /// <summary>What the machine does of itself or on somebody's explicit wish, and the scheduler has not heard of.</summary>
    private void Reconcile()
    {
        if (state.Closing || state.Phase == SwitchPhase.Ready)
            return;
        if (state.Current is null && state.Queued.IsEmpty)
        {
            if (state is { Phase: SwitchPhase.Draining, Instance: not 0 })
            {
                // The model goes because it is configured otherwise now.
                if (schedule.Gate == GateState.Open)
                    Tell(new ScheduleEvent(ScheduleEventKind.SwitchBegun) { Model = state.Goal });
            }
            else if (schedule.Gate != GateState.Empty || schedule.Target != state.Goal)
                Tell(new ScheduleEvent(ScheduleEventKind.ModelGone) { Model = state.Goal });
            return;
        }
        var ticket = state.Current ?? state.Queued[0];
        var target = state.Current is null ? ticket.Model : state.Goal;
        if (schedule.Gate == GateState.Draining && state.Instance == 0)
            Tell(new ScheduleEvent(ScheduleEventKind.LeavingModelLost));
        if (!ticket.IsScheduled && (!schedule.Asked || schedule.Target != target))
            Tell(new ScheduleEvent(ScheduleEventKind.SwitchBegun) { Model = target });
    }
}
