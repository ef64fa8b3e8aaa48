using HotModel.Configuration;
using HotModel.Scheduling;

namespace HotModel.Switching;

/// <content>What a reload of the configuration means for a lane.</content>
internal sealed partial class SwitchLoop
{
    /// <summary>What the server of the model was told that was loaded last.</summary>
    private string? loadedCommand;

    private ServerConfig Server => live.Current.Server;

    /// <summary>The model is not loaded as it is configured now, and nothing goes on that would change that.</summary>
    public bool IsOutdated => state is { Active: { } model, Closing: false } && state.Phase switch
    {
        SwitchPhase.Ready or SwitchPhase.BackingOff => !live.Has(model) || IsLoadedOtherwise(model),
        SwitchPhase.Idle => !live.Has(model),
        SwitchPhase.Loading or SwitchPhase.Draining or SwitchPhase.Unloading or SwitchPhase.Settling or SwitchPhase.Stopping
            or SwitchPhase.Stopped => false,
    };

    /// <summary>The rules of who waits for what have changed, and which models there are.</summary>
    public void TakeRules()
    {
        scheduler = new RequestScheduler(RulesOf(live.Current));
        Hear(new ScheduleEvent(ScheduleEventKind.TimePassed));
        GiveUpRemoved();
        Settle();
    }

    /// <summary>
    /// A switch to a model that is not configured any more ends where nothing was unloaded for it. Else its load fails, now or
    /// when it would begin.
    /// </summary>
    private void GiveUpRemoved()
    {
        foreach (var ticket in state.Queued.Where(ticket => !live.Has(ticket.Model)))
            Apply(new SwitchEvent(SwitchEventKind.SwitchWithdrawn, Ticket: ticket));
        if (state is { Phase: SwitchPhase.Draining, Instance: not 0, Current: { } current } && !live.Has(current.Model))
        {
            Apply(new SwitchEvent(SwitchEventKind.SwitchWithdrawn, Ticket: current));
        }
        else if (state is { Phase: SwitchPhase.Loading, Goal: { } goal } && !live.Has(goal))
        {
            NoteFailure(Removed(goal));
            Apply(new SwitchEvent(SwitchEventKind.LoadFailed, state.Generation, Permanent: true));
        }
    }

    /// <summary>Has an outdated model loaded anew, or forgets it. Answers that run end first.</summary>
    public void Renew()
    {
        // Another reload may come between two looks: what follows holds for either of them.
        if (live.Has(state.Active!))
        {
            if (state.Phase != SwitchPhase.Idle)
                Apply(new SwitchEvent(SwitchEventKind.ReloadRequested));
        }
        else
        {
            // First: nobody is to bring it back.
            Tell(new ScheduleEvent(ScheduleEventKind.ModelForgotten) { Model = state.Active });
            // The scheduler may have found that it is time for another model, or for none: then that goes on.
            if (IsOutdated)
                Apply(new SwitchEvent(SwitchEventKind.ModelForgotten));
        }
        Settle();
    }

    private bool IsLoadedOtherwise(string model) => loadedCommand is { } command && command != live.CommandOf(model);
}
