using HotModel.Configuration;
using HotModel.Scheduling;

namespace HotModel.Switching;

/// <content>What a reload of the configuration means for the lanes.</content>
internal sealed partial class ModelLanes
{
    /// <summary>
    /// After the configuration in force was replaced: returns when the lanes go by the new one. Models that are loaded
    /// otherwise than they are configured now leave, or are loaded anew, when their answers have ended.
    /// </summary>
    public Task ReconfigureAsync(ConfigDifference difference)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!share.Post(null, new LoopInput.Reconfigured(difference, done)))
            done.SetResult();
        return done.Task;
    }

    private void Reconfigure(LoopInput.Reconfigured reconfigured)
    {
        var (difference, done) = reconfigured;
        // What failed as it was configured before is worth another try.
        foreach (var model in difference.Changed.Concat(difference.Added))
        {
            if (share.Models.TryGetValue(model, out var known))
                share.Models = share.Models.SetItem(model, known with { Failures = 0, FailureReason = null });
        }
        foreach (var lane in lanes.ToArray())
        {
            foreach (var model in difference.Removed)
                lane.Loop.Hear(new ScheduleEvent(ScheduleEventKind.ModelForgotten) { Model = model });
            lane.Loop.TakeRules();
        }
        share.Models = share.Models.RemoveRange(difference.Removed);
        ForgetSwitches();
        share.Answer(done.SetResult);
    }

    /// <summary>Nothing leaves for a model that is not configured any more.</summary>
    private void ForgetSwitches()
    {
        foreach (var ask in asked.FindAll(ask => !live.Has(ask.Ticket.Model)))
        {
            asked.Remove(ask);
            Answer(ask, SwitchOutcome.Withdrawn, live.Names.Unknown(ask.Ticket.Model));
        }
        if (current is { Lane: null, What.Ask: { } waiting } switching && !live.Has(switching.Model))
        {
            End(switching);
            Answer(waiting, SwitchOutcome.Withdrawn, live.Names.Unknown(switching.Model));
        }
    }

    /// <summary>By the states alone, so that what had to wait is done when it can be.</summary>
    private bool RenewLanes()
    {
        if (isClosing || current is { Lane: not null })
            return false;
        var any = false;
        foreach (var lane in lanes.ToArray())
        {
            if (lane.IsLeaving || !lane.Loop.IsOutdated)
                continue;
            // Of those beside the active one, whoever asks for it next has it loaded.
            if (lane == active)
                lane.Loop.Renew();
            else if (lane.IsReady)
                Leave(lane, null);
            else
                continue;
            any = true;
        }
        return any;
    }
}
