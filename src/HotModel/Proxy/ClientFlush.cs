using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace HotModel.Proxy;

/// <summary>Sends what was written to a client that may not read.</summary>
internal static class ClientFlush
{
    /// <summary>Null when the client has taken the bytes or has room for them; else ClientGone or ClientBlocked.</summary>
    /// <remarks>After ClientBlocked some of the bytes may have gone: only closing the connection is left.</remarks>
    public static ValueTask<RelayEnd?> RunAsync(PipeWriter client, RequestScope scope)
    {
        // Without a token: to cancel it makes Kestrel abort the connection, even one that has room.
        ValueTask<FlushResult> flush = client.FlushAsync();
        return flush.IsCompletedSuccessfully ? new(EndOf(flush.Result, scope)) : WaitAsync(flush, client, scope);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private static async ValueTask<RelayEnd?> WaitAsync(
        ValueTask<FlushResult> flush, PipeWriter client, RequestScope scope)
    {
        // The client is slower than the model. That is not the model's silence.
        scope.ExpectBytesWithin(Timeout.InfiniteTimeSpan);
        using (scope.Token.UnsafeRegister(static client => ((PipeWriter)client!).CancelPendingFlush(), client))
            return EndOf(await flush, scope);
    }

    private static RelayEnd? EndOf(FlushResult flush, RequestScope scope) =>
        flush.IsCompleted ? RelayEnd.ClientGone
        : !flush.IsCanceled ? null
        : scope.Cause == EndCause.ClientGone ? RelayEnd.ClientGone
        : RelayEnd.ClientBlocked;
}
