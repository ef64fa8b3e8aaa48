using HotModel.Scheduling;

namespace HotModel.Switching;

/// <content>Which lane leaves, how it goes, and where those wait who waited in it.</content>
internal sealed partial class ModelLanes
{
    private sealed class Lane(SwitchLoop loop)
    {
        private ITimer? cut;

        public SwitchLoop Loop { get; } = loop;
        public bool IsLeaving => Loop.IsLeaving;
        /// <summary>What is left of it ends; null until then.</summary>
        public Task? Ending { get; set; }
        public TaskCompletionSource Gone { get; } = new();
        /// <summary>The model that comes in the place of the one before, for requests; null: none did at the last look.</summary>
        public string? Comes { get; set; }
        public string? Model => Loop.State is var now && now.Goal is { } goal ? goal : now.Instance != 0 ? now.Active : null;
        public bool IsReady => Loop.State.Phase == SwitchPhase.Ready;
        /// <summary>A switch goes on in its own place.</summary>
        public bool IsBusy => Loop.State is not { Current: null, Queued.IsEmpty: true };

        public void Leave(ITimer? cutsAnswers)
        {
            Loop.IsLeaving = true;
            cut?.Dispose();
            cut = cutsAnswers;
        }

        /// <summary>After all.</summary>
        public void Stay()
        {
            Loop.IsLeaving = false;
            cut?.Dispose();
        }

        public void Cut()
        {
            Loop.StopTimeout = TimeSpan.Zero;
            Loop.Handle(new LoopInput.StopAsked());
        }

        public void End()
        {
            cut?.Dispose();
            Gone.SetResult();
        }
    }

    /// <summary>Since what is loaded changed last, a model had no place although there is a free seat.</summary>
    private bool isCrowded;
    private string loadedThen = "";

    private int ModelsMax => seats.Count - 1;

    /// <summary>Tells the schedulers whether one more model has place.</summary>
    private void NoteRoom()
    {
        var loaded = string.Join('\n', lanes.Where(lane => lane.IsReady).Select(lane => lane.Model));
        if (loaded != loadedThen)
            (loadedThen, isCrowded) = (loaded, false);
        var staying = lanes.Where(lane => !lane.IsLeaving).ToArray();
        var hasRoom = !isCrowded && FreeSeat() is not null && staying.Count(lane => lane.Model is not null) < ModelsMax;
        foreach (var lane in staying)
        {
            var othersYield = staying.Any(other => other != lane && other.Model is { } model && !live.Model(model).Pin);
            if (lane.Loop.Schedule.HasRoom != hasRoom || lane.Loop.Schedule.OthersYield != othersYield)
            {
                lane.Loop.Hear(new ScheduleEvent(ScheduleEventKind.RoomChanged)
                {
                    HasRoom = hasRoom,
                    OthersYield = othersYield,
                });
            }
        }
    }

    private static void Move(Lane from, Lane to, string model)
    {
        foreach (var (waiter, arrived) in from.Loop.Release(model))
            to.Loop.Adopt(waiter, arrived);
    }

    /// <summary>
    /// Who waits for a model that is in another lane by now waits there. Who waits for one that is pinned or in use by now to
    /// make room waits for another one to do so.
    /// </summary>
    private void MoveLines()
    {
        foreach (var lane in lanes.ToArray())
        {
            foreach (var other in lanes.Where(other => other != lane && !lane.IsLeaving && lane.Model is not null))
            {
                if (other.Loop.Schedule.Waiting.Values.Any(waiting => waiting.Model == lane.Model))
                    Move(other, lane, lane.Model!);
            }
            if (lane is { IsReady: true, IsLeaving: false } && lane.Loop.Schedule is { Beside: null, Waiting.IsEmpty: false }
                && LanePlan.Better(Views(), lanes.IndexOf(lane)) is { } better)
            {
                foreach (var (waiter, arrived) in lane.Loop.Release(null))
                    lanes[better].Loop.Adopt(waiter, arrived);
            }
        }
    }

    /// <summary>It comes no more because requests wait for it: it has come, or has not.</summary>
    private void EndBeside(string model)
    {
        foreach (var lane in lanes.FindAll(lane => lane.Loop.Schedule.Beside == model))
            lane.Loop.Hear(new ScheduleEvent(ScheduleEventKind.BesideEnded));
    }

    /// <summary>Who waits in a lane that leaves waits elsewhere.</summary>
    private void Rehouse(Lane lane)
    {
        foreach (var (waiter, arrived) in lane.Loop.Release(null))
            LaneOf(waiter).Loop.Adopt(waiter, arrived);
    }

    private void Trim(SwitchAsk? cause)
    {
        while (LanePlan.Leaver(Views(), ModelsMax) is { } leaver)
            Leave(lanes[leaver], cause);
    }

    /// <summary>
    /// Before a lane hears that the active model was lost: those who wait there for one that has not left yet have it back at
    /// once. Else it would be loaded there, and wait for its own end in the other lane.
    /// </summary>
    private void KeepInstead(Lane lost)
    {
        var waiting = lost.Loop.Schedule.Waiting.Values;
        if (lanes.Find(lane => lane is { IsLeaving: true, IsReady: true } && waiting.Any(r => r.Model == lane.Model)) is { } kept)
            Start(new Current(new LaneSwitch(kept.Model!, null, null)));
    }

    private void Leave(Lane lane, SwitchAsk? cause)
    {
        lane.Leave(cause is { Ticket.Force: true } ? Timer(cause.DrainTimeout, new LoopInput.CutAsked(lane.Loop)) : null);
        Rehouse(lane);
        lane.Loop.Hear(new ScheduleEvent(ScheduleEventKind.BesideEnded));
    }

    /// <summary>What leaves goes step by step: its answers end, it is unloaded, its backend stops, its seat is free.</summary>
    private void EndLanes()
    {
        foreach (var lane in lanes.ToArray())
        {
            // Its model was unloaded because nobody used it, or was lost: only the active one is brought back.
            if (lane != active && lane != current?.Lane && !lane.IsLeaving && !lane.IsReady && !lane.IsBusy)
                Leave(lane, null);
            // A failed switch has brought back what had come elsewhere meanwhile.
            if (lane is { IsReady: true, IsLeaving: false } && lane != active && lane != current?.Lane
                && lanes.Exists(other => other != lane && other is { IsReady: true, IsLeaving: false }
                    && other.Model == lane.Model))
                Leave(lane, null);
            if (lane is { IsLeaving: true, Ending: null })
                EndStep(lane);
        }
    }

    private void EndStep(Lane lane)
    {
        var state = lane.Loop.State;
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
                lane.Ending = EndAsync(lane.Loop);
                break;
            case SwitchPhase.Ready or SwitchPhase.Loading or SwitchPhase.Draining or SwitchPhase.Unloading
                or SwitchPhase.Settling or SwitchPhase.Stopping:
                break;
        }
    }

    private async Task EndAsync(SwitchLoop loop)
    {
        try
        {
            await loop.EndAsync();
            share.Post(loop, new LoopInput.LaneEnded());
        }
        catch (Exception cause)
        {
            share.Post(null, new LoopInput.Broken(cause));
        }
    }
}
