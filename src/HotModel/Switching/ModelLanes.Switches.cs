using HotModel.Scheduling;

namespace HotModel.Switching;

/// <summary>A switch that may go beside what is loaded.</summary>
/// <param name="Model">The target.</param>
/// <param name="Ask">Whose wish it is; null: it is for requests that wait in <paramref name="From"/>.</param>
/// <param name="From">The lane that makes room where nothing fits beside it; null: the active one.</param>
internal sealed record LaneSwitch(string Model, SwitchAsk? Ask, SwitchLoop? From);

/// <content>Switches: one after another; those that somebody asked for come first.</content>
internal sealed partial class ModelLanes
{
    /// <summary>The switch under way.</summary>
    private sealed class Current(LaneSwitch what)
    {
        public LaneSwitch What { get; set; } = what;
        public string Model => What.Model;
        /// <summary>Where it is loaded; null until it has its place.</summary>
        public Lane? Lane { get; set; }
        public bool IsAsking { get; set; }
        /// <summary>Of the running answers that are in its way; null while none are.</summary>
        public ITimer? Deadline { get; set; }

        public void StopWaiting()
        {
            Deadline?.Dispose();
            Deadline = null;
        }
    }

    /// <summary>Between two cuts: who has none must not be cut all the time.</summary>
    private static readonly TimeSpan LeastPause = TimeSpan.FromSeconds(1);

    private readonly List<SwitchAsk> asked = [];
    private Current? current;
    /// <summary>For places, of which the end has not been heard.</summary>
    private int looks;

    private void Ask(SwitchAsk ask)
    {
        if (isClosing)
            Answer(ask, SwitchOutcome.Stopping);
        else if (!live.Has(ask.Ticket.Model))
            Answer(ask, SwitchOutcome.Withdrawn, live.Names.Unknown(ask.Ticket.Model));
        else if (seats.Count == 1)
            active.Loop.Handle(new LoopInput.Asked(ask));
        else if (current is { Lane: { } coming } now && now.Model == ask.Ticket.Model)
        {
            if (Outdoes(ask, now))
                now.What = now.What with { Ask = ask };
            coming.Loop.Handle(new LoopInput.Asked(ask));
        }
        else if (asked.Count >= SwitchLoop.SwitchQueueLimit)
            Answer(ask, SwitchOutcome.TooManyQueued);
        else
            asked.Add(ask);
    }

    /// <summary>
    /// What somebody asks for comes before what requests wait for; and force before patience, where both want the same.
    /// </summary>
    private static bool Outdoes(SwitchAsk ask, Current other) => other.What.Ask is not { } own
        || (ask.Ticket.Force && !own.Ticket.Force && ask.Ticket.Model == own.Ticket.Model);

    private void Answer(SwitchAsk ask, SwitchOutcome outcome, string? error = null)
    {
        var report = active.Loop.Report(ask, outcome, error);
        share.Answer(() => ask.Complete(report));
    }

    /// <summary>What follows from the lanes' states, whatever has happened.</summary>
    private void Review()
    {
        if (seats.Count == 1 || isClosing)
            return;
        do
        {
            EndLanes();
            Trim(null);
            NoteRoom();
            MoveLines();
            FollowPlaces();
            if (current is { Lane: not null })
                FollowLoad(current);
            if (current is { Lane: null } yields && asked.Exists(ask => Outdoes(ask, yields)))
            {
                End(yields);
                if (yields.What.Ask is { } patient)
                    asked.Insert(0, patient);
            }
            while (current is null && NextSwitch() is { } next)
                Start(current = new Current(next));
            if (current is { Lane: null, IsAsking: false })
                SeekPlace(current);
            Trim(null);
            EndLanes();
            NoteRoom();
        }
        while (current is null && NextSwitch() is not null);
    }

    private LaneSwitch? NextSwitch()
    {
        if (asked is [var oldest, ..])
        {
            var first = asked.Find(ask => ask.Ticket.Force && ask.Ticket.Model == oldest.Ticket.Model) ?? oldest;
            return active.IsBusy && !MayJoin(first.Ticket.Model) ? null : new LaneSwitch(first.Ticket.Model, first, null);
        }
        if (lanes.Exists(lane => lane.IsBusy))
            return null;
        var from = lanes.Select(lane => lane.Loop).Where(loop => loop.Schedule.Beside is not null)
            .MinBy(loop => loop.Schedule.Waiting.Keys.FirstOrDefault(long.MaxValue));
        return from is null ? null : new LaneSwitch(from.Schedule.Beside!, null, from);
    }

