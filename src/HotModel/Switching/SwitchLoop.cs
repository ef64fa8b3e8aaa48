using System.Diagnostics.CodeAnalysis;
using HotModel.Configuration;
using HotModel.Gpu;
using HotModel.Llama;
using HotModel.Scheduling;

namespace HotModel.Switching;

/// <summary>
/// Owns the switch state of one lane, which holds one model: takes one input after another, lets the machine decide, carries
/// out what it says.
/// </summary>
/// <remarks>
/// Only the thread of <see cref="ModelLanes"/> is in here, where nothing else is said. Slow work runs outside
/// (<see cref="SwitchOperations"/>) and comes back as an input.
/// </remarks>
[SuppressMessage("Design", "CA1001", Justification = "EndAsync ends what it owns, and is always called.")]
internal sealed partial class SwitchLoop
{
    /// <summary>Switches that may wait behind the current one: more than a person starts, fewer than a runaway script.</summary>
    public const int SwitchQueueLimit = 16;

    private static readonly TimeSpan FirstBackOff = TimeSpan.FromMilliseconds(500);
    /// <summary>A broken model costs two loads a minute at most, and is back within half a minute once it is mended.</summary>
    private static readonly TimeSpan LongestBackOff = TimeSpan.FromSeconds(30);

    private readonly LaneShare share;
    private readonly LaneSeat seat;
    private readonly Dictionary<long, SwitchAsk> asks = [];
    private readonly LiveConfig live;
    private readonly SwitchMachine machine;
    private readonly SwitchOperations operations;
    private readonly SwitchRecorder recorder;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private SwitchState state;
    private volatile SwitchStatus status;
    private volatile bool isLeaving;
    private Upstream? upstream;
    private CancellationTokenSource abort = new();
    private ITimer? deadline;
    private LoadFailure? failure;
    private SwitchReport? lastReport;

    /// <param name="share">What all lanes have in common.</param>
    /// <param name="seat">What is this lane's own.</param>
    /// <param name="live">Limits, time-outs and models.</param>
    /// <param name="gpu">Reads and settles device memory.</param>
    /// <param name="activeModel">The model to load first; null: none.</param>
    /// <param name="logger">One line per phase.</param>
    public SwitchLoop(
        LaneShare share, LaneSeat seat, LiveConfig live, SwitchGpu gpu, string? activeModel, ILogger logger)
    {
        this.share = share;
        this.seat = seat;
        this.live = live;
        time = share.Time;
        Feed = new SwitchFeed(news => Heard?.Invoke(news));
        machine = new SwitchMachine(new SwitchRules(SwitchQueueLimit));
        scheduler = new RequestScheduler(RulesOf(live.Current));
        operations = new SwitchOperations(
            live.Model, seat.Backend(lost => Post(new LoopInput.Lost(lost))), gpu, seat.Warmth, Feed, Post, time,
            logger);
        recorder = new SwitchRecorder(time, gpu);
        costs = new SwitchCosts(time);
        this.logger = logger;
        state = SwitchState.Initial(activeModel);
        schedule = new ScheduleState { Target = activeModel };
        status = NewStatus();
        if (state.Phase == SwitchPhase.BackingOff)
            Post(new LoopInput.DeadlineReached(state.Generation));
    }

    public SwitchFeed Feed { get; }

    /// <summary>Hears what the feed says, as it is said.</summary>
    public Action<SwitchNews>? Heard { private get; set; }

    /// <summary>From any thread.</summary>
    public SwitchStatus Status => status;

    public SwitchState State => state;

    /// <summary>Its number: no other lane has the same at the same time.</summary>
    public int Seat => seat.Number;

    public bool BackendIsRunning => operations.BackendIsRunning;

    /// <summary>From any thread.</summary>
    public IReadOnlyList<int> BackendPids => operations.BackendPids;

    /// <summary>The model that goes on answering in another lane while this one gets its own; null once it has.</summary>
    public string? Beside { private get; set; }

    /// <summary>Its model leaves when running answers have ended, whatever the loop's phase.</summary>
    public bool IsLeaving
    {
        get => isLeaving;
        set => isLeaving = value;
    }

    /// <summary>How long the end of this lane waits for running answers.</summary>
    public TimeSpan? StopTimeout { private get; set; }

