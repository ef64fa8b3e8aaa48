using System.Buffers;
using System.Net;
using System.Net.Sockets;

namespace HotModel.Http;

/// <summary>One TCP connection to a server, and the bytes of its answers. One exchange after the other.</summary>
internal sealed class HttpConnection : IDisposable
{
    // The server listens on this machine as a rule; where it does not accept in this time it will not in any.
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan ResetPause = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan ResetWait = TimeSpan.FromMilliseconds(100);

    private const int FirstBufferBytes = 4 << 10;
    // Kestrel and nginx allow the same for a request's.
    private const int HeadBytesMax = 32 << 10;
    private const int InterimHeadsMax = 16;
    // Smaller pieces of a body go out together.
    private const int BatchBytes = 16 << 10;

    private readonly ITransport transport;
    private readonly TimeProvider time;
    // What came and is not taken: of a head that is not whole, or what came along with one.
    private byte[] buffer = [];
    private int start;
    private int end;

    private HttpConnection(ITransport transport, TimeProvider time)
    {
        this.transport = transport;
        this.time = time;
    }

    /// <summary>When it became idle, as the pool's clock counts.</summary>
    public long IdleSince { get; set; }

    public bool IsPolled => transport is PolledTransport;

    public bool HasUnreadBytes => start < end;

    /// <summary>False where the server has closed, or sent what nobody asked for.</summary>
    public bool IsQuiet
    {
        get
        {
            try
            {
                return !transport.Socket.Poll(0, SelectMode.SelectRead);
            }
            catch (ObjectDisposedException)
            {
                // Cancelled just as its exchange ended.
                return false;
            }
        }
    }