    /// <summary>A switch in the active lane's own place goes on, and its machine knows what to do with one more.</summary>
    private bool MayJoin(string model) => active.Loop.State is { Current: { } own } state
        && (active.Model == model || (own.IsScheduled && state.Phase == SwitchPhase.Draining));

    /// <summary>The active lane has no model that answers, and a switch is its own: nothing leaves for it.</summary>
    private bool ActiveTakes() => !active.IsReady && lanes[LanePlan.Next(Views())] == active;

    private void Start(Current switching)
    {
        var ask = switching.What.Ask;
        if (ask is not null)
            asked.Remove(ask);
        var holding = LanePlan.Holding(Views(), switching.Model);
        if (holding >= 0)
        {
            var lane = lanes[holding];
            Activate(switching, lane);
            if (ask is not null)
                lane.Loop.Handle(new LoopInput.Asked(ask));
            lane.Loop.Beside = null;
        }
        else if (ask is not null && active.IsBusy && ActiveTakes())
        {
            HandOver(switching, ask);
        }
    }

    /// <summary>It goes on in the active lane, whose machine knows what to do with it.</summary>
    private void HandOver(Current switching, SwitchAsk ask)
    {
        End(switching);
        active.Loop.Handle(new LoopInput.Asked(ask));
    }

    /// <summary>
    /// A lane that leaves must have gone, and a switch in a lane's own place must be over; then memory decides.
    /// </summary>
    private void SeekPlace(Current switching)
    {
        var (_, ask, from) = switching.What;
        if (from is not null && from.Schedule.Beside != switching.Model)
            End(switching);
        else if (IsThereMeanwhile(switching))
            return;
        else if (IsMoving(null))
            Wait(switching);
        else if (FreeSeat() is null || (ask is not null && ActiveTakes()))
            GoInPlace(switching);
        else
        {
            switching.StopWaiting();
            switching.IsAsking = true;
            looks++;
            // By it memory is judged: a lane that has just ended must not be in it.
            picture = NewPicture();
            _ = AskForPlaceAsync(switching.What);
        }
    }

    /// <summary>Something leaves or comes, so that memory is not what it will be.</summary>
    private bool IsMoving(Lane? but) => lanes.Exists(lane => lane != but && (lane.IsLeaving || lane.IsBusy));

    /// <summary>For what is in its way: no longer than for running answers.</summary>
    private void Wait(Current switching)
    {
        if (switching.What.Ask is { } ask)
            switching.Deadline ??= Timer(ask.DrainTimeout, new LoopInput.Overdue(ask));
    }

    /// <summary>
    /// The model was brought back in its own lane, or is being so. Who waits for it does it there; so does a switch where that is
    /// the active lane. Elsewhere it waits for the end, which makes nothing the active model by itself.
    /// </summary>
    private bool IsThereMeanwhile(Current switching)
    {
        if (lanes.Find(lane => lane.Model == switching.Model) is not { } there)
            return false;
        if (there.IsReady)
        {
            Start(switching);
        }
        else if (switching.What.Ask is { } ask)
        {
            if (there == active && !there.IsLeaving && !IsMoving(there))
                HandOver(switching, ask);
            else
                Wait(switching);
        }
        else if (!there.IsLeaving)
        {
            Move(lanes.Find(lane => lane.Loop == switching.What.From)!, there, switching.Model);
            EndBeside(switching.Model);
            End(switching);
        }
        return true;
    }

    private LaneSeat? FreeSeat() => seats.FirstOrDefault(seat => !lanes.Exists(lane => lane.Loop.Seat == seat.Number));

    private async Task AskForPlaceAsync(LaneSwitch what)
    {
        try
        {
            // It reads files and devices.
            var found = await Task.Run(() => place(what.Model));
            share.Post(null, new LoopInput.Placed(what, found));
        }
        catch (Exception cause)
        {
            share.Post(null, new LoopInput.Broken(cause));
        }
    }

    private void Place(LoopInput.Placed placed)
    {
        looks--;
        // It may have been given up since, and begun anew.
        if (current is not { Lane: null } switching || !ReferenceEquals(switching.What, placed.Switch))
            return;
        var (model, ask, from) = placed.Switch;
        if (from is not null && from.Schedule.Beside != model)
        {
            End(switching);
            return;
        }
        switching.IsAsking = false;
        // What has begun since was not looked at: that comes to its end first.
        if (IsThereMeanwhile(switching) || IsMoving(null))
            return;
        if (placed.Place is { IsBeside: true, WhyNot: null })
        {
            Load(switching);
            return;
        }
        isCrowded = true;
        if (placed.Place.WhyNot is not { } reason)
        {
            GoInPlace(switching);
            return;
        }
        End(switching);
        if (ask is not null)
            Answer(ask, SwitchOutcome.NoPlace, reason);
        else
            from!.Hear(new ScheduleEvent(ScheduleEventKind.LoadFailed) { Model = model, Reason = reason });
    }

