using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using HotModel.Configuration;
using HotModel.Gpu;
using HotModel.Llama;
using HotModel.Scheduling;

namespace HotModel.Switching;

/// <summary>Owns the switch state: reads one input after another, lets the machine decide, carries out what it says.</summary>
/// <remarks>
/// Only <see cref="Handle"/> touches the state, and only one thread at a time is in it. Slow work runs outside
/// (<see cref="SwitchOperations"/>) and comes back as an input.
/// </remarks>
[SuppressMessage("Design", "CA1001", Justification = "RunAsync ends what it owns, whichever way it ends.")]
internal sealed partial class SwitchLoop
{
    /// <summary>Switches that may wait behind the current one: more than a person starts, fewer than a runaway script.</summary>
    private const int SwitchQueueLimit = 16;

    private static readonly TimeSpan FirstBackOff = TimeSpan.FromMilliseconds(500);
    /// <summary>A broken model costs two loads a minute at most, and is back within half a minute once it is mended.</summary>
    private static readonly TimeSpan LongestBackOff = TimeSpan.FromSeconds(30);

    // Unbounded: every input is owed to a connection, a lease, a ticket or an operation, and each of those is bounded.
    private readonly Channel<LoopInput> inputs = Channel.CreateUnbounded<LoopInput>(
        new UnboundedChannelOptions { SingleReader = true, AllowSynchronousContinuations = false });
    private readonly Dictionary<long, SwitchAsk> asks = [];
    private readonly ServerConfig server;
    private readonly SwitchMachine machine;
    private readonly SwitchOperations operations;
    private readonly SwitchRecorder recorder;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly Action<string> rememberActive;
    private SwitchState state;
    private volatile SwitchStatus status;
    private Upstream? upstream;
    private CancellationTokenSource abort = new();
    private ITimer? deadline;
    private LoadFailure? failure;
    private SwitchReport? lastReport;
    private long tickets;

    /// <param name="config">Limits, time-outs and models.</param>
    /// <param name="backend">Makes the backend, given what it calls when a loaded model is lost.</param>
    /// <param name="gpu">Reads and settles device memory.</param>
    /// <param name="warmth">Saves and restores what slots hold.</param>
    /// <param name="activeModel">The model to load first; null: none.</param>
    /// <param name="rememberActive">Called whenever another model has become the active one.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">One line per phase.</param>
    public SwitchLoop(HotModelConfig config, Func<Action<ModelLost>, IBackend> backend, SwitchGpu gpu,
        SwitchWarmth warmth, string? activeModel, Action<string> rememberActive, TimeProvider time, ILogger logger)
    {
        server = config.Server;
        machine = new SwitchMachine(new SwitchRules(SwitchQueueLimit));
        scheduler = new RequestScheduler(RulesOf(config));
        operations = new SwitchOperations(
            config.Models, backend(lost => Post(new LoopInput.Lost(lost))), gpu, warmth, Feed, Post);
        recorder = new SwitchRecorder(time, gpu);
        costs = new SwitchCosts(time);
        this.time = time;
        origin = time.GetTimestamp();
        this.logger = logger;
        this.rememberActive = rememberActive;
        state = SwitchState.Initial(activeModel);
        schedule = new ScheduleState { Target = activeModel };
        status = NewStatus();
        if (state.Phase == SwitchPhase.BackingOff)
            Post(new LoopInput.DeadlineReached(state.Generation));
    }

    public SwitchFeed Feed { get; } = new();

    public SwitchStatus Status => status;

    /// <summary>Null: nothing is read ahead.</summary>
    public TargetReadAhead? ReadAhead { get; init; }

    public bool BackendIsRunning => operations.BackendIsRunning;

    public IReadOnlyList<int> BackendPids => operations.BackendPids;

    /// <summary>Returns once the request may be sent, or may not.</summary>
    /// <param name="ask">What it wants.</param>
    /// <param name="onQueued">Called on the loop's thread if the request has to wait; must not block.</param>
    /// <param name="cancel">The client has gone.</param>
    /// <exception cref="OperationCanceledException">The client has gone; no lease is held.</exception>
    public async ValueTask<Admission> EnterAsync(
        RequestAsk ask, Action<RequestWaiter>? onQueued, CancellationToken cancel)
    {
        var waiter = new RequestWaiter(ask) { OnQueued = onQueued };
        if (!inputs.Writer.TryWrite(new LoopInput.Arrived(waiter)))
            waiter.Refuse(RefusalKind.Stopping, "hotmodel is stopping.", null);
        using var leaving = cancel.UnsafeRegister(
            static (s, _) => { var (loop, w) = ((SwitchLoop, RequestWaiter))s!; loop.Post(new LoopInput.Left(w)); },
            (this, waiter));
        var admission = await waiter.Admission;
        if (!cancel.IsCancellationRequested)
            return admission;
        admission.Lease?.Dispose();
        throw new OperationCanceledException(cancel);
    }

