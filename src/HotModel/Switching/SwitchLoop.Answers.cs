using HotModel.Configuration;
using HotModel.Llama;

namespace HotModel.Switching;

/// <content>What the loop says: refusals and failures.</content>
internal sealed partial class SwitchLoop
{
    private void Refuse(RequestWaiter waiter, RefusalKind kind)
    {
        var (message, retryAfter) = kind switch
        {
            RefusalKind.NoActiveModel =>
                ("No model is active. Switch to one: POST /admin/switch, or hotmodel switch MODEL." + Because(), (int?)null),
            RefusalKind.Switching => (BusyMessage(), 2),
            RefusalKind.QueueFull =>
                ($"{server.QueueLimit} requests are waiting already; queue_limit raises that.", 5),
            RefusalKind.QueueTimedOut => (QueueTimedOutMessage(), 10),
            RefusalKind.ModelFailed =>
                ($"The model '{state.Active ?? state.Goal}' cannot be loaded." + Because(), 30),
            RefusalKind.Stopping => ("hotmodel is stopping.", 5),
        };
        waiter.Refuse(kind, message, retryAfter is { } seconds ? TimeSpan.FromSeconds(seconds) : null);
    }

    /// <summary>Why nobody is let in: not every load is a switch that somebody asked for.</summary>
    private string BusyMessage()
    {
        const string TryAgain = " Try again, or set during_switch = \"wait\".";
        return state switch
        {
            { Current: { } current, RollingBack: true } =>
                $"The switch to '{current.Model}' failed, and '{state.Goal}' is being loaded again.{TryAgain}" + Because(),
            { Current: { } current } => $"A switch to '{current.Model}' is going on.{TryAgain}",
            { Goal: null } => $"No model is active, and what the last one left is being cleared away.{TryAgain}" + Because(),
            { Attempts: > 0 } =>
                $"The model '{state.Goal}' was lost or did not load, and is being loaded again.{TryAgain}" + Because(),
            _ => $"The model '{state.Goal}' is being loaded.{TryAgain}",
        };
    }

    private string Because() => failure is null ? "" : " The last failure: " + failure.Error;

    private string QueueTimedOutMessage() =>
        $"No model was ready within {server.QueueTimeout.TotalSeconds:0.###} s (queue_timeout_seconds)." + Because();

    private LoadFailure LoadTimedOut() => new(LoadFailureReason.TimedOut,
        $"The model '{state.Goal}' did not load within {server.LoadTimeout.TotalSeconds:0.###} s (load_timeout_seconds).",
        operations.LogTail());

    private void NoteFailure(LoadFailure value)
    {
        failure = value;
        recorder.Failed(value);
        SwitchLog.LoadFailed(logger, state.Goal, value.Reason, value.Error);
    }

    private void NoteLoss(ModelLost lost)
    {
        if (lost.Instance != state.Instance && lost.Instance != state.Generation)
            return;
        failure = lost.Failure;
        if (state.Phase == SwitchPhase.Loading)
            recorder.Failed(lost.Failure);
        SwitchLog.ModelLost(logger, state.Active, lost.Failure.Reason, lost.Failure.Error);
    }

    /// <summary>After the end nobody may be left waiting, even where the loop broke.</summary>
    private void AnswerTheRest()
    {
        foreach (var waiting in queue)
            Refuse(waiting, RefusalKind.Stopping);
        queue.Clear();
        foreach (var ask in asks.Values)
            ask.Complete(recorder.Trivial(SwitchOutcome.Stopping, ask.Ticket.Model, null));
        asks.Clear();
        while (inputs.Reader.TryRead(out var late))
        {
            if (late is LoopInput.Arrived arrived)
                Refuse(arrived.Waiter, RefusalKind.Stopping);
            if (late is LoopInput.Asked asked)
                asked.Ask.Complete(recorder.Trivial(SwitchOutcome.Stopping, asked.Ask.Ticket.Model, null));
        }
    }
}