    /// <summary>It comes when the model has left whose place it takes.</summary>
    private void GoInPlace(Current switching)
    {
        if (switching.What.Ask is not { } ask)
        {
            End(switching);
            switching.What.From!.Hear(new ScheduleEvent(ScheduleEventKind.BesideRefused) { Model = switching.Model });
            return;
        }
        // Where the active model was unloaded, another one is in its way.
        if (active.Model is null)
            active = lanes[LanePlan.Next(Views())];
        HandOver(switching, ask);
    }

    private void Load(Current switching)
    {
        var (model, ask, _) = switching.What;
        if (ask is null && !lanes.Exists(lane => lane.Loop.Schedule.Waiting.Values.Any(r => r.Model == model)))
        {
            // Whoever it was for has gone.
            End(switching);
            EndBeside(model);
            return;
        }
        // First: where it cannot begin, those who wait for it are in a lane still.
        var lane = Begin(FreeSeat()!, null);
        lane.Loop.Beside = active.Model;
        switching.Lane = lane;
        var waiting = lanes.SelectMany(one => one.Loop.Release(model)).ToList();
        if (ask is not null)
            lane.Loop.Handle(new LoopInput.Asked(ask));
        foreach (var (waiter, arrived) in waiting.OrderBy(one => one.Waiter.Id))
            lane.Loop.Adopt(waiter, arrived);
    }

    private void FollowLoad(Current switching)
    {
        var lane = switching.Lane!;
        if (lane.IsReady)
        {
            Activate(switching, lane);
            lane.Loop.Beside = null;
        }
        // It did not load: the active one goes on, and has not noticed.
        else if (!lane.IsBusy)
        {
            lane.Loop.Beside = null;
            EndBeside(switching.Model);
            End(switching);
            Leave(lane, null);
        }
    }

    /// <summary>
    /// A model that came in the place of another one is the active one from then on, as one that came beside it.
    /// </summary>
    private void FollowPlaces()
    {
        foreach (var lane in lanes.ToArray())
        {
            var arrived = lane.Comes;
            lane.Comes = lane != active && lane != current?.Lane && lane.Loop.State.Current is { IsScheduled: true } ticket
                ? ticket.Model : null;
            if (arrived is null || lane == active || !lane.IsReady || lane.IsLeaving || lane.Model != arrived)
                continue;
            active = lane;
            Feed.Publish(new PhaseNews(NewPicture().Status()));
        }
    }

    private void Activate(Current switching, Lane lane)
    {
        var isKept = lane.IsLeaving || switching.What.Ask is not null;
        lane.Loop.Beside = lane == active ? null : active.Model;
        lane.Stay();
        active = lane;
        if (isKept)
            lane.Loop.Hear(new ScheduleEvent(ScheduleEventKind.ModelKept));
        foreach (var other in lanes.Where(one => one != lane).ToArray())
            Move(other, lane, switching.Model);
        EndBeside(switching.Model);
        End(switching);
        Trim(switching.What.Ask);
        Feed.Publish(new PhaseNews(NewPicture().Status()));
    }

    private void End(Current switching)
    {
        switching.StopWaiting();
        if (current == switching)
            current = null;
    }

    /// <summary>Running answers that are in the way of a switch have not ended in time.</summary>
    private void EndWait(SwitchAsk ask)
    {
        if (current is not { Lane: null, Deadline: not null } switching || switching.What.Ask != ask)
            return;
        if (ask.Ticket.Force)
        {
            foreach (var lane in lanes.ToArray())
            {
                if (lane.IsLeaving)
                    lane.Cut();
                else if (lane.Loop.State.Phase == SwitchPhase.Draining)
                    lane.Loop.CutAnswers();
            }
            // What is sent away from now on is in its way too.
            switching.StopWaiting();
            switching.Deadline = Timer(
                ask.DrainTimeout > LeastPause ? ask.DrainTimeout : LeastPause, new LoopInput.Overdue(ask));
            return;
        }
        End(switching);
        Answer(ask, SwitchOutcome.DrainTimedOut);
    }

    private ITimer Timer(TimeSpan due, LoopInput input) =>
        share.Time.CreateTimer(_ => share.Post(null, input), null, due, Timeout.InfiniteTimeSpan);

    private void GiveUpSwitches()
    {
        if (current is { Lane: null, What.Ask: { } waiting } switching)
        {
            End(switching);
            Answer(waiting, SwitchOutcome.Stopping);
        }
        foreach (var ask in asked)
            Answer(ask, SwitchOutcome.Stopping);
        asked.Clear();
    }
}