    /// <summary>Asks for a switch and returns its report. Going away does not undo it.</summary>
    /// <param name="model">A configured name.</param>
    /// <param name="force">Cut running answers at the drain's deadline.</param>
    /// <param name="drainTimeout">Null: the configured one.</param>
    public Task<SwitchReport> SwitchAsync(string model, bool force, TimeSpan? drainTimeout)
    {
        var ticket = new SwitchTicket(Interlocked.Increment(ref tickets), model, force);
        var ask = new SwitchAsk(ticket, drainTimeout, server.DrainTimeout);
        if (!inputs.Writer.TryWrite(new LoopInput.Asked(ask)))
            ask.Complete(recorder.Trivial(SwitchOutcome.Stopping, model, null));
        return ask.Report;
    }

    /// <summary>Asks the loop to drain, stop every child and end.</summary>
    public void Stop() => Post(new LoopInput.StopAsked());

    /// <summary>Runs until everything has stopped. Throws what an operation threw, after killing every child.</summary>
    public async Task RunAsync()
    {
        try
        {
            while (state.Phase != SwitchPhase.Stopped)
                Handle(await inputs.Reader.ReadAsync());
        }
        catch (Exception cause)
        {
            SwitchLog.Broken(logger, cause);
            throw;
        }
        finally
        {
            deadline?.Dispose();
            wake?.Dispose();
            await operations.DisposeAsync();
            inputs.Writer.Complete();
            AnswerTheRest();
        }
    }

    /// <summary>For tests on virtual time: handles what has come, on this thread.</summary>
    internal bool HandlePending()
    {
        var any = false;
        for (; inputs.Reader.TryRead(out var input); any = true)
            Handle(input);
        return any;
    }

    internal SwitchState State => state;

    private void Post(LoopInput input) => inputs.Writer.TryWrite(input);

    private void Handle(LoopInput input)
    {
        Take(input);
        Reconcile();
        if (status.InflightChats != state.InFlight || status.WaitingChats != waiters.Count)
            status = NewStatus();
    }

    private void Take(LoopInput input)
    {
        switch (input)
        {
            case LoopInput.Arrived arrived:
                Arrive(arrived.Waiter);
                break;
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
        ReadAhead?.Observe(state);
        if (before.Phase != state.Phase || before.Generation != state.Generation)
        {
            var next = NewStatus();
            SwitchLog.Phase(logger, status.Phase, next.Phase, happened.Kind, state.Active, state.Goal);
            if (state.Active is not null && state.Active != before.Active)
                rememberActive(state.Active);
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
                // Asynchronously: what hangs on the token closes sockets, and the loop waits for nobody.
                _ = abort.CancelAsync();
                abort = new CancellationTokenSource();
                break;
            case SwitchEffectKind.StartUnload:
                operations.Unload(state.Generation, effect.Model!);
                break;
            case SwitchEffectKind.StartSettle:
                operations.Settle(state.Generation);
                break;
            case SwitchEffectKind.StartLoad:
                operations.Load(state.Generation, effect.Model!);
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
            report = lastReport = recorder.Finish(ask!, outcome, answering) with { ReadAhead = ReadAhead?.Report };
        else if (outcome is SwitchOutcome.AlreadyActive or SwitchOutcome.TooManyQueued or SwitchOutcome.Withdrawn
            or SwitchOutcome.Stopping)
            report = recorder.Trivial(outcome, ticket.Model, answering);
        else
            report = lastReport!; // Queued behind the switch that has just ended, for the same model.
        SwitchLog.Switched(logger, ticket.Model, outcome, report.ElapsedSeconds, report.Error);
        Feed.Publish(new ReportNews(report));
        ask?.Complete(report);
    }

    private ModelLease NewLease(RequestWaiter waiter) =>
        new(state.Active!, upstream!, lease => Post(new LoopInput.Returned(lease, waiter)), abort.Token)
        {
            OnSilent = operations.Nudge,
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
        DeadlineKind.Load => server.LoadTimeout,
        DeadlineKind.BackOff => BackOff(),
        DeadlineKind.Stop => server.StopTimeout,
    };

    private TimeSpan BackOff()
    {
        var pause = FirstBackOff * Math.Pow(2, Math.Max(0, state.Attempts - 2) * 1.5);
        return pause < LongestBackOff ? pause : LongestBackOff;
    }
}