    /// <summary>Ends everything of this lane by force, and answers who is left. What comes later is not to be handled.</summary>
    public async Task EndAsync()
    {
        deadline?.Dispose();
        wake?.Dispose();
        try
        {
            await operations.DisposeAsync();
        }
        finally
        {
            AnswerTheRest();
        }
    }

    public void CutAnswers()
    {
        // Asynchronously: what hangs on the token closes sockets, and the loop waits for nobody.
        _ = abort.CancelAsync();
        abort = new CancellationTokenSource();
    }

    /// <summary>The model answers, and nobody uses it.</summary>
    public void Unload()
    {
        Apply(new SwitchEvent(SwitchEventKind.UnloadRequested));
        Settle();
    }

    private void Post(LoopInput input) => share.Post(this, input);

    public void Handle(LoopInput input)
    {
        Take(input);
        Settle();
    }

    private void Settle()
    {
        Reconcile();
        if (status.InflightChats != state.InFlight || status.WaitingChats != waiters.Count)
            status = NewStatus();
    }

    private void Take(LoopInput input)
    {
        switch (input)
        {
            case LoopInput.Left left:
                Leave(left.Waiter);
                break;
            case LoopInput.Returned returned:
                Return(returned.Lease, returned.Waiter);
                break;
            case LoopInput.Woken:
                Tell(new ScheduleEvent(ScheduleEventKind.TimePassed));
                break;
            case LoopInput.Asked asked:
                Ask(asked.Ask);
                break;
            case LoopInput.StopAsked:
                Tell(new ScheduleEvent(ScheduleEventKind.StopRequested));
                Apply(new SwitchEvent(SwitchEventKind.StopRequested));
                break;
            case LoopInput.DeadlineReached reached:
                if (reached.Generation == state.Generation && state.Phase == SwitchPhase.Loading)
                    NoteFailure(LoadTimedOut());
                Apply(new SwitchEvent(SwitchEventKind.DeadlinePassed, reached.Generation));
                break;
            case LoopInput.Lost lost:
                NoteLoss(lost.Model);
                Apply(new SwitchEvent(SwitchEventKind.ModelLost, lost.Model.Instance,
                    Permanent: lost.Model.Failure.Reason.IsPermanent()));
                break;
            case LoopInput.Unloaded unloaded:
                if (unloaded.Generation == state.Generation)
                    recorder.Unloaded(unloaded.Before, unloaded.After, unloaded.Saved);
                Apply(new SwitchEvent(SwitchEventKind.ModelUnloaded, unloaded.Generation));
                break;
            case LoopInput.Settled settled:
                if (settled.Generation == state.Generation)
                    recorder.Settled(settled.Value, settled.Reading);
                Apply(new SwitchEvent(SwitchEventKind.MemorySettled, settled.Generation));
                break;
            case LoopInput.Answers answers:
                if (answers.Generation == state.Generation)
                    deadline?.Dispose();
                break;
            case LoopInput.LoadEnded ended:
                HandleLoadEnded(ended);
                break;
            case LoopInput.BackendStopped stopped:
                Apply(new SwitchEvent(SwitchEventKind.BackendStopped, stopped.Generation));
                break;
            case LoopInput.Broken broken:
                throw new InvalidOperationException("A switch operation broke.", broken.Cause);
        }
    }

    private void HandleLoadEnded(LoopInput.LoadEnded ended)
    {
        if (ended.Generation != state.Generation)
            return;
        recorder.Loaded(ended.Reading, ended.Restored);
        if (ended.Result.Failure is { } failed)
        {
            NoteFailure(failed);
            Apply(new SwitchEvent(SwitchEventKind.LoadFailed, ended.Generation, Permanent: failed.Reason.IsPermanent()));
            return;
        }
        upstream = ended.Result.Upstream;
        failure = null;
        Apply(new SwitchEvent(SwitchEventKind.ModelLoaded, ended.Generation));
    }

    private void Ask(SwitchAsk ask)
    {
        asks.Add(ask.Ticket.Id, ask);
        Apply(new SwitchEvent(SwitchEventKind.SwitchRequested, Ticket: ask.Ticket));
    }

    private void Apply(SwitchEvent happened)
    {
        var before = state;
        var step = machine.Step(state, happened);
        state = step.State;
        foreach (var effect in step.Effects)
            Carry(effect);
        costs.Observe(before, state);
        recorder.Observe(state);
        seat.ReadAhead?.Observe(state);
        if (before.Phase != state.Phase || before.Generation != state.Generation)
        {
            var next = NewStatus();
            SwitchLog.Phase(logger, status.Phase, next.Phase, happened.Kind, state.Active, state.Goal);
            status = next;
            Feed.Publish(new PhaseNews(status));
        }
        // Last: what the scheduler makes of it are steps of their own.
        foreach (var effect in step.Effects)
            Tell(effect);
    }

