using HotModel.Configuration;
using HotModel.Llama;
using HotModel.Scheduling;

namespace HotModel.Switching;

/// <summary>Whether a switch goes beside what is loaded.</summary>
/// <param name="IsBeside">False: the loaded model has to leave first.</param>
/// <param name="WhyNot">Why there is no place beside it, and none is made; null: there may be.</param>
internal readonly record struct LanePlace(bool IsBeside, string? WhyNot);

/// <summary>
/// The loops that hold one model each: which of them a request or a switch is for. With one seat there is one lane for
/// everything. With more, a lane begins when a model is loaded beside others, and ends when its model has left.
/// </summary>
/// <remarks>Only the thread of <see cref="RunAsync"/> touches the lanes, where nothing else is said.</remarks>
internal sealed partial class ModelLanes
{
    private readonly LaneShare share;
    private readonly LiveConfig live;
    private readonly IReadOnlyList<LaneSeat> seats;
    private readonly SwitchGpu gpu;
    private readonly LaneMemory memory;
    private readonly Func<string, LanePlace> place;
    private readonly ILogger logger;
    private readonly List<Lane> lanes = [];
    private Lane active;
    private string? remembered;
    private bool isClosing;
    private volatile LanesPicture picture;

    /// <param name="live">Limits, time-outs and models.</param>
    /// <param name="seats">One for each model that may be loaded at once.</param>
    /// <param name="gpu">Reads and settles device memory.</param>
    /// <param name="place">Looks whether a model fits beside what is loaded; on any thread, may take a moment.</param>
    /// <param name="memory">What is known from before.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">One line per phase.</param>
    public ModelLanes(LiveConfig live, IReadOnlyList<LaneSeat> seats, SwitchGpu gpu, Func<string, LanePlace> place,
        LaneMemory memory, TimeProvider time, ILogger logger)
    {
        share = new LaneShare(memory, time)
        {
            Gone = (loop, model) =>
                lanes.Find(lane => lane.Loop != loop && lane.IsLeaving && lane.Loop.State.Active == model)?.Gone.Task
                    ?? Task.CompletedTask,
        };
        this.live = live;
        this.seats = seats;
        this.gpu = gpu;
        this.place = place;
        this.memory = memory;
        this.logger = logger;
        remembered = memory.ActiveModel;
        active = Begin(seats[0], remembered);
        picture = NewPicture();
    }

    public SwitchFeed Feed { get; } = new();

    /// <summary>Of the active model, and of the switch that goes on beside it. From any thread.</summary>
    public SwitchStatus Status => Picture.Status();

    /// <summary>From any thread.</summary>
    public LanesPicture Picture => picture;

    /// <summary>Of all models that were read ahead; null: none is. From any thread.</summary>
    public ReadAheadTotals? ReadAheadTotals => seats[0].ReadAhead is null ? null
        : seats.Select(seat => seat.ReadAhead!.Totals).Aggregate((sum, one) => new ReadAheadTotals(
            sum.Switches + one.Switches, sum.Mb + one.Mb, sum.AlreadyMb + one.AlreadyMb, sum.Seconds + one.Seconds));

    /// <summary>From any thread.</summary>
    public SwitchCounts SwitchCounts => share.Totals.Counts;

    /// <summary>What a request that waits is told. From any thread.</summary>
    public static WaitStatus WaitStatusOf(RequestWaiter waiter) => waiter.Lane!.WaitStatusOf(waiter);

    /// <summary>How long unloading and loading the model takes, as measured. From any thread.</summary>
    public (TimeSpan? Unload, TimeSpan? Load) UsualTimes(string model) =>
        share.Models.TryGetValue(model, out var known) ? (known.Unload?.Mean, known.Load?.Mean) : default;

