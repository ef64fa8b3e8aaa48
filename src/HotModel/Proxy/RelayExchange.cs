using System.Buffers;
using HotModel.Http;
using HotModel.Switching;

namespace HotModel.Proxy;

/// <summary>Forwards a request that holds its lease, and passes its answer on as it comes.</summary>
internal sealed class RelayExchange(
    Forwarder forwarder, StreamExchange streams, ProxyMetrics metrics, ILogger<RelayExchange> logger,
    TimeSpan? silenceLimit = null)
{
    /// <summary>
    /// So much of an answer is read before the client's begins: most answers are shorter, and one that breaks off before
    /// the client has anything of it can still become a proper error. llama-server's own errors are all shorter.
    /// </summary>
    private const int StartBytes = 16 << 10;

    private readonly TimeSpan silenceLimit = silenceLimit ?? SseRelay.DefaultSilenceLimit;

    /// <summary>Null: the client has been answered. Else nothing has been sent to it yet.</summary>
    public async Task<ForwardError?> RunAsync(
        HttpContext context, RelayedRequest request, ModelLease lease, RequestScope scope)
    {
        ForwardResult result = await forwarder.SendAsync(lease.Upstream, request.For(lease.Upstream), scope);
        if (result.Error is { } error)
            return error;
        using HttpReply upstream = result.Reply!;
        WaitingStream? waiting = WaitingStream.Of(context);
        if (waiting is null || !waiting.End())
        {
            AnswerHeaders.SetModel(context.Response, lease.Model);
            waiting = null;
        }
        if (StreamExchange.Takes(upstream))
        {
            await streams.RelayAsync(context, upstream, lease, scope, new StreamUse
            {
                Request = request.Route.Path,
                Errors = request.Route.Errors,
            });
            return null;
        }
        byte[] start = ArrayPool<byte>.Shared.Rent(StartBytes);
        try
        {
            return await RelayBodyAsync(context, waiting, request, upstream, lease, scope, start);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(start);
        }
    }

    private async Task<ForwardError?> RelayBodyAsync(
        HttpContext context, WaitingStream? begun, RelayedRequest request, HttpReply upstream, ModelLease lease,
        RequestScope scope, byte[] start)
    {
        int length;
        bool isAll;
        scope.ExpectBytesWithin(silenceLimit);
        try
        {
            (length, isAll) = await ReadStartAsync(upstream, start, readsError: begun is not null, scope.Token);
        }
        catch (Exception e) when (e is HttpFailure or OperationCanceledException)
        {
            return ForwardError.Of(scope, ForwardStage.ResponseBody) ?? BodyRelay.BrokenOff;
        }
        if (ModelGoneReply.Is(upstream.Status, start.AsSpan(0, length)))
            return ModelGoneReply.Error;
        if (begun is not null)
        {
            Release(request, upstream, lease, isWhole: false);
            await begun.FailAsync(StreamFailure.Of(upstream.Status, start.AsSpan(0, length)));
            return null;
        }
        HttpResponse response = context.Response;
        response.StatusCode = upstream.Status;
        response.ContentType = upstream.ContentType;
        // Kestrel refuses to say how long nothing is.
        response.ContentLength = upstream.Status == StatusCodes.Status204NoContent ? null : upstream.ContentLength;
        response.Headers.RetryAfter = upstream.RetryAfter;
        if (isAll)
        {
            Release(request, upstream, lease, isWhole: true);
            await response.Body.WriteAsync(start.AsMemory(0, length), context.RequestAborted);
            metrics.AddRelayedBytes(length);
            return null;
        }
        await response.StartAsync(CancellationToken.None);
        var relay = new BodyRelay(upstream.Body, response.BodyWriter, scope, silenceLimit)
        {
            DeclaredBytes = upstream.ContentLength,
            OnWhole = () =>
            {
                scope.ForgetLease();
                Release(request, upstream, lease, isWhole: true);
            },
        };
        RelayResult result = await relay.RunAsync(start.AsMemory(0, length));
        Release(request, upstream, lease, isWhole: result.End == RelayEnd.Complete);
        metrics.AddRelayedBytes(relay.RelayedBytes);
        if (result.End == RelayEnd.ClientGone)
        {
            ProxyLog.ClientLeft(logger, context.TraceIdentifier);
        }
        else if (result.End != RelayEnd.Complete)
        {
            metrics.CountCutStream();
            ProxyLog.AnswerCut(logger, lease.Model, request.Route.Path, result.Error!.Message);
            // All that can tell a client in the middle of a body.
            context.Abort();
        }
        return null;
    }

    private static async Task<(int Length, bool IsAll)> ReadStartAsync(
        HttpReply upstream, byte[] start, bool readsError, CancellationToken cancel)
    {
        long? declared = upstream.ContentLength;
        long wanted = readsError || ModelGoneReply.MayBe(upstream.Status) ? StartBytes
            : declared <= StartBytes ? declared.Value : 1;
        int length = 0;
        while (length < wanted)
        {
            int read = await upstream.Body.ReadAsync(start.AsMemory(length, StartBytes - length), cancel);
            if (read == 0)
                return (length, true);
            length += read;
        }
        return (length, length == declared);
    }

    /// <summary>Gives back what others wait for: all that is left is to write to a client that may not read.</summary>
    private static void Release(RelayedRequest request, HttpReply upstream, ModelLease lease, bool isWhole)
    {
        lease.Answered = isWhole && upstream.IsSuccess && request.Route.RunsModel;
        upstream.Dispose();
        lease.Dispose();
    }
}
