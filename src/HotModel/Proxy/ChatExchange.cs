using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json;
using HotModel.Api;
using HotModel.Http;
using HotModel.Sessions;
using HotModel.Switching;

namespace HotModel.Proxy;

/// <summary>Forwards a request that holds its lease, and brings its answer to the client and to the store.</summary>
internal sealed class ChatExchange(
    Forwarder forwarder, ProxyMetrics metrics, ILogger<ChatExchange> logger, TimeSpan? silenceLimit = null)
{
    private const int AnswerLimitBytes = AnswerCollector.DefaultLimitBytes;

    /// <summary>Null: the client has been answered. Else nothing has been sent to it yet.</summary>
    public async Task<ForwardError?> RunAsync(
        HttpContext context, ChatRequest request, Turn turn, ModelLease lease, Prompt prompt, RequestScope scope)
    {
        var splice = RequestSplice.Create(request, lease.Upstream.Model, prompt.Messages);
        string? accept = context.Request.Headers.Accept;
        ForwardResult result = await forwarder.PostAsync(lease.Upstream, "v1/chat/completions", splice, accept, scope);
        if (result.Error is { } error)
            return error;
        using HttpReply upstream = result.Reply!;
        context.Response.Headers[ChatEndpoint.SessionHeader] = turn.SessionId;
        context.Response.Headers[ChatEndpoint.ModelHeader] = HeaderText(lease.Model);
        // The answer decides, not the request: servers exist that do not stream, and errors never do.
        if (upstream.Status == StatusCodes.Status200OK && upstream.IsOfType("text/event-stream"))
        {
            await RelayStreamAsync(context, upstream, turn, lease, scope);
            return null;
        }
        return await RelayBodyAsync(context.Response, upstream, turn, lease, prompt, scope);
    }

    private async Task RelayStreamAsync(
        HttpContext context, HttpReply upstream, Turn turn, ModelLease lease, RequestScope scope)
    {
        metrics.CountStream();
        HttpResponse response = context.Response;
        response.ContentType = upstream.ContentType;
        response.Headers.CacheControl = "no-cache";
        response.Headers["X-Accel-Buffering"] = "no";
        // Started before the first GetMemory: earlier, that memory would be a side buffer that is copied later.
        await response.StartAsync(CancellationToken.None);
        await response.BodyWriter.FlushAsync(CancellationToken.None);

        PipeWriter client = upstream.IsPolled && ClientSocketWriter.TryCreate(context) is { } socket
            ? socket : response.BodyWriter;
        var answer = new AnswerCollector();
        var relay = new SseRelay(upstream.Body, client, scope, answer, silenceLimit ?? SseRelay.DefaultSilenceLimit);
        RelayResult result = await relay.RunAsync(() => Store(turn, lease.Model, answer.BuildMessage()));
        lease.Answered = result.End == RelayEnd.Complete;
        metrics.AddRelayedBytes(relay.RelayedBytes);
        if (result.End is RelayEnd.Cut or RelayEnd.CutByUpstreamError or RelayEnd.ClientBlocked)
        {
            metrics.CountCutStream();
            ProxyLog.StreamCut(
                logger, lease.Model, turn.SessionId, result.Error?.Message ?? "The upstream sent an error.");
        }
        else if (result.End == RelayEnd.ClientGone)
        {
            ProxyLog.ClientLeft(logger, context.TraceIdentifier);
        }
        if (result.End == RelayEnd.ClientBlocked)
            context.Abort();
        Release(upstream, lease, turn);
        if (result.End == RelayEnd.Cut)
            await relay.WriteErrorAsync(result.Error!);
    }

    private async Task<ForwardError?> RelayBodyAsync(
        HttpResponse response, HttpReply upstream, Turn turn, ModelLease lease, Prompt prompt,
        RequestScope scope)
    {
        (ReadOnlyMemory<byte> body, ForwardError? error) = await ReadBodyAsync(upstream, scope);
        if (error is not null)
            return error;
        int status = upstream.Status;
        if (ModelGoneReply.Is(status, body.Span))
        {
            return new(ForwardStage.ResponseHead, Culprit.Upstream,
                "The model's process was not there, or ended without an answer.");
        }
        if (status >= StatusCodes.Status400BadRequest)
        {
            Release(upstream, lease, turn);
            response.StatusCode = status;
            response.ContentType = upstream.ContentType;
            response.Headers.RetryAfter = upstream.RetryAfter;
            await WriteAsync(response, [body]);
        }
        else if (status == StatusCodes.Status200OK && JsonAnswer.Read(body.Span) is { } answer)
        {
            if (answer.Message is { } message)
                Store(turn, lease.Model, Sound(body[message.Start..message.End]));
            lease.Answered = true;
            Release(upstream, lease, turn);
            response.ContentType = "application/json; charset=utf-8";
            await WriteAsync(response,
                [body[..answer.ObjectEnd], Explain(turn, lease, prompt, answer.IsEmpty), body[answer.ObjectEnd..]]);
        }
        else
        {
            return new(ForwardStage.ResponseBody, Culprit.Upstream,
                $"The model's server answered {status} with something that is no JSON object.");
        }
        return null;
    }

    /// <summary>Gives back what others wait for: all that is left is to write to a client that may not read.</summary>
    private static void Release(HttpReply upstream, ModelLease lease, Turn turn)
    {
        upstream.Dispose();
        lease.Dispose();
        turn.Dispose();
    }

    /// <summary>Header values are ASCII; a name may be anything.</summary>
    private static string HeaderText(string name) =>
        name.AsSpan().ContainsAnyExceptInRange(' ', '~') ? Uri.EscapeDataString(name) : name;

    private static async Task<(ReadOnlyMemory<byte> Body, ForwardError? Error)> ReadBodyAsync(
        HttpReply upstream, RequestScope scope)
    {
        try
        {
            ReadOnlyMemory<byte>? body = await BoundedBody.ReadAsync(
                upstream.Body, upstream.ContentLength, AnswerLimitBytes, scope.Token);
            return body is { } whole ? (whole, null) : (default, new(ForwardStage.ResponseBody, Culprit.Upstream,
                $"The model's server answered with more than {AnswerLimitBytes >> 20} MiB."));
        }
        catch (Exception e) when (e is HttpFailure or OperationCanceledException)
        {
            return (default, ForwardError.Of(scope, ForwardStage.ResponseBody) ?? new(ForwardStage.ResponseBody,
                Culprit.Upstream,
                "The model's server broke off its answer. Nothing of it was stored; send the request again."));
        }
    }

    /// <summary>The one place where an answer is stored.</summary>
    /// <remarks>A failure costs the conversation one turn, not the client its answer.</remarks>
    private void Store(Turn turn, string model, ReadOnlyMemory<byte>? message)
    {
        AppendResult result = message is { } whole
            ? turn.Complete(whole, model)
            : new(AppendStatus.Failed, "The answer is not valid, so it was not stored.");
        if (result.Status != AppendStatus.Failed)
            return;
        metrics.CountStoreFailure();
        ProxyLog.NotStored(logger, turn.SessionId, result.Error ?? "");
    }

    private static ReadOnlyMemory<byte>? Sound(ReadOnlyMemory<byte> message) =>
        JsonText.IsSound(message.Span) ? message : null;

    private static ReadOnlyMemory<byte> Explain(Turn turn, ModelLease lease, Prompt prompt, bool isFirst)
    {
        var extra = new ArrayBufferWriter<byte>(256);
        extra.Write(isFirst ? "\"hotmodel\":"u8 : ",\"hotmodel\":"u8);
        using (var json = new Utf8JsonWriter(extra))
        {
            json.WriteStartObject();
            json.WriteString("session_id"u8, turn.SessionId);
            json.WriteString("active_model"u8, lease.Model);
            json.WriteNumber("prompt_messages"u8, prompt.Messages.Count);
            json.WriteStartObject("prompt_budget"u8);
            json.WriteNumber("cost"u8, prompt.Budget.Cost);
            json.WriteString("unit"u8, prompt.Budget.Unit);
            json.WriteNumber("dropped_messages"u8, prompt.Budget.DroppedMessages);
            json.WriteEndObject();
            json.WriteEndObject();
        }
        return extra.WrittenMemory;
    }

    private async Task WriteAsync(HttpResponse response, ReadOnlyMemory<byte>[] pieces)
    {
        long length = pieces.Sum(piece => (long)piece.Length);
        response.ContentLength = length;
        foreach (ReadOnlyMemory<byte> piece in pieces)
            await response.Body.WriteAsync(piece, response.HttpContext.RequestAborted);
        metrics.AddRelayedBytes(length);
    }
}
