using HotModel.Llama;
using HotModel.Prefill;
using HotModel.Proxy;
using HotModel.Switching;

namespace HotModel.Api;

/// <summary>Lets requests to the model, one lease for each try.</summary>
/// <param name="enter">Asks the gate, which calls the action if the request has to wait.</param>
/// <param name="waitStatus">What a request that waits is told.</param>
/// <param name="answers">Asks a model's server for something else; false where that has no answer either.</param>
/// <param name="quiet">Knows whether anybody is there.</param>
/// <param name="metrics">Counts.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Of requests without an answer.</param>
internal sealed class Admissions(
    Func<RequestAsk, Action<RequestWaiter>?, CancellationToken, ValueTask<Admission>> enter,
    Func<RequestWaiter, WaitStatus> waitStatus, Func<Upstream, CancellationToken, Task<bool>> answers, QuietTime quiet,
    ProxyMetrics metrics, TimeProvider time, ILogger<Admissions> logger)
{
    /// <summary>A request whose model was lost before it answered is sent once more; it may be what kills it.</summary>
    private const int SendLimit = 2;
    /// <summary>The death of a process is known within milliseconds; a server without events is looked at every second.</summary>
    private static readonly TimeSpan LossNoticeLimit = TimeSpan.FromSeconds(3);

    /// <summary>Counts a request, and ends it quietly where its client leaves.</summary>
    public async Task ServeAsync(HttpContext context, Func<Task> answer)
    {
        metrics.CountRequest();
        try
        {
            await answer();
        }
        catch (Exception e) when (e is OperationCanceledException or IOException
            && context.RequestAborted.IsCancellationRequested)
        {
            ProxyLog.ClientLeft(logger, context.TraceIdentifier);
        }
    }

    /// <summary>Returns when the client has been answered, whatever it was.</summary>
    /// <param name="context">The client's request.</param>
    /// <param name="ask">What it wants.</param>
    /// <param name="send">Null: the client has been answered. Else it has not been sent anything yet.</param>
    public async Task SendAsync(
        HttpContext context, RequestAsk ask, Func<ModelLease, RequestScope, Task<ForwardError?>> send)
    {
        CancellationToken clientGone = context.RequestAborted;
        // From now on, not from the admission: what is evaluated ahead after a load must not come before those who wait.
        using RequestStay stay = quiet.Enter();
        WaitingStream? waiting = WaitingStream.Of(context);
        Action<RequestWaiter>? onQueued = waiting is null ? null : Teller(waiting);
        long began = time.GetTimestamp();
        for (int sends = 1; ; sends++)
        {
            long asked = time.GetTimestamp();
            Admission admission = await enter(ask.After(time.GetElapsedTime(began)), onQueued, clientGone);
            metrics.AddWait(time.GetElapsedTime(asked));
            if (admission.Lease is not { } admitted)
            {
                await ApiError.WriteAsync(context.Response, admission.Refusal!);
                return;
            }
            using ModelLease lease = admitted;
            waiting?.Admitted(lease.Model);
            using var scope = new RequestScope(time, clientGone, lease.Aborted) { IsClientTooSlow = lease.IsHeldTooLong };
            if (await send(lease, scope) is not { } error)
                return;
            if (error.Culprit == Culprit.Client)
                throw new OperationCanceledException(clientGone);
            if (sends < SendLimit && !error.IsOfALiveServer && await IsTakenAwayAsync(lease, clientGone))
            {
                // Another one may answer now, or nobody.
                if (!context.Response.HasStarted)
                    context.Response.Headers.Remove(AnswerHeaders.Model);
                continue;
            }
            ProxyLog.RequestFailed(logger, lease.Model, error.Message);
            lease.Dispose();
            await ApiError.WriteAsync(context.Response, error);
            return;
        }
    }

    private Action<RequestWaiter> Teller(WaitingStream waiting) =>
        waiter => waiting.Begin(() => waitStatus(waiter));

    /// <summary>
    /// Whether the model is lost, or was taken by a forced switch, so that the request waits in line for the next one.
    /// A death is seen here first; once the switch loop has seen it too, the lease is aborted. A server that answers
    /// something else has not died: it only left this request without an answer.
    /// </summary>
    private async Task<bool> IsTakenAwayAsync(ModelLease lease, CancellationToken clientGone)
    {
        lease.ReportSilent();
        long began = time.GetTimestamp();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(lease.Aborted, clientGone);
        try
        {
            if (!await answers(lease.Upstream, either.Token) && time.GetElapsedTime(began) is var took && took < LossNoticeLimit)
                await Task.Delay(LossNoticeLimit - took, time, either.Token);
            return lease.Aborted.IsCancellationRequested;
        }
        catch (OperationCanceledException) when (!clientGone.IsCancellationRequested)
        {
            return true;
        }
    }
}
