using HotModel.Configuration;
using HotModel.Scheduling;

namespace HotModel.Switching;

/// <summary>A switch that may go beside what is loaded.</summary>
/// <param name="Model">The target.</param>
/// <param name="Ask">Whose wish it is; null: it is for requests that wait in <paramref name="From"/>.</param>
/// <param name="From">The lane that makes room; null: the one that was used least recently.</param>
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
    private readonly List<ITimer> cuts = [];
    private Current? current;
    /// <summary>Since what is loaded changed last, a model had no place although there is a free seat.</summary>
    private bool isCrowded;
    private string loadedThen = "";

    private int ModelsMax => seats.Count - 1;

    private void Ask(SwitchAsk ask)
    {
        if (isClosing)
            Answer(ask, SwitchOutcome.Stopping);
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
        EndLanes();
        NoteRoom();
        if (current is { Lane: not null })
            FollowLoad(current);
        // What somebody asks for comes before what waits for a place on its own account.
        if (current is { Lane: null, IsAsking: false, What.Ask: null } yields && asked.Count > 0)
            End(yields);
        while (current is null && NextSwitch() is { } next)
        {
            current = new Current(next);
            Start(current);
        }
        if (current is { Lane: null, IsAsking: false })
            SeekPlace(current);
        Trim(null, null);
        EndLanes();
        NoteRoom();
    }

    private LaneSwitch? NextSwitch()
    {
        var isBusy = lanes.Exists(lane => lane.Loop.State is not { Current: null, Queued.IsEmpty: true });
        if (asked is [var first, ..])
        {
            if (isBusy && !MayJoin(first.Ticket.Model))
                return null;
            asked.RemoveAt(0);
            return new LaneSwitch(first.Ticket.Model, first, null);
        }
        if (isBusy)
            return null;
        var waiting = lanes.Select(lane => lane.Loop).Where(loop => loop.Schedule.Beside is not null).ToList();
        return waiting.Count == 0 ? null : new LaneSwitch(waiting[0].Schedule.Beside!, null, waiting[0]);
    }

    /// <summary>A switch in the active lane's own place goes on, and its machine knows what to do with one more.</summary>
    private bool MayJoin(string model) => active.Loop.State is { Current: { } own } state
        && (active.Model == model
            || (own.IsScheduled && state.Phase == SwitchPhase.Draining && LanePlan.Holding(Views(), model) < 0));

    private void Start(Current switching)
    {
        var views = Views();
        var ask = switching.What.Ask;
        var holding = LanePlan.Holding(views, switching.Model);
        if (holding >= 0)
        {
            var lane = lanes[holding];
            Activate(switching, lane);
            if (ask is not null)
                lane.Loop.Handle(new LoopInput.Asked(ask));
            lane.Loop.Beside = null;
        }
        else if (!active.IsReady && ask is not null)
        {
            active.Loop.Handle(new LoopInput.Asked(ask));
            current = null;
        }
        else if (ask is not null)
        {
            switching.Deadline = Timer(ask.DrainTimeout, new LoopInput.Overdue(ask));
        }
    }

    /// <summary>A lane that leaves must have gone, then memory decides.</summary>
    private void SeekPlace(Current switching)
    {
        if (switching.What.From is { } from && from.Schedule.Beside != switching.Model)
        {
            End(switching);
            return;
        }
        if (IsThereMeanwhile(switching) || FreeSeat() is null || lanes.Exists(lane => lane.IsLeaving))
            return;
        switching.IsAsking = true;
        _ = AskForPlaceAsync(switching.What);
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
        End(switching);
        if (placed.Place.WhyNot is { } reason && ask is not null)
            Answer(ask, SwitchOutcome.NoPlace, reason);
        else if (placed.Place.WhyNot is { } refusal)
            from!.Hear(new ScheduleEvent(ScheduleEventKind.LoadFailed) { Model = model, Reason = refusal });
        else if (ask is not null)
            active.Loop.Handle(new LoopInput.Asked(ask));
        else
            from!.Hear(new ScheduleEvent(ScheduleEventKind.BesideRefused) { Model = model });
    }

    private void Load(Current switching)
    {
        var (model, ask, from) = switching.What;
        var waiting = lanes.SelectMany(lane => lane.Loop.Release(wanted => wanted == model)).ToList();
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
        else if (lane.Loop.State is { Current: null, Queued.IsEmpty: true })
        {
            // It did not load: the active model goes on, and has not noticed.
            lane.Loop.Beside = null;
            switching.What.From?.Hear(new ScheduleEvent(ScheduleEventKind.BesideEnded));
            End(switching);
            Leave(lane, null);
        }
    }

    private void Activate(Current switching, Lane lane)
    {
        lane.Loop.Beside = lane == active ? null : active.Model;
        lane.IsLeaving = false;
        active = lane;
        var from = switching.What.From;
        foreach (var other in lanes.Where(one => one != lane).ToArray())
            Move(other, lane, switching.Model);
        from?.Hear(new ScheduleEvent(ScheduleEventKind.BesideEnded));
        End(switching);
        Trim(from, switching.What.Ask);
        Feed.Publish(new PhaseNews(NewPicture().Status()));
    }

    private void Trim(SwitchLoop? preferred, SwitchAsk? cause)
    {
        var first = lanes.FindIndex(lane => lane.Loop == preferred);
        while (LanePlan.Leaver(Views(), ModelsMax, first >= 0 ? first : null) is { } leaver)
            Leave(lanes[leaver], cause);
    }

    private static void Move(Lane from, Lane to, string model)
    {
        foreach (var (waiter, arrived) in from.Loop.Release(wanted => wanted == model))
            to.Loop.Adopt(waiter, arrived);
    }

    private void Leave(Lane lane, SwitchAsk? cause)
    {
        lane.IsLeaving = true;
        Rehouse(lane);
        lane.Loop.Hear(new ScheduleEvent(ScheduleEventKind.BesideEnded));
        if (cause is { Ticket.Force: true })
            Timer(cause.DrainTimeout, new LoopInput.CutAsked(lane.Loop));
    }

    /// <summary>Who waits in a lane that leaves waits elsewhere.</summary>
    private void Rehouse(Lane lane)
    {
        foreach (var (waiter, arrived) in lane.Loop.Release(_ => true))
            LaneOf(waiter).Loop.Adopt(waiter, arrived);
    }

    private void End(Current switching)
    {
        switching.Deadline?.Dispose();
        if (current == switching)
            current = null;
    }

    /// <summary>The answers of a model that leaves have not ended in time.</summary>
    private void EndWait(SwitchAsk ask)
    {
        if (current is not { Lane: null } switching || switching.What.Ask != ask)
            return;
        if (ask.Ticket.Force)
        {
            foreach (var lane in lanes.FindAll(one => one.IsLeaving))
                Cut(lane);
            return;
        }
        End(switching);
        Answer(ask, SwitchOutcome.DrainTimedOut);
    }

    private static void Cut(Lane lane)
    {
        lane.Loop.StopTimeout = TimeSpan.Zero;
        lane.Loop.Handle(new LoopInput.StopAsked());
    }

    /// <summary>What leaves goes step by step: its answers end, it is unloaded, its backend stops, its seat is free.</summary>
    private void EndLanes()
    {
        foreach (var lane in lanes.ToArray())
        {
            // Its model was unloaded because nobody used it, or was lost: only the active one is brought back.
            if (lane != active && lane != current?.Lane && !lane.IsLeaving && !lane.IsReady
                && lane.Loop.State is { Current: null, Queued.IsEmpty: true })
                Leave(lane, null);
            // A failed switch has brought back what had come elsewhere meanwhile.
            if (lane is { IsReady: true, IsLeaving: false } && lane != active && lane != current?.Lane
                && lanes.Exists(other => other != lane && other is { IsReady: true, IsLeaving: false }
                    && other.Model == lane.Model))
                Leave(lane, null);
            var state = lane.Loop.State;
            if (!lane.IsLeaving || lane.IsEnding)
                continue;
            switch (state.Phase)
            {
                case SwitchPhase.Ready when state.InFlight == 0:
                    lane.Loop.Unload();
                    break;
                case SwitchPhase.Idle or SwitchPhase.BackingOff:
                    lane.Loop.NoteUnload();
                    lane.Loop.Handle(new LoopInput.StopAsked());
                    break;
                // A model that was lost comes back by itself; this one need not.
                case SwitchPhase.Loading when state.Goal is not null:
                    lane.Loop.Handle(new LoopInput.StopAsked());
                    break;
                case SwitchPhase.Stopped:
                    lane.IsEnding = true;
                    _ = EndAsync(lane.Loop);
                    break;
                case SwitchPhase.Ready or SwitchPhase.Loading or SwitchPhase.Draining or SwitchPhase.Unloading
                    or SwitchPhase.Settling or SwitchPhase.Stopping:
                    break;
            }
        }
    }

    private async Task EndAsync(SwitchLoop loop)
    {
        await loop.EndAsync();
        share.Post(loop, new LoopInput.LaneEnded());
    }

    /// <summary>Tells the schedulers whether one more model has place.</summary>
    private void NoteRoom()
    {
        var loaded = string.Join('\n', lanes.Where(lane => lane.IsReady).Select(lane => lane.Model));
        if (loaded != loadedThen)
            (loadedThen, isCrowded) = (loaded, false);
        var hasRoom = !isCrowded && FreeSeat() is not null
            && lanes.Count(lane => !lane.IsLeaving && lane.Model is not null) < ModelsMax;
        foreach (var lane in lanes.Where(lane => !lane.IsLeaving && lane.Loop.Schedule.HasRoom != hasRoom).ToArray())
            lane.Loop.Hear(new ScheduleEvent(ScheduleEventKind.RoomChanged) { HasRoom = hasRoom });
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
