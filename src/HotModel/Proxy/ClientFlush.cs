using System.IO.Pipelines;

namespace HotModel.Proxy;

/// <summary>Sends what was written to a client that may not read.</summary>
internal static class ClientFlush
{
    /// <summary>Null when the client has taken the bytes or has room for them; else ClientGone or ClientBlocked.</summary>
    public static ValueTask<RelayEnd?> RunAsync(PipeWriter client, RequestScope scope)
    {
        // Without a token: cancelling a flush makes Kestrel abort the connection, even one that has room.
        ValueTask<FlushResult> flush = client.FlushAsync();
        return flush.IsCompletedSuccessfully ? new(EndOf(flush.Result)) : WaitAsync(flush.AsTask(), scope);
    }

    /// <summary>The same of a flush that somebody else has begun.</summary>
    public static ValueTask<RelayEnd?> RunAsync(Task<FlushResult> flush, RequestScope scope) =>
        flush.IsCompletedSuccessfully ? new(EndOf(flush.Result)) : WaitAsync(flush, scope);

    private static async ValueTask<RelayEnd?> WaitAsync(Task<FlushResult> flush, RequestScope scope)
    {
        scope.ExpectClient();
        try
        {
            return EndOf(await flush.WaitAsync(scope.Token));
        }
        catch (OperationCanceledException)
        {
            return scope.Cause == EndCause.ClientGone ? RelayEnd.ClientGone : RelayEnd.ClientBlocked;
        }
    }

    private static RelayEnd? EndOf(FlushResult flush) => flush.IsCompleted ? RelayEnd.ClientGone : null;
}
