using System.Text;

namespace FakeLlamaServer;

/// <summary>What is wrong with an answer to a chat from its beginning.</summary>
/// <remarks>
/// chat-hangs (not as much as a head) · chat-closes · chat-fails=STATUS · chat-garbage · chat-long-head ·
/// chat-half (of an answer that is no stream).
/// </remarks>
internal static class ChatFaults
{
    /// <returns>False: the answer comes as it should.</returns>
    public static async Task<bool> StrikeAsync(
        HttpContext context, ChatAnswer answer, string model, Faults faults, CancellationToken ended)
    {
        await faults.WaitWhileAsync("chat-waits", model, ended);
        if (faults.Take("chat-hangs", model))
            await Task.Delay(Timeout.InfiniteTimeSpan, ended);
        else if (faults.Take("chat-closes", model))
            await ControlFaults.CloseAsync(context, []);
        else if (faults.TakeNumber("chat-fails", model) is { } status)
            await (status == 503 ? Replies.Loading(context) : Replies.ServerError(context, "out of sorts"));
        else if (faults.Take("chat-garbage", model))
            await ControlFaults.Garbage(context);
        else if (faults.Take("chat-long-head", model))
            await ControlFaults.LongHeadAsync(context);
        else if (!answer.IsStream && faults.Take("chat-half", model))
            await ControlFaults.HalfAsync(context, c => Replies.Json(c, answer.Whole()));
        else
            return false;
        return true;
    }

    /// <summary>What is wrong behind the first words of a stream.</summary>
    /// <remarks>
    /// stream-ends (properly, without an end mark) · stream-half-event · stream-long-event · stream-garbage ·
    /// stream-error (llama-server's own event) · proxy-error-in-stream.
    /// </remarks>
    /// <returns>False: the stream goes on.</returns>
    public static async Task<bool> StrikeStreamAsync(
        HttpContext context, string model, Faults faults, CancellationToken stop)
    {
        const int PieceBytes = 64 << 10;
        const int Pieces = 320;
        if (faults.Take("stream-ends", model))
            return true;
        if (faults.Take("proxy-error-in-stream", model))
            await context.Response.WriteAsync(Replies.ProxyErrorText, stop);
        else if (faults.Take("stream-half-event", model))
            await context.Response.WriteAsync("data: {\"choices\":[{\"del", stop);
        else if (faults.Take("stream-garbage", model))
            await context.Response.Body.WriteAsync("\0\u0001\u00ff<html>\r\n\r\n{]"u8.ToArray(), stop);
        else if (faults.Take("stream-error", model))
            await context.Response.WriteAsync(
                "data: {\"error\":{\"code\":500,\"message\":\"out of sorts\",\"type\":\"server_error\"}}\n\n", stop);
        else if (faults.Take("stream-long-event", model))
            await WriteLongAsync();
        else
            return false;
        return true;

        async Task WriteLongAsync()
        {
            var piece = Encoding.ASCII.GetBytes(new string('x', PieceBytes));
            await context.Response.WriteAsync("data: ", stop);
            for (var i = 0; i < Pieces; i++)
                await context.Response.Body.WriteAsync(piece, stop);
        }
    }
}
