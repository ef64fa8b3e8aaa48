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
        public LaneSwitch What { get; } = what;
        public string Model => What.Model;
        /// <summary>Where it is loaded; null until it has its place.</summary>
        public Lane? Lane { get; set; }
        public bool IsAsking { get; set; }
        public ITimer? Deadline { get; set; }
    }

    private readonly List<SwitchAsk> asked = [];
    private Current? current;

    private void Ask(SwitchAsk ask)
    {
        if (isClosing)
            Answer(ask, SwitchOutcome.Stopping);
        else if (!live.Has(ask.Ticket.Model))
            Answer(ask, SwitchOutcome.Withdrawn, live.Names.Unknown(ask.Ticket.Model));
        else if (seats.Count == 1)
            active.Loop.Handle(new LoopInput.Asked(ask));
        else if (current is { Lane: { } coming } now && now.Model == ask.Ticket.Model)
            coming.Loop.Handle(new LoopInput.Asked(ask));
        else if (asked.Count >= SwitchLoop.SwitchQueueLimit)
            Answer(ask, SwitchOutcome.TooManyQueued);
        else
            asked.Add(ask);
    }

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
            // What somebody asks for comes before what waits for a place on its own account.
            if (current is { Lane: null, IsAsking: false, What.Ask: null } yields && asked.Count > 0)
                End(yields);
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
        if (asked is [var first, ..])
        {
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
        else if (ask is not null && ActiveTakes() && (active.IsBusy || !lanes.Exists(lane => lane.IsBusy)))
        {
            End(switching);
            active.Loop.Handle(new LoopInput.Asked(ask));
        }
        else if (ask is not null)
        {
            switching.Deadline = Timer(ask.DrainTimeout, new LoopInput.Overdue(ask));
        }
    }

    /// <summary>
    /// A lane that leaves must have gone, and a switch in a lane's own place must be over; then memory decides.
    /// </summary>
    private void SeekPlace(Current switching)
    {
        var (_, ask, from) = switching.What;
        if (from is not null && from.Schedule.Beside != switching.Model)
            End(switching);
        else if (IsThereMeanwhile(switching) || lanes.Exists(lane => lane.IsLeaving || lane.IsBusy))
            return;
        else if (FreeSeat() is null || (ask is not null && ActiveTakes()))
            GoInPlace(switching);
        else
        {
            switching.IsAsking = true;
            _ = AskForPlaceAsync(switching.What);
        }
    }

    /// <summary>
    /// The model was brought back in its own lane, or is being so: a switch waits for that, and who else waits does it there.
    /// </summary>
    private bool IsThereMeanwhile(Current switching)
    {
        if (lanes.Find(lane => lane.Model == switching.Model) is not { } there)
            return false;
        if (there.IsReady)
        {
            Start(switching);
        }
        else if (switching.What.From is { } from && !there.IsLeaving)
        {
            Move(lanes.Find(lane => lane.Loop == from)!, there, switching.Model);
            from.Hear(new ScheduleEvent(ScheduleEventKind.BesideEnded));
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
        if (current is not { Lane: null } switching || switching.What != placed.Switch)
            return;
        var (model, ask, from) = placed.Switch;
        if (from is not null && from.Schedule.Beside != model)
        {
            End(switching);
            return;
        }
        switching.IsAsking = false;
        if (IsThereMeanwhile(switching))
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
        End(switching);
        if (switching.What.Ask is not { } ask)
        {
            switching.What.From!.Hear(new ScheduleEvent(ScheduleEventKind.BesideRefused) { Model = switching.Model });
            return;
        }
        // Where the active model was unloaded, another one is in its way.
        if (active.Model is null)
            active = lanes[LanePlan.Next(Views())];
        active.Loop.Handle(new LoopInput.Asked(ask));
    }

    private void Load(Current switching)
    {
        var (model, ask, from) = switching.What;
        var waiting = lanes.SelectMany(lane => lane.Loop.Release(model)).ToList();
        if (ask is null && waiting.Count == 0)
        {
            // Whoever it was for has gone.
            End(switching);
            from!.Hear(new ScheduleEvent(ScheduleEventKind.BesideEnded));
            return;
        }
        switching.Deadline?.Dispose();
        var lane = Begin(FreeSeat()!, null);
        lane.Loop.Beside = active.Model;
        switching.Lane = lane;
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
            switching.What.From?.Hear(new ScheduleEvent(ScheduleEventKind.BesideEnded));
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
        switching.What.From?.Hear(new ScheduleEvent(ScheduleEventKind.BesideEnded));
        End(switching);
        Trim(switching.What.Ask);
        Feed.Publish(new PhaseNews(NewPicture().Status()));
    }

    private void End(Current switching)
    {
        switching.Deadline?.Dispose();
        if (current == switching)
            current = null;
    }

    /// <summary>Running answers that are in the way of a switch have not ended in time.</summary>
    private void EndWait(SwitchAsk ask)
    {
        if (current is not { Lane: null } switching || switching.What.Ask != ask)
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
