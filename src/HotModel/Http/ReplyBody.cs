using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace HotModel.Http;

/// <summary>The body of an answer: each read gives what has come, without its frames; 0 is its proper end.</summary>
internal sealed class ReplyBody : Stream
{
    private readonly HttpEndpoint endpoint;
    private readonly Framing framing;
    private readonly bool isReusable;
    private HttpConnection? connection;
    private ChunkDecoder chunks;
    private long remainingBytes;
    private bool hasEnded;

    public ReplyBody(
        HttpEndpoint endpoint, HttpConnection connection, ReplyHead head, bool isBodiless, bool isReusable)
    {
        this.endpoint = endpoint;
        this.connection = connection;
        this.isReusable = isReusable && head.KeepsAlive;
        IsPolled = connection.IsPolled;
        remainingBytes = isBodiless ? 0 : head.ContentLength ?? 0;
        framing = isBodiless || head.ContentLength is not null ? Framing.Length
            : head.IsChunked ? Framing.Chunks
            : Framing.ToClose;
        if (framing == Framing.Length && remainingBytes == 0)
            End();
    }

    public bool IsPolled { get; }

    private enum Framing { Length, Chunks, ToClose }

    /// <remarks>
    /// A read into nothing waits, as far as the transport can, until there is something to read, and the caller goes on
    /// on the poller's thread. It tells nothing: an end and errors are the next read's to report.
    /// </remarks>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (hasEnded)
            return new(0);
        ObjectDisposedException.ThrowIf(connection is null, this);
        return buffer.IsEmpty ? connection.WaitReadableAsync(cancellationToken) : ReadSome(buffer, cancellationToken);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    protected override void Dispose(bool disposing)
    {
        Release();
        base.Dispose(disposing);
    }

    /// <summary>The rule in a stream: the bytes are there, and no state machine is needed to take them.</summary>
    private ValueTask<int> ReadSome(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (framing == Framing.Length && buffer.Length > remainingBytes)
            buffer = buffer[..(int)remainingBytes];
        while (true)
        {
            ValueTask<int> receiving = Receive(buffer, cancellationToken);
            if (!receiving.IsCompletedSuccessfully)
                return ReadSomeAsync(receiving, buffer, cancellationToken);
            int data = Take(buffer.Span[..receiving.Result]);
            if (data > 0 || hasEnded)
                return new(data);
        }
    }

    private ValueTask<int> Receive(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            return connection!.ReceiveAsync(buffer, cancellationToken);
        }
        catch (Exception e)
        {
            return ValueTask.FromException<int>(e);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> ReadSomeAsync(
        ValueTask<int> receiving, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (true)
        {
            int received;
            try
            {
                received = await receiving;
            }
            catch (SocketException e)
            {
                Release();
                cancellationToken.ThrowIfCancellationRequested();
                throw new HttpFailure(HttpStage.Body, e.Message, e);
            }
            catch
            {
                Release();
                throw;
            }
            int data = Take(buffer.Span[..received]);
            if (data > 0 || hasEnded)
                return data;
            receiving = Receive(buffer, cancellationToken);
        }
    }

    private int Take(Span<byte> received)
    {
        if (received.IsEmpty)
        {
            if (framing != Framing.ToClose)
                throw Broken("The server closed the connection before the end of its answer.");
            End();
            return 0;
        }
        if (framing == Framing.Chunks)
        {
            int data = chunks.Decode(received, out int used);
            if (data < 0)
                throw Broken("The server's answer is not in proper chunks.");
            if (chunks.IsDone)
                End(hasMore: used < received.Length);
            return data;
        }
        remainingBytes -= received.Length;
        if (framing == Framing.Length && remainingBytes == 0)
            End();
        return received.Length;
    }

    private void End(bool hasMore = false)
    {
        hasEnded = true;
        if (isReusable && framing != Framing.ToClose && !hasMore && !connection!.HasUnreadBytes)
        {
            endpoint.Return(connection);
            connection = null;
        }
        Release();
    }

    private HttpFailure Broken(string how)
    {
        Release();
        return new(HttpStage.Body, how);
    }

    private void Release()
    {
        connection?.Dispose();
        connection = null;
    }

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => throw new NotSupportedException();
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override void Flush() { }
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
