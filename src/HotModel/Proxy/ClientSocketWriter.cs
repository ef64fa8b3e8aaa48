using System.Buffers;
using System.Buffers.Text;
using System.IO.Pipelines;
using System.Net.Sockets;
using HotModel.Http;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace HotModel.Proxy;

/// <summary>Writes a chunked body straight to the client's socket: one call of the system for each flush.</summary>
/// <remarks>
/// Kestrel has sent the head, sends nothing while the request runs, and ends the body when it has ended. A stream that
/// waits for its model holds no memory here. What the client does not take at once is sent by the pool's threads, and
/// the flush is complete when it has gone.
/// </remarks>
internal sealed class ClientSocketWriter : PipeWriter
{
    // One arrival as a rule; the pool keeps one of this size at hand for each thread.
    private const int BufferBytes = 16 << 10;
    private const int SizeLineBytes = 10;
    private const int LineEndBytes = 2;

    private static readonly ValueTask<FlushResult> Sent = new(new FlushResult(isCanceled: false, isCompleted: false));
    private static readonly ValueTask<FlushResult> Gone = new(new FlushResult(isCanceled: false, isCompleted: true));

    private readonly Socket client;
    private byte[] buffer = [];
    private int filled;

    private ClientSocketWriter(Socket client) => this.client = client;

    /// <summary>For an answer whose head was flushed. Null where its bytes are Kestrel's to frame or to encrypt.</summary>
    public static ClientSocketWriter? TryCreate(HttpContext context)
    {
        if (context.Features.Get<IConnectionSocketFeature>() is not { Socket: var client }
            || context.Features.Get<ITlsConnectionFeature>() is not null
            || context.Request.Protocol != HttpProtocol.Http11
            || context.Response.Headers.TransferEncoding != "chunked")
            return null;
        try
        {
            client.Blocking = false;
            return new(client);
        }
        catch (ObjectDisposedException)
        {
            // The client left meanwhile.
            return null;
        }
    }

    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        int needed = SizeLineBytes + filled + Math.Max(sizeHint, 1) + LineEndBytes;
        if (buffer.Length < needed)
        {
            byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(needed, BufferBytes));
            buffer.AsSpan(0, buffer.Length == 0 ? 0 : SizeLineBytes + filled).CopyTo(larger);
            GiveBack();
            buffer = larger;
        }
        return buffer.AsMemory((SizeLineBytes + filled)..^LineEndBytes);
    }

    public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public override void Advance(int bytes)
    {
        filled += bytes;
        if (filled == 0)
            GiveBack();
    }

    /// <summary>IsCompleted: the client has gone.</summary>
    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        if (filled == 0)
            return Sent;
        ReadOnlyMemory<byte> chunk = Frame();
        filled = 0;
        int sent;
        SocketError error;
        try
        {
            sent = client.Send(chunk.Span, SocketFlags.None, out error);
        }
        catch (ObjectDisposedException)
        {
            GiveBack();
            return Gone;
        }
        if (error == SocketError.WouldBlock || (error == SocketError.Success && sent < chunk.Length))
            return SendRestAsync(chunk[(error == SocketError.Success ? sent : 0)..]);
        GiveBack();
        return error == SocketError.Success ? Sent : Gone;
    }

    public override void CancelPendingFlush() => throw new NotSupportedException();

    /// <summary>Kestrel completes the body.</summary>
    public override void Complete(Exception? exception = null) { }

    private async ValueTask<FlushResult> SendRestAsync(ReadOnlyMemory<byte> rest)
    {
        try
        {
            while (!rest.IsEmpty)
                rest = rest[await client.SendAsync(rest, SocketFlags.None)..];
            return Sent.Result;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return Gone.Result;
        }
        finally
        {
            GiveBack();
        }
    }

    /// <summary>"1F0\r\n", what was written, "\r\n".</summary>
    private ReadOnlyMemory<byte> Frame()
    {
        Span<byte> size = stackalloc byte[SizeLineBytes];
        Utf8Formatter.TryFormat(filled, size, out int digits, 'X');
        "\r\n"u8.CopyTo(size[digits..]);
        size = size[..(digits + LineEndBytes)];
        int start = SizeLineBytes - size.Length;
        size.CopyTo(buffer.AsSpan(start));
        int end = SizeLineBytes + filled;
        "\r\n"u8.CopyTo(buffer.AsSpan(end));
        return buffer.AsMemory(start..(end + LineEndBytes));
    }

    private void GiveBack()
    {
        if (buffer.Length > 0)
            ArrayPool<byte>.Shared.Return(buffer);
        buffer = [];
    }
}
