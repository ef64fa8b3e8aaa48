using Microsoft.AspNetCore.Connections.Features;

namespace HotModel.Proxy;

/// <summary>Ends a stream that is not whole, behind its error event.</summary>
internal static class BrokenStream
{
    /// <summary>A client that knows the event has left by then.</summary>
    private static readonly TimeSpan NoticeLimit = TimeSpan.FromSeconds(1);
    /// <summary>One that has not taken the rest by then does not read.</summary>
    private static readonly TimeSpan CloseLimit = TimeSpan.FromSeconds(2);

    /// <summary>Closes the connection once everything is sent, without HTTP's own end of the body.</summary>
    /// <remarks>
    /// Not every client knows the event: OpenAI's for .NET passes over it in chats. That a body has not come to its end no
    /// client passes over. But some forget what they have not yet read when the connection ends (fetch in JavaScript), the
    /// event and its reason with it: hence the pause. Aborting at once would throw away what is still on its way. Where the
    /// body is one that ends with the connection (HTTP/1.0), the event is all there is.
    /// </remarks>
    public static async Task CloseAsync(HttpContext context)
    {
        if (await LeavesAsync(context, NoticeLimit))
            return;
        if (context.Features.Get<IConnectionTransportFeature>() is { Transport.Output: var output })
        {
            await output.CompleteAsync();
            await LeavesAsync(context, CloseLimit);
        }
        // Or the server would write that end.
        context.Abort();
    }

    private static async Task<bool> LeavesAsync(HttpContext context, TimeSpan limit)
    {
        var left = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var leaving = context.RequestAborted.UnsafeRegister(
            static source => ((TaskCompletionSource)source!).TrySetResult(), left);
        try
        {
            await left.Task.WaitAsync(limit);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }
}
