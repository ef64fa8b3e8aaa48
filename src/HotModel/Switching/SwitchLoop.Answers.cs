using HotModel.Configuration;
using HotModel.Llama;
using HotModel.Scheduling;

namespace HotModel.Switching;

/// <content>What the loop says: refusals and failures.</content>
internal sealed partial class SwitchLoop
{
    public const string StoppingMessage = "hotmodel is stopping.";
    public static readonly TimeSpan StoppingRetry = TimeSpan.FromSeconds(5);

    private void Refuse(RequestWaiter waiter, ScheduleDecision decision)
    {
        var (message, retryAfter) = decision.Refusal switch
        {
            RefusalKind.NoActiveModel => (
                "No model is active. Name one in the request, or switch to one: POST /admin/switch, or hotmodel switch MODEL."
                + Because(), (int?)null),
            RefusalKind.Removed => (live.Names.Unknown(waiter.Ask.Model!), null),
            RefusalKind.OtherModel => (OtherModelMessage(waiter.Ask), null),
            RefusalKind.Pinned => (
                $"The model '{schedule.Target ?? schedule.Active}' is pinned, so that '{waiter.Ask.Model}' is loaded "
                + "only by an explicit switch.",
                null),
            RefusalKind.Background => (
                $"The model '{waiter.Ask.Model}' is not loaded, and background requests do not wait for it "
                + "(background_requests).", 10),
            RefusalKind.Switching => (BusyMessage(), 2),
            RefusalKind.QueueFull => ($"{Server.QueueLimit} requests are waiting already; queue_limit raises that.", 5),
            RefusalKind.ModelQueueFull => (
                $"{Server.QueueLimitPerModel} requests are waiting for '{waiter.Ask.Model}' already; "
                + "queue_limit_per_model raises that.", 5),
            RefusalKind.QueueTimedOut => (QueueTimedOutMessage(waiter.Ask), 10),
            RefusalKind.ModelFailed => (
                $"The model '{decision.Model}' cannot be loaded. The last failure: {decision.Reason}", 30),
            RefusalKind.Stopping => (StoppingMessage, (int)StoppingRetry.TotalSeconds),
        };
        var pause = decision.RetryAfter is { } known && known < LongestBackOff ? known
            : retryAfter is { } seconds ? TimeSpan.FromSeconds(seconds) : (TimeSpan?)null;
        waiter.Refuse(decision.Refusal, message, pause);
    }

    private string OtherModelMessage(RequestAsk ask)
    {
        var coming = schedule.Gate == GateState.Open ? null : schedule.Target;
        var now = coming is null
            ? $"The active model is '{schedule.Loaded ?? schedule.Active}'"
            : $"The model '{coming}' is about to be the active one";
        return Server.SwitchOnRequest == SwitchOnRequest.Reject && ask.Intent != RequestIntent.Look
            ? $"{now}, and switch_on_request = \"reject\" keeps it. Name that one or \"active\", or switch "
                + $"to '{ask.Model}': POST /admin/switch."
            : $"The model '{ask.Model}' is not loaded, and this request does not make it so. {now}.";
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

    private string QueueTimedOutMessage(RequestAsk ask) =>
        (ask.Model is { } model ? $"The model '{model}'" : "A model")
        + $" was not ready within {(ask.Patience ?? Server.QueueTimeout).TotalSeconds:0.###} s "
        + (ask.Patience is null ? "(queue_timeout_seconds)." : "(the request's Prefer: wait).") + Because();

    private LoadFailure LoadTimedOut() => new(LoadFailureReason.TimedOut,
        $"The model '{state.Goal}' did not load within {Server.LoadTimeout.TotalSeconds:0.###} s (load_timeout_seconds).",
        operations.LogTail());

    private LoadFailure Removed(string model) => new(LoadFailureReason.Removed, live.Names.Unknown(model), []);

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
        else
            share.Totals.CountLoss();
        SwitchLog.ModelLost(logger, state.Active, lost.Failure.Reason, lost.Failure.Error);
    }

    /// <summary>After the end nobody may be left waiting, even where the loop broke.</summary>
    private void AnswerTheRest()
    {
        foreach (var waiting in waiters.Values)
            waiting.Refuse(RefusalKind.Stopping, StoppingMessage, StoppingRetry);
        waiters.Clear();
        foreach (var ask in asks.Values)
            ask.Complete(recorder.Trivial(SwitchOutcome.Stopping, ask, null));
        asks.Clear();
    }

    /// <summary>For a switch that this lane's machine never hears of.</summary>
    /// <param name="ask">Whose.</param>
    /// <param name="outcome">What became of it.</param>
    /// <param name="error">Null: what the outcome says.</param>
    public SwitchReport Report(SwitchAsk ask, SwitchOutcome outcome, string? error = null)
    {
        var report = recorder.Trivial(outcome, ask, state.Active);
        report = error is null ? report : report with { Error = error };
        SwitchLog.Switched(logger, ask.Ticket.Model, outcome, 0, report.Error);
        Feed.Publish(new ReportNews(report));
        return report;
    }
}
