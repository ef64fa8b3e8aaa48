using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Threading.Tasks.Sources;

namespace HotModel.Http;

/// <summary>A connection that waits by the <see cref="Poller"/>.</summary>
/// <remarks>
/// The socket is never used asynchronously: .NET would register it with its own poller too, and wake that for every
/// arrival.
/// </remarks>
internal sealed class PolledTransport : ITransport, IValueTaskSource<int>
{
    private readonly Poller poller;
    private readonly long id;
    private readonly Lock gate = new();
    private ManualResetValueTaskSourceCore<int> wait;
    // What is waited for now.
    private uint awaited;
    // Whether what comes after the wait may run on the poller's thread.
    private bool isInline;
    // What epoll has told and no wait has ended by: it does not tell it again by itself.
    private uint told;
    private bool acknowledgesSeldom;
    private bool isDisposed;
    private CancellationToken token;
    private CancellationTokenRegistration cancellation;

    private PolledTransport(Socket socket, Poller poller)
    {
        Socket = socket;
        this.poller = poller;
        id = poller.Join(this);
    }

    public Socket Socket { get; }

    /// <param name="poller">What it waits by.</param>
    /// <param name="socket">Not connected; closed where this throws.</param>
    /// <param name="address">Where to.</param>
    /// <param name="cancel">Ends the attempt.</param>
    public static async Task<ITransport> ConnectAsync(
        Poller poller, Socket socket, IPEndPoint address, CancellationToken cancel)
    {
        socket.Blocking = false;
        try
        {
            socket.Connect(address);
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.WouldBlock or SocketError.InProgress)
        {
        }
        var transport = new PolledTransport(socket, poller);
        try
        {
            transport.Watch(Epoll.Add);
            await transport.WaitAsync(Epoll.Out, isInline: false, cancel);
            transport.ThrowIfClosed(cancel);
            var error = (SocketError)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error)!;
            return error == SocketError.Success ? transport : throw new SocketException((int)error);
        }
        catch (ObjectDisposedException)
        {
            // Cancelled between the two.
            transport.ThrowIfClosed(cancel);
            throw;
        }
        catch
        {
            transport.Dispose();
            throw;
        }
    }

    public ValueTask<int> ReceiveAsync(Memory<byte> target, CancellationToken cancel) =>
        TryReceive(target.Span, cancel) is { } count ? new(count) : ReceiveLaterAsync(target, cancel);

    public async ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancel)
    {
        // To send ends it: the system takes the two sides for talking again.
        acknowledgesSeldom = false;
        while (!bytes.IsEmpty)
        {
            ThrowIfClosed(cancel);
            int sent;
            SocketError error;
            try
            {
                sent = Socket.Send(bytes.Span, SocketFlags.None, out error);
            }
            catch (ObjectDisposedException)
            {
                continue;
            }
            if (error == SocketError.WouldBlock)
                await WaitAsync(Epoll.Out, isInline: false, cancel);
            else if (error != SocketError.Success)
                throw new SocketException((int)error);
            bytes = bytes[sent..];
        }
    }

    public ValueTask<int> WaitReadableAsync(CancellationToken cancel)
    {
        if (!acknowledgesSeldom)
            AcknowledgeSeldom();
        return WaitAsync(Epoll.In, isInline: true, cancel);
    }

    public void ForgetCancellation()
    {
        // Returns only when a callback that runs has ended: it would close the next exchange's connection.
        cancellation.Dispose();
        token = default;
    }

    public void Dispose()
    {
        bool wasWaiting;
        lock (gate)
        {
            if (isDisposed)
                return;
            isDisposed = true;
            poller.Leave(id);
            // Closing it takes it out of epoll.
            Socket.Dispose();
            // Whoever disposes it has other things to do than what comes after the wait.
            wasWaiting = TryEndWait(isInline: false);
        }
        cancellation.Unregister();
        if (wasWaiting)
            wait.SetResult(0);
    }

    /// <summary>Called by the poller, on its thread.</summary>
    public void OnEvents(uint events)
    {
        if ((events & Epoll.Closed) != 0)
            events |= Epoll.In | Epoll.Out;
        if ((events & Epoll.HalfClosed) != 0)
            events |= Epoll.In;
        lock (gate)
        {
            if (isDisposed)
                return;
            // Whoever waits takes it all, and what stays is told again: see WaitAsync.
            told |= events & ~awaited;
            if ((events & awaited) == 0)
                return;
            TryEndWait(isInline);
        }
        wait.SetResult(0);
    }

    int IValueTaskSource<int>.GetResult(short version) => wait.GetResult(version);

    ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short version) => wait.GetStatus(version);

    void IValueTaskSource<int>.OnCompleted(
        Action<object?> continuation, object? state, short version, ValueTaskSourceOnCompletedFlags flags) =>
        wait.OnCompleted(continuation, state, version, flags);

    private async ValueTask<int> ReceiveLaterAsync(Memory<byte> target, CancellationToken cancel)
    {
        while (true)
        {
            await WaitAsync(Epoll.In, isInline: false, cancel);
            if (TryReceive(target.Span, cancel) is { } count)
                return count;
        }
    }

    private int? TryReceive(Span<byte> target, CancellationToken cancel)
    {
        ThrowIfClosed(cancel);
        int count;
        SocketError error;
        try
        {
            count = Socket.Receive(target, SocketFlags.None, out error);
        }
        catch (ObjectDisposedException)
        {
            ThrowIfClosed(cancel);
            throw;
        }
        // There may be more, of which epoll does not tell again.
        if (count == target.Length)
        {
            lock (gate)
                told |= Epoll.In;
        }
        return error switch
        {
            SocketError.Success => count,
            SocketError.WouldBlock => null,
            _ => throw new SocketException((int)error),
        };
    }

    /// <summary>Completes when the socket is ready, or disposed.</summary>
    private ValueTask<int> WaitAsync(uint events, bool isInline, CancellationToken cancel)
    {
        if (cancel != token)
        {
            ForgetCancellation();
            token = cancel;
            cancellation = cancel.UnsafeRegister(static transport => ((PolledTransport)transport!).Dispose(), this);
        }
        lock (gate)
        {
            if (isDisposed)
                return new(0);
            wait.Reset();
            (awaited, this.isInline) = (events, isInline);
            // It may have been taken since, or not: epoll looks and tells it again.
            // Of one whose other side has ended there is always something to receive; that says nothing of room to send.
            uint lasting = Epoll.Closed | (events == Epoll.In ? Epoll.HalfClosed : 0);
            if ((told & (events | lasting)) != 0)
            {
                told &= Epoll.Closed | Epoll.HalfClosed;
                Watch(Epoll.Modify);
            }
            return new(this, wait.Version);
        }
    }

    /// <remarks>
    /// Each change is told once. Where the socket stays ready, as LT has it, each call of epoll_wait would ask each
    /// socket of the last one again.
    /// </remarks>
    private void Watch(int operation) =>
        poller.Control(operation, Socket, Epoll.In | Epoll.Out | Epoll.HalfClosed | Epoll.EdgeTriggered, id);

    /// <summary>Lets the system acknowledge two arrivals with one packet, as far as 40 ms allow.</summary>
    /// <remarks>
    /// Otherwise each receive sends one, and that costs as much as the receive itself. llama-server does not wait for
    /// acknowledgements (it sets TCP_NODELAY).
    /// </remarks>
    private void AcknowledgeSeldom()
    {
        const int Tcp = 6;
        const int QuickAck = 12;
        int off = 0;
        acknowledgesSeldom = true;
        try
        {
            Socket.SetRawSocketOption(Tcp, QuickAck, MemoryMarshal.AsBytes(new ReadOnlySpan<int>(ref off)));
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The wait tells what has become of it.
        }
    }

    private bool TryEndWait(bool isInline)
    {
        bool wasWaiting = awaited != 0;
        awaited = 0;
        wait.RunContinuationsAsynchronously = !isInline;
        return wasWaiting;
    }

    private void ThrowIfClosed(CancellationToken cancel)
    {
        if (!Volatile.Read(ref isDisposed))
            return;
        cancel.ThrowIfCancellationRequested();
        throw new SocketException((int)SocketError.OperationAborted);
    }
}
