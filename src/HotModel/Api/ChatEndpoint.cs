using HotModel.Configuration;
using HotModel.Proxy;
using HotModel.Sessions;
using HotModel.Switching;
using Microsoft.AspNetCore.Http.Features;

namespace HotModel.Api;

/// <summary>POST /v1/chat/completions: from a client's bytes to the lease under which they are forwarded.</summary>
internal sealed class ChatEndpoint(
    HotModelConfig config,
    Conversations conversations,
    Func<CancellationToken, ValueTask<Admission>> enter,
    Forwarder forwarder,
    ChatExchange exchange,
    ProxyMetrics metrics,
    TimeProvider time,
    ILogger<ChatEndpoint> logger)
{
    public const string SessionHeader = "X-HotModel-Session";
    public const string ModelHeader = "X-HotModel-Model";

    /// <summary>A request whose model was lost before it answered is sent once more; it may be what kills it.</summary>
    private const int SendLimit = 2;
    /// <summary>The death of a process is known within milliseconds; a server without events is looked at every second.</summary>
    private static readonly TimeSpan LossNoticeLimit = TimeSpan.FromSeconds(3);

    public async Task HandleAsync(HttpContext context)
    {
        metrics.CountRequest();
        try
        {
            if (await ReadAsync(context) is { } request)
                await AnswerAsync(context, request);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException
            && context.RequestAborted.IsCancellationRequested)
        {
            ProxyLog.ClientLeft(logger, context.TraceIdentifier);
        }
    }

    /// <summary>Null where the request was refused and the client has been told.</summary>
    private async Task<ChatRequest?> ReadAsync(HttpContext context)
    {
        HttpResponse response = context.Response;
        if (StateChangingRequest.IsForeign(context.Request))
        {
            await ApiError.WriteAsync(response, StatusCodes.Status403Forbidden, ApiError.Permission, "foreign_origin",
                StateChangingRequest.RefusalMessage);
            return null;
        }
        // Also what keeps web forms out: a page cannot send this type without asking us first.
        if (!context.Request.HasJsonContentType())
        {
            await ApiError.WriteAsync(response, StatusCodes.Status415UnsupportedMediaType, ApiError.InvalidRequest,
                "unsupported_media_type", "The request needs \"Content-Type: application/json\".");
            return null;
        }
        if (await ReadBodyAsync(context) is not { } body)
            return null;
        (ChatRequest? request, string? error) = ChatRequest.Read(body);
        if (request is null)
        {
            await RefuseAsync(response, "invalid_body", error!);
            return null;
        }
        return request;
    }

    private async Task<ReadOnlyMemory<byte>?> ReadBodyAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        long limit = config.Server.MaxBodyBytes;
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } maximum)
            maximum.MaxRequestBodySize = limit;
        try
        {
            ReadOnlyMemory<byte>? body = await BoundedBody.ReadAsync(
                request.Body, request.ContentLength, limit, context.RequestAborted);
            if (body is null)
                await TooLargeAsync(context.Response, limit);
            return body;
        }
        catch (BadHttpRequestException e) when (e.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            await TooLargeAsync(context.Response, limit);
            return null;
        }
        catch (BadHttpRequestException e)
        {
            await ApiError.WriteAsync(
                context.Response, e.StatusCode, ApiError.InvalidRequest, "bad_request", e.Message);
            return null;
        }
    }

    private async Task AnswerAsync(HttpContext context, ChatRequest request)
    {
        HttpResponse response = context.Response;
        CancellationToken clientGone = context.RequestAborted;
        string? header = context.Request.Headers[SessionHeader];
        if (request.SessionId is { } inBody && header is not null && inBody != header)
        {
            await RefuseAsync(response, "invalid_session_id",
                $"\"session_id\" and the header {SessionHeader} name different sessions; give one of them.");
            return;
        }
        string? sessionId = request.SessionId ?? header;
        if (sessionId is not null && !SessionId.TryValidate(sessionId, out string? invalid))
        {
            await RefuseAsync(response, "invalid_session_id", invalid!);
            return;
        }
        // The turn before the lease: a request that waits for its conversation must not hold up a switch.
        TimeSpan wait = config.Server.QueueTimeout;
        using Turn? turn = await conversations.BeginAsync(sessionId, request.Messages, wait, clientGone);
        if (turn is null)
        {
            await ApiError.WriteAsync(response, StatusCodes.Status409Conflict, ApiError.InvalidRequest, "session_busy",
                $"Another request of this session is still being answered after {wait.TotalSeconds:0.#} s "
                + "(server.queue_timeout_seconds).", TimeSpan.FromSeconds(1));
            return;
        }
        for (int sends = 1; ; sends++)
        {
            Admission admission = await enter(clientGone);
            if (admission.Lease is not { } admitted)
            {
                await ApiError.WriteAsync(response, admission.Refusal!);
                return;
            }
            using ModelLease lease = admitted;
            using var scope = new RequestScope(time, clientGone, lease.Aborted);
            if (await SendAsync(context, request, turn, lease, scope) is not { } error)
                return;
            if (error.Culprit == Culprit.Client)
                throw new OperationCanceledException(clientGone);
            if (sends < SendLimit && await IsTakenAwayAsync(lease, clientGone))
                continue;
            ProxyLog.RequestFailed(logger, lease.Model, error.Message);
            lease.Dispose();
            await ApiError.WriteAsync(response, error);
            return;
        }
    }

    /// <summary>Null: the client has been answered. Else it has not been sent anything yet.</summary>
    private async Task<ForwardError?> SendAsync(
        HttpContext context, ChatRequest request, Turn turn, ModelLease lease, RequestScope scope) =>
        await BuildPromptAsync(request, turn, lease, scope) is { } prompt
            ? await exchange.RunAsync(context, request, turn, lease, prompt, scope)
            : ForwardError.Of(scope, ForwardStage.Connect);

    /// <summary>
    /// Whether the model is lost, or was taken by a forced switch, so that the request waits in line for the next one.
    /// A death is seen here first; once the switch loop has seen it too, the lease is aborted.
    /// </summary>
    private async Task<bool> IsTakenAwayAsync(ModelLease lease, CancellationToken clientGone)
    {
        lease.ReportSilent();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(lease.Aborted, clientGone);
        try
        {
            await Task.Delay(LossNoticeLimit, time, either.Token);
            return false;
        }
        catch (OperationCanceledException) when (!clientGone.IsCancellationRequested)
        {
            return true;
        }
    }

    /// <summary>Null where the request ended meanwhile.</summary>
    private async Task<Prompt?> BuildPromptAsync(ChatRequest request, Turn turn, ModelLease lease, RequestScope scope)
    {
        var counter = new UpstreamTokenCounter(forwarder, time, request, lease.Upstream, scope.Token);
        try
        {
            return await PromptBuilder.BuildAsync(config.Preset, config.Session, turn, counter.CountAsync, scope.Token);
        }
        catch (OperationCanceledException) when (scope.Cause != EndCause.None)
        {
            return null;
        }
    }

    private static Task RefuseAsync(HttpResponse response, string code, string message) =>
        ApiError.WriteAsync(response, StatusCodes.Status400BadRequest, ApiError.InvalidRequest, code, message);

    private static Task TooLargeAsync(HttpResponse response, long limitBytes)
    {
        // What is left of the body is not worth reading.
        response.Headers.Connection = "close";
        return ApiError.WriteAsync(
            response, StatusCodes.Status413PayloadTooLarge, ApiError.InvalidRequest, "body_too_large",
            $"The body is longer than {limitBytes >> 20} MB (server.max_body_mb).");
    }
}
