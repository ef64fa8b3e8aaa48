using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace FakeLlamaServer;

/// <summary>What is wrong with the router's answers about models and slots.</summary>
/// <remarks>
/// router-wedges#1 (from then on no answer, until this is started again) · control-hangs (no answer) · control-resets (the
/// request is lost) · and, when what was asked for is done, instead of the answer: control-fails (500) · control-garbage ·
/// control-half · control-long-head. @MODEL is the path here, such as @/models/unload.
/// </remarks>
/// <param name="faults">What goes wrong.</param>
/// <param name="isModelUp">The port of the model's own process is this one too.</param>
internal sealed class ControlFaults(Faults faults, Func<bool> isModelUp)
{
    private const int LongHeaderBytes = 64 << 10;

    private static readonly HashSet<string> Paths = ["/models", "/models/load", "/models/unload", "/slots", "/props"];

    private volatile bool isWedged;

    public Task StrikeAsync(HttpContext context, RequestDelegate next)
    {
        var path = context.Request.Path.Value!;
        if (path == "/health" && isWedged && !isModelUp())
            return ResetAsync(context);
        if (!Paths.Contains(path))
            return next(context);
        if (isWedged || faults.Take("router-wedges"))
        {
            isWedged = true;
            return HangAsync(context);
        }
        return faults.Take("control-hangs", path) ? HangAsync(context)
            : faults.Take("control-resets", path) ? ResetAsync(context)
            : faults.Take("control-fails", path) ? InsteadAsync(context, next, c => Replies.ServerError(c, "out of sorts"))
            : faults.Take("control-garbage", path) ? InsteadAsync(context, next, Garbage)
            : faults.Take("control-long-head", path) ? InsteadAsync(context, next, LongHeadAsync)
            : faults.Take("control-half", path) ? HalfAsync(context, next)
            : next(context);
    }

    public static Task Garbage(HttpContext context)
    {
        context.Response.ContentType = "text/html";
        return context.Response.WriteAsync("<html>\0\u00ff{\"data\":[{{");
    }

    public static Task LongHeadAsync(HttpContext context)
    {
        context.Response.Headers["X-Long"] = new string('x', LongHeaderBytes);
        return Replies.Success(context);
    }

    public static async Task HangAsync(HttpContext context)
    {
        try
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, context.RequestAborted);
        }
        catch (OperationCanceledException)
        {
            // The client left.
        }
    }

    public static Task ResetAsync(HttpContext context)
    {
        context.Abort();
        return Task.CompletedTask;
    }

    /// <summary>The head says how long the answer is, and half of it comes.</summary>
    public static async Task HalfAsync(HttpContext context, RequestDelegate next)
    {
        var whole = await AnswerAsync(context, next);
        await CloseAsync(context, [
            .. Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture,
                $"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {whole.Length}\r\n\r\n")),
            .. whole.AsSpan(0, whole.Length / 2),
        ]);
    }

    /// <summary>The request was read, and these are the last bytes of the connection.</summary>
    /// <remarks>
    /// Written past Kestrel, whose only way to break off is a reset: that takes away what the client has not read yet, and
    /// tells it that the request was not read either.
    /// </remarks>
    public static Task CloseAsync(HttpContext context, byte[] last)
    {
        var socket = context.Features.GetRequiredFeature<IConnectionSocketFeature>().Socket;
        socket.Send(last);
        socket.Shutdown(SocketShutdown.Send);
        return HangAsync(context);
    }

    private static async Task InsteadAsync(HttpContext context, RequestDelegate next, RequestDelegate answer)
    {
        await AnswerAsync(context, next);
        context.Response.StatusCode = 200;
        await answer(context);
    }

    private static async Task<byte[]> AnswerAsync(HttpContext context, RequestDelegate next)
    {
        var client = context.Response.Body;
        using var whole = new MemoryStream();
        context.Response.Body = whole;
        await next(context);
        context.Response.Body = client;
        return whole.ToArray();
    }
}
