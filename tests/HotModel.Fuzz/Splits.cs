using System.IO.Hashing;

namespace HotModel.Fuzz;

/// <summary>The ways in which the same bytes may arrive.</summary>
internal static class Splits
{
    private const int PieceBytesMax = 24;

    /// <summary>All at once, byte by byte, and in pieces that these bytes alone decide: a finding can be repeated.</summary>
    public static IEnumerable<IReadOnlyList<byte[]>> Of(byte[] bytes)
    {
        yield return [bytes];
        yield return [.. bytes.Chunk(1)];
        var random = new Random((int)XxHash32.HashToUInt32(bytes));
        var pieces = new List<byte[]>();
        for (int at = 0; at < bytes.Length;)
        {
            int length = Math.Min(random.Next(1, PieceBytesMax + 1), bytes.Length - at);
            pieces.Add(bytes[at..(at + length)]);
            at += length;
        }
        yield return pieces;
    }
}

/// <summary>Each read gives at most one piece.</summary>
internal sealed class PieceStream(IReadOnlyList<byte[]> pieces) : Stream
{
    private int next;
    private ReadOnlyMemory<byte> rest;

    public override int Read(Span<byte> buffer)
    {
        while (rest.IsEmpty)
        {
            if (next == pieces.Count)
                return 0;
            rest = pieces[next++];
        }
        int count = Math.Min(rest.Length, buffer.Length);
        rest.Span[..count].CopyTo(buffer);
        rest = rest[count..];
        return count;
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        new(Read(buffer.Span));

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
    public override void Flush() { }
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