    /// <summary>Returns once the request may be sent, or may not.</summary>
    /// <param name="ask">What it wants.</param>
    /// <param name="onQueued">Called on the lanes' thread if the request has to wait; must not block.</param>
    /// <param name="cancel">The client has gone.</param>
    /// <exception cref="OperationCanceledException">The client has gone; no lease is held.</exception>
    public async ValueTask<Admission> EnterAsync(
        RequestAsk ask, Action<RequestWaiter>? onQueued, CancellationToken cancel)
    {
        var waiter = new RequestWaiter(ask) { OnQueued = onQueued };
        if (!share.Post(null, new LoopInput.Arrived(waiter)))
            waiter.Refuse(RefusalKind.Stopping, SwitchLoop.StoppingMessage, null);
        using var leaving = cancel.UnsafeRegister(
            static (s, _) => { var (to, w) = ((LaneShare, RequestWaiter))s!; to.Post(null, new LoopInput.Left(w)); },
            (share, waiter));
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
        var ask = new SwitchAsk(
            new SwitchTicket(share.NextTicket(), model, force), drainTimeout, live.Current.Server.DrainTimeout);
        if (!share.Post(null, new LoopInput.Asked(ask)))
            ask.Complete(active.Loop.Report(ask, SwitchOutcome.Stopping));
        return ask.Report;
    }

