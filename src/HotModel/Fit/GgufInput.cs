using System.Buffers.Binary;
using System.Text;

namespace HotModel.Fit;

/// <summary>The bytes of a GGUF's header, one after the other.</summary>
/// <remarks>
/// A header may say anything. So nothing is believed before there are bytes for it in the file, and reading ends after
/// <see cref="HeaderBytesLimit"/>: the largest vocabularies with their merges take about 12 MB.
/// </remarks>
internal sealed class GgufInput(Stream file, long fileBytes)
{
    public const long HeaderBytesLimit = 256L << 20;
    private const int BufferBytes = 64 << 10;

    private readonly byte[] buffer = new byte[BufferBytes];
    private int start;
    private int end;

    public long Position { get; private set; }

    public long Left => fileBytes - Position;

    public byte Byte() => Take(1)[0];

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    public long Integer(int bytes, bool signed)
    {
        var taken = Take(bytes);
        return (bytes, signed) switch
        {
            (1, false) => taken[0],
            (1, true) => (sbyte)taken[0],
            (2, false) => BinaryPrimitives.ReadUInt16LittleEndian(taken),
            (2, true) => BinaryPrimitives.ReadInt16LittleEndian(taken),
            (4, false) => BinaryPrimitives.ReadUInt32LittleEndian(taken),
            (4, true) => BinaryPrimitives.ReadInt32LittleEndian(taken),
            _ => BinaryPrimitives.ReadInt64LittleEndian(taken),
        };
    }

    /// <summary>A count of things that take at least so many bytes each.</summary>
    public int Count(ulong count, int bytesEach, int most, string what)
    {
        if (count > (ulong)(Left / bytesEach))
            throw new GgufFault($"says it has {count} {what}, for which it is too short");
        return count <= (ulong)most ? (int)count : throw new GgufFault($"says it has {count} {what}, the most is {most}");
    }

    /// <param name="what">What is read, for the message.</param>
    /// <param name="most">Longer ones are a fault.</param>
    public string Text(string what, int most)
    {
        var length = UInt64();
        if (length > (ulong)most)
            throw new GgufFault($"has a {what} of {length} bytes, the most is {most}");
        return Encoding.UTF8.GetString(Take((int)length));
    }

    /// <returns>Null where it is longer than that; then it is skipped.</returns>
    public string? TextUpTo(int most)
    {
        var length = UInt64();
        if (length <= (ulong)most)
            return Encoding.UTF8.GetString(Take((int)length));
        Skip(length);
        return null;
    }

    public void Skip(ulong bytes)
    {
        if (bytes > (ulong)Left)
            throw Ended();
        CheckLimit((long)bytes);
        Position += (long)bytes;
        if (bytes <= (ulong)(end - start))
        {
            start += (int)bytes;
            return;
        }
        file.Position = Position;
        start = end = 0;
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > Left)
            throw Ended();
        CheckLimit(count);
        if (end - start < count)
            Fill(count);
        var taken = buffer.AsSpan(start, count);
        start += count;
        Position += count;
        return taken;
    }

    private void Fill(int count)
    {
        buffer.AsSpan(start, end - start).CopyTo(buffer);
        (start, end) = (0, end - start);
        var read = file.ReadAtLeast(buffer.AsSpan(end), count - end, throwOnEndOfStream: false);
        end += read;
        if (end < count)
            throw Ended();
    }

    private void CheckLimit(long bytes)
    {
        if (Position + bytes > HeaderBytesLimit)
            throw new GgufFault($"has a header of more than {HeaderBytesLimit >> 20} MiB");
    }

    private GgufFault Ended() => new($"ends within its header, after {fileBytes} bytes");
}

/// <summary>Leaves the reading of one file, within which it is caught.</summary>
internal sealed class GgufFault(string message) : Exception(message)
{
    /// <summary>See <see cref="GgufResult.IsNoModel"/>.</summary>
    public bool IsNoModel { get; init; }
}
