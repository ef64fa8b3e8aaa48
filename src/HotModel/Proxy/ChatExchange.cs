using System.Buffers;
using System.Text.Json;
using HotModel.Http;
using HotModel.Sessions;
using HotModel.Snapshots;
using HotModel.Switching;

namespace HotModel.Proxy;

/// <summary>Forwards a request that holds its lease, and brings its answer to the client and to the store.</summary>
internal sealed class ChatExchange(
    Forwarder forwarder, StreamExchange streams, ProxyMetrics metrics, ILogger<ChatExchange> logger)
{
    private const string Path = "v1/chat/completions";
    private const int AnswerLimitBytes = AnswerCollector.DefaultLimitBytes;

    /// <summary>Null: the client has been answered. Else nothing has been sent to it yet.</summary>
    public async Task<ForwardError?> RunAsync(
        HttpContext context, ChatRequest request, Turn turn, ModelLease lease, Prompt prompt, TakenSlot? slot,
        RequestScope scope)
    {
        var splice = RequestSplice.Create(request, lease.Upstream.Model, prompt.Messages, slot?.Slot);
        var outgoing = new OutgoingRequest(HttpMethods.Post, UpstreamTarget.Of(Path, context.Request.QueryString.Value))
        {
            Accept = context.Request.Headers.Accept,
            ContentType = context.Request.ContentType,
            Body = splice.Pieces,
        };
        ForwardResult result = await forwarder.SendAsync(lease.Upstream, outgoing, scope);
        if (result.Error is { } error)
            return error;
        using HttpReply upstream = result.Reply!;
        slot?.HasBegun = upstream.Status == StatusCodes.Status200OK;
        WaitingStream? waiting = WaitingStream.Of(context);
        if (waiting is null || !waiting.End())
        {
            context.Response.Headers[AnswerHeaders.Session] = turn.SessionId;
            AnswerHeaders.SetModel(context.Response, lease.Model);
            waiting = null;
        }
        // The answer decides, not the request: servers exist that do not stream, and errors never do.
        if (StreamExchange.Takes(upstream))
        {
            var answer = new AnswerCollector();
            await streams.RelayAsync(context, upstream, lease, scope, new StreamUse
            {
                Request = turn.SessionId,
                Answer = answer,
                // The turn ends here: a client that resends its history at once is recognised only by a free session.
                OnComplete = () =>
                {
                    Store(turn, lease.Model, answer.BuildMessage());
                    // Before the lease goes back: what no request uses is saved when the model leaves.
                    slot?.Answered(answer.Timings);
                    GiveBack();
                },
                OnEnd = GiveBack,
            });
            return null;

            void GiveBack()
            {
                slot?.Dispose();
                turn.Dispose();
            }
        }
        return await RelayBodyAsync(context.Response, waiting, upstream, turn, lease, prompt, slot, scope);
    }

    private async Task<ForwardError?> RelayBodyAsync(
        HttpResponse response, WaitingStream? begun, HttpReply upstream, Turn turn, ModelLease lease, Prompt prompt,
        TakenSlot? slot, RequestScope scope)
    {
        (ReadOnlyMemory<byte> body, ForwardError? error) = await ReadBodyAsync(upstream, scope);
        if (error is not null)
            return error;
        int status = upstream.Status;
        if (ModelGoneReply.Is(status, body.Span))
            return ModelGoneReply.Error;
        if (begun is not null)
        {
            Release(upstream, lease, turn, slot);
            await begun.FailAsync(StreamFailure.Of(status, body.Span));
            return null;
        }
        if (status >= StatusCodes.Status400BadRequest)
        {
            Release(upstream, lease, turn, slot);
            response.StatusCode = status;
            response.ContentType = upstream.ContentType;
            response.Headers.RetryAfter = upstream.RetryAfter;
            await WriteAsync(response, [body]);
        }
        else if (status == StatusCodes.Status200OK && JsonAnswer.Read(body.Span) is { } answer)
        {
            if (answer.Message is { } message)
                Store(turn, lease.Model, Sound(body[message.Start..message.End]));
            slot?.Answered(answer.Timings);
            lease.Answered = true;
            Release(upstream, lease, turn, slot);
            response.ContentType = "application/json; charset=utf-8";
            await WriteAsync(response,
                [body[..answer.ObjectEnd], Explain(turn, lease, prompt, answer.IsEmpty), body[answer.ObjectEnd..]]);
        }
        else
        {
            return new(ForwardStage.ResponseBody, Culprit.Upstream,
                $"The model's server answered {status} with something that is no JSON object.")
            { IsOfALiveServer = true };
        }
        return null;
    }

    /// <summary>Gives back what others wait for: all that is left is to write to a client that may not read.</summary>
    private static void Release(HttpReply upstream, ModelLease lease, Turn turn, TakenSlot? slot)
    {
        upstream.Dispose();
        slot?.Dispose();
        lease.Dispose();
        turn.Dispose();
    }

    private static async Task<(ReadOnlyMemory<byte> Body, ForwardError? Error)> ReadBodyAsync(
        HttpReply upstream, RequestScope scope)
    {
        try
        {
            ReadOnlyMemory<byte>? body = await BoundedBody.ReadAsync(
                upstream.Body, upstream.ContentLength, AnswerLimitBytes, scope.Token,
                _ => scope.ExpectBytesWithin(SseRelay.DefaultSilenceLimit));
            return body is { } whole ? (whole, null) : (default, new(ForwardStage.ResponseBody, Culprit.Upstream,
                $"The model's server answered with more than {AnswerLimitBytes >> 20} MiB.")
            { IsOfALiveServer = true });
        }
        catch (Exception e) when (e is HttpFailure or OperationCanceledException)
        {
            ForwardError error = ForwardError.Of(scope, ForwardStage.ResponseBody) ?? BodyRelay.BrokenOff;
            return (default, error.OfConversation());
        }
    }

    /// <summary>The one place where an answer is stored.</summary>
    /// <remarks>A failure costs the conversation one turn, not the client its answer.</remarks>
    /// <param name="turn">Whose answer it is.</param>
    /// <param name="model">Who gave it.</param>
    /// <param name="message">Empty where the answer has no sound one. No null: C# makes an empty memory of that anyway.</param>
    private void Store(Turn turn, string model, ReadOnlyMemory<byte> message)
    {
        try
        {
            AppendResult result = message.IsEmpty
                ? new(AppendStatus.Failed, "The answer is not valid, so it was not stored.")
                : turn.Complete(message, model);
            if (result.Status != AppendStatus.Failed)
                return;
            ProxyLog.NotStored(logger, turn.SessionId, result.Error ?? "");
        }
        catch (Exception e)
        {
            ProxyLog.StoreBroke(logger, turn.SessionId, e);
        }
        metrics.CountStoreFailure();
    }

    private static ReadOnlyMemory<byte> Sound(ReadOnlyMemory<byte> message) =>
        JsonText.IsSound(message.Span) ? message : default;

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