    /// <param name="address">Where to.</param>
    /// <param name="poller">By what it waits; null: by .NET's own.</param>
    /// <param name="time">Bounds the attempt.</param>
    /// <param name="cancel">Ends it.</param>
    /// <exception cref="HttpFailure">Nobody accepts.</exception>
    public static async Task<HttpConnection> OpenAsync(
        Uri address, Poller? poller, TimeProvider time, CancellationToken cancel)
    {
        using var limit = new CancellationTokenSource(ConnectTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
        Socket? socket = null;
        try
        {
            // Throws where the process has no file descriptor left.
            socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            // An event stream may be silent for days; keep-alive is what notices a server that is gone without a word.
            KeepAlive.Set(socket, silentSeconds: 30, pauseSeconds: 5, looks: 3);
            // A name may have several addresses to be tried; .NET does that.
            return new(poller is not null && IPAddress.TryParse(address.IdnHost, out IPAddress? ip)
                ? await PolledTransport.ConnectAsync(poller, socket, new(ip, address.Port), either.Token)
                : await AsyncTransport.ConnectAsync(socket, address, either.Token), time);
        }
        catch (Exception e)
        {
            socket?.Dispose();
            if (e is SocketException)
                throw new HttpFailure(HttpStage.Connect, $"{e.Message} ({address.Authority}).", e);
            if (e is OperationCanceledException && !cancel.IsCancellationRequested)
            {
                throw new HttpFailure(HttpStage.Connect,
                    $"No connection in {ConnectTimeout.TotalSeconds} s ({address.Authority}).", e);
            }
            throw;
        }
    }

    /// <exception cref="HttpFailure">The other side does not take it. An answer may be there all the same.</exception>
    public async Task SendAsync(
        ReadOnlyMemory<byte> head, IReadOnlyList<ReadOnlyMemory<byte>> body, CancellationToken cancel)
    {
        byte[] batch = ArrayPool<byte>.Shared.Rent(BatchBytes);
        try
        {
            int filled = 0;
            for (int i = -1; i < body.Count; i++)
            {
                ReadOnlyMemory<byte> piece = i < 0 ? head : body[i];
                if (piece.Length > batch.Length - filled)
                {
                    await transport.SendAsync(batch.AsMemory(0, filled), cancel);
                    filled = 0;
                }
                if (piece.Length > batch.Length)
                {
                    await transport.SendAsync(piece, cancel);
                }
                else
                {
                    piece.CopyTo(batch.AsMemory(filled));
                    filled += piece.Length;
                }
            }
            await transport.SendAsync(batch.AsMemory(0, filled), cancel);
        }
        catch (SocketException e)
        {
            throw Failure(HttpStage.Send, e, cancel);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(batch);
        }
    }

    /// <summary>Reads up to the body of the final answer.</summary>
    /// <exception cref="HttpFailure">None came, or not one of HTTP/1.1.</exception>
    public async Task<ReplyHead> ReadHeadAsync(CancellationToken cancel)
    {
        bool isUnanswered = true;
        for (int interim = 0; interim <= InterimHeadsMax; interim++)
        {
            int length;
            int searched = 0;
            while ((length = ReplyHead.FindEnd(buffer.AsSpan(start, end - start), searched)) < 0)
            {
                searched = end - start;
                MakeRoom();
                int count = await ReceiveHeadAsync(buffer.AsMemory(end), isUnanswered, cancel);
                end += count;
                isUnanswered = false;
            }
            var head = ReplyHead.Parse(buffer.AsSpan(start, length), out string? problem)
                ?? throw Malformed(problem!);
            start += length;
            if (head.Status >= 200)
            {
                DropEmptyBuffer();
                return head;
            }
            if (head.Status == StatusCodes.Status101SwitchingProtocols)
                throw Malformed("a change of protocol");
        }
        throw Malformed("too many interim answers");
    }

    /// <summary>Some bytes of the body, as soon as there are any; 0 where the server has closed.</summary>
    /// <exception cref="SocketException">The connection broke.</exception>
    public ValueTask<int> ReceiveAsync(Memory<byte> target, CancellationToken cancel)
    {
        if (start == end)
            return transport.ReceiveAsync(target, cancel);
        int count = Math.Min(target.Length, end - start);
        buffer.AsMemory(start, count).CopyTo(target);
        start += count;
        DropEmptyBuffer();
        return new(count);
    }

    /// <summary>See <see cref="ITransport.WaitReadableAsync"/>.</summary>
    public ValueTask<int> WaitReadableAsync(CancellationToken cancel) =>
        start == end ? transport.WaitReadableAsync(cancel) : new(0);

    /// <summary>The exchange has ended, and another may follow.</summary>
    public void ForgetCancellation() => transport.ForgetCancellation();

    /// <summary>Closes it, under a running read too.</summary>
    public void Dispose() => transport.Dispose();

    private async ValueTask<int> ReceiveHeadAsync(Memory<byte> target, bool isFirst, CancellationToken cancel)
    {
        try
        {
            int count = await transport.ReceiveAsync(target, cancel);
            if (count > 0)
                return count;
        }
        catch (SocketException e)
        {
            var failure = Failure(HttpStage.Head, e, cancel);
            throw isFirst ? failure : Malformed("half a head");
        }
        throw new HttpFailure(HttpStage.Head, "The server closed the connection without an answer.")
        {
            IsUnanswered = isFirst,
            WasReset = isFirst && await IsResetAsync(cancel),
        };
    }

    /// <summary>Whether the server's system threw away what we sent. A server that took it all leaves no error.</summary>
    /// <remarks>
    /// Where the server closes an idle connection just as our bytes reach it, its end of stream comes first, and the
    /// reset when it has done with the socket: llama-server shuts it down in one call and closes it in the next.
    /// </remarks>
    private async Task<bool> IsResetAsync(CancellationToken cancel)
    {
        for (TimeSpan waited = TimeSpan.Zero; ; waited += ResetPause)
        {
            try
            {
                if ((int)transport.Socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error)! != 0)
                    return true;
            }
            catch (ObjectDisposedException)
            {
                // Cancelled just now, as is likely: the model has died.
                cancel.ThrowIfCancellationRequested();
                return false;
            }
            if (waited >= ResetWait)
                return false;
            await Task.Delay(ResetPause, time, cancel);
        }
    }

    // An answer may take long, and there may be many at once.
    private void DropEmptyBuffer()
    {
        if (start == end)
            (buffer, start, end) = ([], 0, 0);
    }

    private void MakeRoom()
    {
        if (end - start >= HeadBytesMax)
            throw Malformed($"a head of more than {HeadBytesMax >> 10} KiB");
        if (start == end)
            start = end = 0;
        if (end < buffer.Length)
            return;
        if (start == 0)
            Array.Resize(ref buffer, Math.Max(FirstBufferBytes, buffer.Length * 2));
        else
            buffer.AsSpan(start, end - start).CopyTo(buffer);
        end -= start;
        start = 0;
    }

    private static HttpFailure Malformed(string what) =>
        new(HttpStage.Head, $"The server's answer is not one of HTTP/1.1: {what}.");

    private static HttpFailure Failure(HttpStage stage, SocketException e, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        return new(stage, e.Message, e)
        {
            IsUnanswered = true,
            // Shutdown is EPIPE: a reset that was noticed before.
            WasReset = e.SocketErrorCode
                is SocketError.ConnectionReset or SocketError.ConnectionAborted or SocketError.Shutdown,
        };
    }
}
