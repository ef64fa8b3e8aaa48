using System.Buffers;
using System.IO.Pipelines;

namespace HotModel.Tls;

/// <summary>What a client of TLS says and is told, over a connection that has only the encrypted bytes.</summary>
/// <param name="session">Ended by this.</param>
/// <param name="network">The connection, which is not.</param>
internal sealed class TlsStream(TlsSession session, IDuplexPipe network) : Stream
{
    /// <summary>The most that a record of TLS holds.</summary>
    private const int RecordBytes = 16 << 10;

    // The reader answers too, in a handshake and where the client changes keys.
    private readonly SemaphoreSlim sending = new(1);

    public override bool CanRead => true;
    public override bool CanWrite => true;
    public override bool CanSeek => false;
    public override long Length => throw new NotSupportedException();
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>False: this is no client that we have a common language with, or it has left.</summary>
    public async Task<bool> HandshakeAsync(CancellationToken cancel)
    {
        while (true)
        {
            var step = session.Handshake();
            await SendAsync(default, cancel);
            if (step != TlsStep.NeedsBytes)
                return step == TlsStep.Done;
            if (!await ReceiveAsync(cancel))
                return false;
        }
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty)
            return 0;
        while (true)
        {
            var step = session.Read(buffer.Span, out var count);
            if (session.Pending > 0)
                await SendAsync(default, cancellationToken);
            if (step is TlsStep.Done or TlsStep.Ended)
                return count;
            if (step == TlsStep.Broken)
                throw new IOException("The client's bytes are no TLS.");
            // Without a proper end: whether what came is whole, says the HTTP in it.
            if (!await ReceiveAsync(cancellationToken))
                return 0;
        }
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            while (!buffer.IsEmpty)
            {
                var record = buffer[..Math.Min(buffer.Length, RecordBytes)];
                await SendAsync(record, cancellationToken);
                buffer = buffer[record.Length..];
            }
        }
        catch (IOException)
        {
            // The client has left. Whoever writes is told by the end of the request, as on every other connection.
        }
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Tells the client that this is the end, if it still takes anything.</summary>
    public async Task EndAsync(CancellationToken cancel)
    {
        try
        {
            session.End();
            await SendAsync(default, cancel);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
        }
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    public override void Flush() { }
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        session.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>Records go out in the order in which they were made.</summary>
    private async ValueTask SendAsync(ReadOnlyMemory<byte> record, CancellationToken cancel)
    {
        await sending.WaitAsync(cancel);
        try
        {
            if (!record.IsEmpty && session.Write(record.Span) != TlsStep.Done)
                throw new IOException("The connection has ended.");
            while (session.Pending is > 0 and var pending)
                network.Output.Advance(session.Give(network.Output.GetSpan(pending)));
            await network.Output.FlushAsync(cancel);
        }
        finally
        {
            sending.Release();
        }
    }

    /// <summary>False: nothing more comes.</summary>
    private async ValueTask<bool> ReceiveAsync(CancellationToken cancel)
    {
        var read = await network.Input.ReadAsync(cancel);
        // The library keeps the room that it was once given much at once for as long as the connection lasts.
        var taken = read.Buffer.Slice(0, Math.Min(read.Buffer.Length, RecordBytes));
        foreach (var piece in taken)
            session.Take(piece.Span);
        network.Input.AdvanceTo(taken.End);
        return !taken.IsEmpty || !read.IsCompleted;
    }
}
