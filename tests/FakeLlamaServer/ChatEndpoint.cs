namespace FakeLlamaServer;

/// <summary>POST /v1/chat/completions, in the router and in process mode.</summary>
/// <remarks>
/// Its faults: stream-delay=MS · stream-stalls · stream-reset-after=CHUNKS · die-on-chat (the model's process).
/// </remarks>
internal static class ChatEndpoint
{
    private const int ChunksBeforeFault = 3;
    private static readonly TimeSpan TimeForReading = TimeSpan.FromMilliseconds(200);

    /// <param name="context">The request.</param>
    /// <param name="answer">To its body.</param>
    /// <param name="model">Whose faults.</param>
    /// <param name="faults">What goes wrong.</param>
    /// <param name="kill">Ends the model's process.</param>
    /// <param name="ended">Cancelled when the model's process ends.</param>
    public static async Task AnswerAsync(
        HttpContext context, ChatAnswer answer, string model, Faults faults, Action kill, CancellationToken ended)
    {
        var delay = TimeSpan.FromMilliseconds(faults.TakeNumber("stream-delay", model) ?? 0);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, ended);
        try
        {
            if (await ChatFaults.StrikeAsync(context, answer, model, faults, either.Token))
                return;
            if (answer.IsStream)
            {
                await StreamAsync(context, answer, model, faults, kill, delay, either.Token);
                return;
            }
            await Task.Delay(delay * answer.Words, either.Token);
            if (faults.Take("die-on-chat", model))
                kill();
            either.Token.ThrowIfCancellationRequested();
            await Replies.Json(context, answer.Whole());
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            await (context.Response.HasStarted
                ? context.Response.WriteAsync(Replies.ProxyErrorText, context.RequestAborted)
                : Replies.ProxyError(context));
        }
        catch (OperationCanceledException)
        {
            // The client left.
        }
    }

    private static async Task StreamAsync(
        HttpContext context,
        ChatAnswer answer,
        string model,
        Faults faults,
        Action kill,
        TimeSpan delay,
        CancellationToken stop)
    {
        context.Response.ContentType = "text/event-stream";
        var sent = 0;
        int? resetAfter = null;
        foreach (var chunk in answer.Chunks())
        {
            if (delay > TimeSpan.Zero)
                await Task.Delay(delay, stop);
            stop.ThrowIfCancellationRequested();
            await context.Response.WriteAsync($"data: {chunk.ToJsonString()}\n\n", stop);
            await context.Response.Body.FlushAsync(stop);
            sent++;
            if (sent == ChunksBeforeFault)
                await faults.WaitWhileAsync("stream-waits", model, stop);
            resetAfter ??= faults.TakeNumber("stream-reset-after", model);
            if (sent == resetAfter)
            {
                // A reset makes the peer's system drop what it has received and the peer has not read yet.
                await Task.Delay(TimeForReading, stop);
                context.Abort();
            }
            if (sent != ChunksBeforeFault)
                continue;
            if (faults.Take("stream-stalls", model))
                await Task.Delay(Timeout.InfiniteTimeSpan, stop);
            if (faults.Take("die-on-chat", model))
                kill();
            if (await ChatFaults.StrikeStreamAsync(context, model, faults, stop))
                return;
        }
        await context.Response.WriteAsync("data: [DONE]\n\n", stop);
    }
}
