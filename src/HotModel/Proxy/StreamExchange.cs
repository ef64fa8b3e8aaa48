using System.IO.Pipelines;
using HotModel.Api;
using HotModel.Http;
using HotModel.Switching;

namespace HotModel.Proxy;

/// <summary>What a relayed stream is for.</summary>
internal sealed record StreamUse
{
    /// <summary>For the log: the session, or the route.</summary>
    public required string Request { get; init; }
    /// <summary>Null: nobody reads the answer but the client, and nothing is stored.</summary>
    public AnswerCollector? Answer { get; init; }
    public ErrorShape Errors { get; init; } = ErrorShape.OpenAi;
    /// <summary>Called once, when the answer is whole and before the client can see that it is.</summary>
    public Action? OnComplete { get; init; }
    /// <summary>Called when nothing more comes, before the lease goes back: gives back what others wait for.</summary>
    public Action? OnEnd { get; init; }
}

/// <summary>Brings an event stream to the client, and what becomes of it to the counts, the log and the lease.</summary>
internal sealed class StreamExchange(ProxyMetrics metrics, ILogger<StreamExchange> logger, TimeSpan? silenceLimit = null)
{
    public static bool Takes(HttpReply upstream) =>
        upstream.Status == StatusCodes.Status200OK && upstream.IsOfType("text/event-stream");

    public async Task RelayAsync(
        HttpContext context, HttpReply upstream, ModelLease lease, RequestScope scope, StreamUse use)
    {
        metrics.CountStream();
        HttpResponse response = context.Response;
        RelayEnd? unbegun = await BeginAsync(response, upstream, scope);

        PipeWriter client = upstream.IsPolled && ClientSocketWriter.TryCreate(context) is { } socket
            ? socket : response.BodyWriter;
        var relay = new SseRelay(
            upstream.Body, client, scope, use.Answer, silenceLimit ?? SseRelay.DefaultSilenceLimit);
        RelayResult result = unbegun is { } end
            ? new(end, ForwardError.Of(scope, ForwardStage.ResponseBody))
            : await relay.RunAsync(() => Complete(lease, scope, use));
        metrics.AddRelayedBytes(relay.RelayedBytes);
        if (result.End is RelayEnd.Cut or RelayEnd.CutByUpstreamError or RelayEnd.ClientBlocked)
        {
            metrics.CountCutStream();
            ProxyLog.AnswerCut(
                logger, lease.Model, use.Request, result.Error?.Message ?? "The upstream sent an error.");
        }
        else if (result.End == RelayEnd.ClientGone)
        {
            ProxyLog.ClientLeft(logger, context.TraceIdentifier);
        }
        if (result.End == RelayEnd.ClientBlocked)
            context.Abort();
        // All that is left is to write to a client that may not read.
        upstream.Dispose();
        use.OnEnd?.Invoke();
        lease.Dispose();
        if (result.End == RelayEnd.Cut)
        {
            Task told = relay.WriteErrorAsync(
                use.Answer is null ? result.Error! : result.Error!.OfConversation(), use.Errors);
            try
            {
                await told.WaitAsync(WaitingStream.ClientLimit);
                await BrokenStream.CloseAsync(context);
            }
            catch (TimeoutException)
            {
                context.Abort();
            }
        }
    }

    /// <summary>Returns when the head has gone, with whatever the client was sent while it waited.</summary>
    private static async ValueTask<RelayEnd?> BeginAsync(HttpResponse response, HttpReply upstream, RequestScope scope)
    {
        if (WaitingStream.Of(response.HttpContext) is { } waiting && waiting.End())
            return await ClientFlush.RunAsync(waiting.Written, scope);
        response.ContentType = upstream.ContentType;
        AnswerHeaders.SetUnbuffered(response);
        // Started before the first GetMemory: earlier, that memory would be a side buffer that is copied later.
        await response.StartAsync(CancellationToken.None);
        // A client that does not read may have no room for as much as the head.
        return await ClientFlush.RunAsync(response.BodyWriter, scope);
    }

    /// <summary>The model is done. The client may take its time to read the end, and a switch need not wait for that.</summary>
    private static void Complete(ModelLease lease, RequestScope scope, StreamUse use)
    {
        use.OnComplete?.Invoke();
        scope.ForgetLease();
        lease.Answered = true;
        lease.Dispose();
    }
}
