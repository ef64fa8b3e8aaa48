namespace HotModel.Tests.Proxy;

/// <summary>An upstream's body: each read gives at most one of the chunks, then the end or an error.</summary>
internal sealed class ScriptedStream(IEnumerable<byte[]> chunks, Exception? atEnd = null) : Stream
{
    private readonly IEnumerator<byte[]> chunks = chunks.GetEnumerator();
    private ReadOnlyMemory<byte> rest;

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (rest.IsEmpty)
        {
            if (!chunks.MoveNext())
                return atEnd is null ? new(0) : ValueTask.FromException<int>(atEnd);
            rest = chunks.Current;
        }
        int count = Math.Min(rest.Length, buffer.Length);
        rest[..count].CopyTo(buffer);
        rest = rest[count..];
        return new(count);
    }

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
    public override void Flush() { }
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
