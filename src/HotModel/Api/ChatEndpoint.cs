using HotModel.Configuration;
using HotModel.Prefill;
using HotModel.Proxy;
using HotModel.Sessions;
using HotModel.Snapshots;
using HotModel.Switching;

namespace HotModel.Api;

/// <summary>POST /v1/chat/completions: from a client's bytes to the turn and the prompt that are forwarded.</summary>
internal sealed class ChatEndpoint(
    LiveConfig live,
    ClientBodies bodies,
    RequestAsks asks,
    Conversations conversations,
    Admissions admissions,
    Forwarder forwarder,
    ChatExchange exchange,
    Func<ModelLease, LaneWarmth?> warmth,
    TimeProvider time)
{
    private HotModelConfig Config => live.Current;

    public Task HandleAsync(HttpContext context) => admissions.ServeAsync(context, async () =>
    {
        if (await ReadAsync(context) is { } request
            && await asks.ReadAsync(context, request.Model, maySwitch: true) is { } ask)
            await AnswerAsync(context, request, ask);
    });

    /// <summary>Null where the request was refused and the client has been told.</summary>
    private async Task<ChatRequest?> ReadAsync(HttpContext context)
    {
        if (await bodies.ReadAsync(context, ModelPlace.Body) is not { } body)
            return null;
        (ChatRequest? request, string? error) = ChatRequest.Read(body);
        if (request is null)
        {
            await RefuseAsync(context.Response, "invalid_body", error!);
            return null;
        }
        return request;
    }

    private async Task AnswerAsync(HttpContext context, ChatRequest request, RequestAsk ask)
    {
        HttpResponse response = context.Response;
        CancellationToken clientGone = context.RequestAborted;
        string? header = context.Request.Headers[AnswerHeaders.Session];
        if (request.SessionId is { } inBody && header is not null && inBody != header)
        {
            await RefuseAsync(response, "invalid_session_id",
                $"\"session_id\" and the header {AnswerHeaders.Session} name different sessions; give one of them.");
            return;
        }
        string? sessionId = request.SessionId ?? header;
        if (sessionId is not null && !SessionId.TryValidate(sessionId, out string? invalid))
        {
            await RefuseAsync(response, "invalid_session_id", invalid!);
            return;
        }
        // The turn before the lease: a request that waits for its conversation must not hold up a switch.
        TimeSpan wait = ask.Patience ?? Config.Server.QueueTimeout;
        long began = time.GetTimestamp();
        await using WaitingStream? waiting = request.Stream
            ? WaitingStream.For(context, ErrorShape.OpenAi, Config.Server.WaitComment, time) : null;
        waiting?.Session = sessionId;
        ValueTask<Turn?> beginning = conversations.BeginAsync(sessionId, request.Messages, wait, clientGone);
        if (!beginning.IsCompleted)
            waiting?.Begin(static () => WaitStatus.OfConversation);
        using Turn? turn = await beginning;
        if (turn is null)
        {
            await ApiError.WriteAsync(response, StatusCodes.Status409Conflict, ApiError.InvalidRequest, "session_busy",
                $"Another request of this session is still being answered after {wait.TotalSeconds:0.#} s "
                + (ask.Patience is null ? "(server.queue_timeout_seconds)." : "(the request's Prefer: wait)."),
                TimeSpan.FromSeconds(1));
            return;
        }
        waiting?.Session = turn.SessionId;
        await admissions.SendAsync(context, ask.After(time.GetElapsedTime(began)),
            (lease, scope) => SendAsync(context, request, turn, lease, scope));
    }

    /// <summary>Null: the client has been answered. Else it has not been sent anything yet.</summary>
    private async Task<ForwardError?> SendAsync(
        HttpContext context, ChatRequest request, Turn turn, ModelLease lease, RequestScope scope)
    {
        Prompt? prompt;
        TakenSlot? slot = null;
        var warm = warmth(lease)?.Warm;
        var prefill = warmth(lease)?.Prefill;
        try
        {
            prompt = await BuildPromptAsync(request, turn, lease, scope);
            if (prefill is not null)
                await prefill.GiveWayAsync();
            if (warm is not null && !request.LeavesSlotOpen)
            {
                slot = await warm.TakeAsync(lease.Upstream, turn.SessionId,
                    goesOn: turn.GoesOn && prompt.Budget.DroppedMessages == 0, scope.Token);
            }
        }
        catch (OperationCanceledException) when (scope.Cause != EndCause.None)
        {
            return ForwardError.Of(scope, ForwardStage.Connect);
        }
        using (slot)
        using (slot is null ? warm?.LeaveOpen(lease.Upstream) : null)
        {
            ForwardError? error = await exchange.RunAsync(context, request, turn, lease, prompt, slot, scope);
            if (error is null)
                prefill?.Remember(turn.SessionId, request);
            return error;
        }
    }

    private async Task<Prompt> BuildPromptAsync(ChatRequest request, Turn turn, ModelLease lease, RequestScope scope)
    {
        var tokenizer = new UpstreamTokenizer(forwarder, time, request, lease.Upstream, scope.Token);
        var config = live.Current;
        return await PromptBuilder.BuildAsync(config.Preset, config.Session, turn, tokenizer.CountAsync, scope.Token);
    }

    private static Task RefuseAsync(HttpResponse response, string code, string message) =>
        ApiError.WriteAsync(response, StatusCodes.Status400BadRequest, ApiError.InvalidRequest, code, message);
}