    private SwitchStatus NewStatus() => SwitchStatus.Of(state, waiters.Count, failure?.Error);

    private void Carry(SwitchEffect effect)
    {
        switch (effect.Kind)
        {
            case SwitchEffectKind.Open or SwitchEffectKind.GiveUp:
                break;
            case SwitchEffectKind.AbortInFlight:
                CutAnswers();
                break;
            case SwitchEffectKind.StartUnload:
                operations.Unload(state.Generation, effect.Model!);
                break;
            case SwitchEffectKind.StartSettle:
                operations.Settle(state.Generation);
                break;
            // What was unloaded for it comes back, or nothing does: it would be forgotten as soon as it answers.
            case SwitchEffectKind.StartLoad when !live.Has(effect.Model!):
                operations.Refuse(state.Generation, Removed(effect.Model!));
                break;
            case SwitchEffectKind.StartLoad:
                loadedCommand = live.CommandOf(effect.Model!);
                operations.Load(state.Generation, effect.Model!, share.Gone(this, effect.Model!));
                break;
            case SwitchEffectKind.StopBackend:
                operations.Stop(state.Generation);
                break;
            case SwitchEffectKind.ArmDeadline:
                Arm(DeadlineTime(effect.Deadline));
                break;
            case SwitchEffectKind.CompleteSwitch:
                CompleteSwitch(effect.Ticket, effect.Outcome);
                break;
        }
    }

    private void CompleteSwitch(SwitchTicket ticket, SwitchOutcome outcome)
    {
        var answering = outcome is SwitchOutcome.LoadFailed or SwitchOutcome.RollbackFailed or SwitchOutcome.Stopping
            ? null : state.Active;
        asks.Remove(ticket.Id, out var ask);
        SwitchReport report;
        if (recorder.Ticket == ticket.Id)
        {
            report = lastReport = recorder.Finish(ask!, outcome, answering) with { ReadAhead = seat.ReadAhead?.Report };
            share.Totals.Add(report);
        }
        else if (outcome is SwitchOutcome.AlreadyActive or SwitchOutcome.TooManyQueued or SwitchOutcome.Withdrawn
            or SwitchOutcome.Stopping)
            report = recorder.Trivial(outcome, ask!, answering);
        else
            report = lastReport!; // Queued behind the switch that has just ended, for the same model.
        if (outcome == SwitchOutcome.Withdrawn && !live.Has(ticket.Model))
            report = report with { Error = live.Names.Unknown(ticket.Model) };
        if (Beside is { } beside)
            report = report with { PreviousModel = beside, ActiveModel = report.ActiveModel ?? beside };
        SwitchLog.Switched(logger, ticket.Model, outcome, report.ElapsedSeconds, report.Error);
        Feed.Publish(new ReportNews(report));
        if (ask is not null)
            share.Answer(() => ask.Complete(report));
    }

    private ModelLease NewLease(Action<ModelLease> onReturned) =>
        new(state.Active!, upstream!, onReturned, abort.Token)
        {
            OnSilent = operations.Nudge,
            IsHeldTooLong = blocked => blocked >= Server.StalledClientTimeout && (IsLeaving || status.Phase == "draining"),
            Lane = seat.Number,
        };

    private void Arm(TimeSpan due)
    {
        deadline?.Dispose();
        var generation = state.Generation;
        deadline = time.CreateTimer(
            _ => Post(new LoopInput.DeadlineReached(generation)), null, due, Timeout.InfiniteTimeSpan);
    }

    private TimeSpan DeadlineTime(DeadlineKind kind) => kind switch
    {
        DeadlineKind.Drain => asks[state.Current!.Value.Id].DrainTimeout,
        DeadlineKind.Load => Server.LoadTimeout,
        DeadlineKind.BackOff => BackOff(),
        DeadlineKind.Stop => StopTimeout ?? Server.StopTimeout,
    };

    private TimeSpan BackOff()
    {
        var pause = FirstBackOff * Math.Pow(2, Math.Max(0, state.Attempts - 2) * 1.5);
        return pause < LongestBackOff ? pause : LongestBackOff;
    }
}
