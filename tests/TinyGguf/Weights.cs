using System.Buffers.Binary;

namespace TinyGguf;

/// <summary>One block of random weights that is written over and over: any size at the speed of the disk.</summary>
internal sealed class Weights
{
    // Primes: matrix rows are never a divisor of the period, so that no two rows of a matrix are the same.
    private const int F16Values = 524_287;
    private const int Q8Blocks = 30_011;

    private readonly TensorType type;
    private readonly SplitMix random;
    private readonly byte[] period;
    private readonly int unit;

    public Weights(TensorType type, SplitMix random)
    {
        this.type = type;
        this.random = random;
        unit = type == TensorType.Q8 ? TensorTypes.BlockBytes : 2;
        period = type == TensorType.Q8 ? Q8() : F16();
    }

    public void WriteRandom(Stream target, long bytes)
    {
        var from = random.Below(period.Length / unit) * unit;
        while (bytes > 0)
        {
            var count = (int)Math.Min(bytes, period.Length - from);
            target.Write(period, from, count);
            bytes -= count;
            from = 0;
        }
    }

    public static void WriteZeros(Stream target, long bytes)
    {
        Span<byte> zeros = stackalloc byte[4096];
        zeros.Clear();
        for (; bytes > 0; bytes -= zeros.Length)
            target.Write(zeros[..(int)Math.Min(bytes, zeros.Length)]);
    }

    public static void WriteAll(Stream target, long values, float value)
    {
        Span<byte> one = stackalloc byte[4];
        BinaryPrimitives.WriteSingleLittleEndian(one, value);
        for (var i = 0L; i < values; i++)
            target.Write(one);
    }

    public static void WriteHalf(Stream target, float value)
    {
        Span<byte> half = stackalloc byte[2];
        BinaryPrimitives.WriteHalfLittleEndian(half, (Half)value);
        target.Write(half);
    }

    private byte[] F16()
    {
        var bytes = new byte[F16Values * 2];
        for (var i = 0; i < F16Values; i++)
            BinaryPrimitives.WriteHalfLittleEndian(bytes.AsSpan(i * 2), (Half)random.Normal(0.05f));
        return bytes;
    }

    private byte[] Q8()
    {
        var bytes = new byte[Q8Blocks * TensorTypes.BlockBytes];
        for (var i = 0; i < Q8Blocks; i++)
        {
            var block = bytes.AsSpan(i * TensorTypes.BlockBytes, TensorTypes.BlockBytes);
            BinaryPrimitives.WriteHalfLittleEndian(block, (Half)0.0005f);
            foreach (ref var weight in block[2..])
                weight = (byte)random.Next();
        }
        return bytes;
    }
}
