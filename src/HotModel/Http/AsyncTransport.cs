using System.Net;
using System.Net.Sockets;

namespace HotModel.Http;

/// <summary>A connection through .NET's own asynchronous sockets.</summary>
internal sealed class AsyncTransport : ITransport
{
    private AsyncTransport(Socket socket) => Socket = socket;

    public Socket Socket { get; }

    /// <param name="socket">Not connected; closed where this throws.</param>
    /// <param name="address">Its host may be a name.</param>
    /// <param name="cancel">Ends the attempt.</param>
    public static async Task<ITransport> ConnectAsync(Socket socket, Uri address, CancellationToken cancel)
    {
        await socket.ConnectAsync(new DnsEndPoint(address.IdnHost, address.Port), cancel);
        return new AsyncTransport(socket);
    }

    public ValueTask<int> ReceiveAsync(Memory<byte> target, CancellationToken cancel) =>
        Socket.ReceiveAsync(target, SocketFlags.None, cancel);

    public async ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancel)
    {
        while (!bytes.IsEmpty)
            bytes = bytes[await Socket.SendAsync(bytes, SocketFlags.None, cancel)..];
    }

    // Waiting first would cost one more call of the system for each arrival.
    public ValueTask<int> WaitReadableAsync(CancellationToken cancel) => new(0);

    public void ForgetCancellation() { }

    public void Dispose() => Socket.Dispose();
}
