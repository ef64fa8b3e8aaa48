using System.Net.Sockets;

namespace HotModel.Http;

/// <summary>The bytes of one TCP connection.</summary>
/// <remarks>
/// <see cref="AsyncTransport"/> works everywhere, <see cref="PolledTransport"/> costs less and is for Linux.
/// One operation at a time. Errors of the network are SocketException. An operation that is cancelled, and one that runs
/// while the transport is disposed, closes the connection and throws OperationCanceledException or SocketException.
/// </remarks>
internal interface ITransport : IDisposable
{
    Socket Socket { get; }

    /// <summary>Some bytes, as soon as there are any; 0 where the other side has closed.</summary>
    ValueTask<int> ReceiveAsync(Memory<byte> target, CancellationToken cancel);

    /// <summary>Sends all of it.</summary>
    ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancel);

    /// <summary>
    /// Completes with 0 when there is something to receive, an end or an error included, or at once where that cannot be
    /// waited for more cheaply than by receiving.
    /// </summary>
    /// <remarks>
    /// The caller goes on on the poller's thread: see <see cref="Poller"/>. A receive has to follow: the next wait is for
    /// what comes after.
    /// </remarks>
    ValueTask<int> WaitReadableAsync(CancellationToken cancel);

    /// <summary>The exchange has ended: its token means nothing to the next one.</summary>
    void ForgetCancellation();
}
