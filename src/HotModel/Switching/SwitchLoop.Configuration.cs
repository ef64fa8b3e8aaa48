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

    /// <summary>The rules of who waits for what have changed.</summary>
    public void TakeRules()
    {
        scheduler = new RequestScheduler(RulesOf(live.Current));
        Hear(new ScheduleEvent(ScheduleEventKind.TimePassed));
    }

    /// <summary>Has an outdated model loaded anew, or forgets it. Answers that run end first.</summary>
    public void Renew()
    {
        if (live.Has(state.Active!))
        {
            Apply(new SwitchEvent(SwitchEventKind.ReloadRequested));
        }
        else
        {
            // First: nobody is to bring it back.
            Tell(new ScheduleEvent(ScheduleEventKind.ModelForgotten) { Model = state.Active });
            Apply(new SwitchEvent(SwitchEventKind.ModelForgotten));
        }
        Settle();
    }

    private bool IsLoadedOtherwise(string model) => loadedCommand is { } command && command != live.CommandOf(model);
}