    /// <summary>Completes when all that came before has been handled. From any thread.</summary>
    public Task PassAsync()
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!share.Post(null, new LoopInput.Passed(done)))
            done.SetResult();
        return done.Task;
    }

    /// <summary>Asks the lanes to drain, stop every child and end. From any thread.</summary>
    public void Stop() => share.Post(null, new LoopInput.StopAsked());

    /// <summary>Runs until everything has stopped. Throws what an operation threw, after killing every child.</summary>
    public async Task RunAsync()
    {
        try
        {
            while (!isClosing || lanes.Any(lane => lane.Loop.State.Phase != SwitchPhase.Stopped))
            {
                var (lane, input) = await share.Inputs.ReadAsync();
                Handle(lane, input);
            }
        }
        catch (Exception cause)
        {
            SwitchLog.Broken(logger, cause);
            throw;
        }
        finally
        {
            try
            {
                await Task.WhenAll(lanes.Select(lane => lane.Ending ?? lane.Loop.EndAsync()));
            }
            finally
            {
                share.Close();
                AnswerTheRest();
            }
        }
    }

    /// <summary>For tests on virtual time: handles what has come, on this thread.</summary>
    internal bool HandlePending()
    {
        var any = false;
        for (; share.Inputs.TryRead(out var next); any = true)
            Handle(next.Lane, next.Input);
        return any;
    }

    /// <summary>Something that the pool's threads do will be an input.</summary>
    internal bool IsOwedAnInput => looks > 0 || lanes.Exists(lane => lane.Ending is not null);

    internal IReadOnlyList<SwitchLoop> Loops => [.. lanes.Select(lane => lane.Loop)];

    internal SwitchLoop Active => active.Loop;

    private void Handle(SwitchLoop? loop, LoopInput input)
    {
        if (loop is null)
            Take(input);
        else if (lanes.Find(lane => lane.Loop == loop) is { } lane)
            Handle(lane, input);
        Review();
        while (RenewLanes())
            Review();
        picture = NewPicture();
        if (active.Loop.State.Active is { } now && now != remembered)
            memory.KeepActive(remembered = now);
        share.GiveAnswers();
    }

    private void Handle(Lane lane, LoopInput input)
    {
        if (input is LoopInput.LaneEnded)
        {
            lanes.Remove(lane);
            lane.End();
            return;
        }
        if (input is LoopInput.Lost lost && lane == active && lost.Model.Instance == lane.Loop.State.Instance && !isClosing)
            KeepInstead(lane);
        lane.Loop.Handle(input);
    }

    private void Take(LoopInput input)
    {
        switch (input)
        {
            case LoopInput.Arrived { Waiter: { Ask.JoinsAnswer: true } joining }
                when Answering(joining.Ask.Model) is { } lane:
                lane.Loop.Join(joining);
                break;
            case LoopInput.Arrived { Waiter: var late } when late.Ask.Model is { } model && !live.Has(model):
                late.Refuse(RefusalKind.Removed, live.Names.Unknown(model), null);
                break;
            case LoopInput.Arrived arrived:
                var own = LaneOf(arrived.Waiter).Loop;
                own.Arrive(arrived.Waiter, lanes.Sum(lane => lane.Loop == own ? 0 : lane.Loop.Schedule.Waiting.Count));
                break;
            case LoopInput.Left left:
                left.Waiter.Lane?.Handle(left);
                break;
            case LoopInput.Asked asked:
                Ask(asked.Ask);
                break;
            case LoopInput.Placed placed:
                Place(placed);
                break;
            case LoopInput.Overdue overdue:
                EndWait(overdue.Ask);
                break;
            case LoopInput.CutAsked cut:
                if (lanes.Find(lane => lane.Loop == cut.Lane) is { IsLeaving: true } tooLate)
                    tooLate.Cut();
                break;
            case LoopInput.Reconfigured reconfigured:
                Reconfigure(reconfigured);
                break;
            case LoopInput.StopAsked:
                Close();
                break;
            case LoopInput.Passed passed:
                passed.Done.SetResult();
                break;
            case LoopInput.Broken broken:
                throw new InvalidOperationException("The look for a place or the end of a lane broke.", broken.Cause);
        }
    }

    private void Close()
    {
        isClosing = true;
        GiveUpSwitches();
        foreach (var lane in lanes)
        {
            lane.Loop.StopTimeout = null;
            lane.Loop.Handle(new LoopInput.StopAsked());
        }
    }

    private Lane LaneOf(RequestWaiter waiter)
    {
        var mayLoad = live.Current.Server.SwitchOnRequest == SwitchOnRequest.Switch && waiter.Ask.Intent != RequestIntent.Look;
        // The active model was unloaded, and others use the memory: it comes back as any other one that is asked for.
        if (mayLoad && waiter.Ask.Model is null && active is { Model: null, Loop.State.Active: { } unloaded }
            && live.Has(unloaded) && lanes.Exists(lane => lane is { IsReady: true, IsLeaving: false }))
            waiter.Ask = waiter.Ask with { Model = unloaded };
        return lanes[LanePlan.Route(Views(), waiter.Ask.Model, mayLoad)];
    }

    /// <summary>Where answers of the model run, also if it is leaving. Of none: the active one's, else the first.</summary>
    private Lane? Answering(string? model) => lanes.Where(lane => lane.Loop.IsAnswering(model))
        .OrderByDescending(lane => lane == active).FirstOrDefault();

    private Lane Begin(LaneSeat seat, string? model)
    {
        var loop = new SwitchLoop(share, seat, live, gpu, model, logger);
        var lane = new Lane(loop);
        loop.Heard = news => Hear(lane, news);
        lanes.Add(lane);
        return lane;
    }

    private List<LaneView> Views() => [.. lanes.Select(lane =>
    {
        var schedule = lane.Loop.Schedule;
        return new LaneView(
            lane.Model, lane.IsReady, lane == active, lane.IsLeaving,
            lane.Model is { } model && live.Model(model).Pin,
            schedule.Waiting.Values.Any(r => r.Model is { } wanted && wanted != lane.Model),
            schedule.InFlight > 0 ? null : schedule.IdleSince);
    })];

    private LanesPicture NewPicture()
    {
        var views = seats.Count > 1 ? Views() : [];
        var isFull = seats.Count > 1 && views.Count(lane => lane is { IsReady: true, IsLeaving: false }) >= ModelsMax;
        return new LanesPicture(
            [.. lanes.OrderByDescending(lane => lane == active).Select(lane =>
                new LanePicture(lane.Loop, lane == active, lane.IsLeaving, lane == current?.Lane))],
            current is { Lane: null, Model: var waiting } ? waiting : null,
            isFull ? views[LanePlan.Next(views)].Model : null,
            seats.Count > 1 ? lanes[LanePlan.Yielding(views)].Loop : active.Loop);
    }

    private void Hear(Lane lane, SwitchNews news)
    {
        switch (news)
        {
            case ProgressNews or ReportNews:
                Feed.Publish(news);
                break;
            case PhaseNews when lane == active || lane == current?.Lane:
                Feed.Publish(new PhaseNews(lanes.Count > 1 ? NewPicture().Status() : lane.Loop.Status));
                break;
        }
    }

    /// <summary>After the end nobody may be left waiting, even where something broke.</summary>
    private void AnswerTheRest()
    {
        GiveUpSwitches();
        while (share.Inputs.TryRead(out var late))
        {
            if (late.Input is LoopInput.Arrived arrived)
                arrived.Waiter.Refuse(RefusalKind.Stopping, SwitchLoop.StoppingMessage, SwitchLoop.StoppingRetry);
            if (late.Input is LoopInput.Asked asked)
                asked.Ask.Complete(active.Loop.Report(asked.Ask, SwitchOutcome.Stopping));
            if (late.Input is LoopInput.Reconfigured reconfigured)
                reconfigured.Done.SetResult();
            if (late.Input is LoopInput.Passed passed)
                passed.Done.SetResult();
        }
        share.GiveAnswers();
    }
}
