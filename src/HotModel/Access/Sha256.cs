using System.Buffers.Binary;
using System.Numerics;

namespace HotModel.Access;

/// <summary>SHA-256 (FIPS 180-4).</summary>
/// <remarks>Our own, because the library's needs OpenSSL at run time, which the executable otherwise does without.</remarks>
internal static class Sha256
{
    public const int HashBytes = 32;
    private const int BlockBytes = 64;
    private const int Rounds = 64;

    // The first 32 bits of the fractional parts of the cube roots and of the square roots of the first primes.
    private static readonly uint[] RoundConstants = [.. Primes(Rounds).Select(prime => Fraction(prime, 3))];
    private static readonly uint[] Start = [.. Primes(8).Select(prime => Fraction(prime, 2))];

    public static byte[] Hash(ReadOnlySpan<byte> data)
    {
        uint[] state = [.. Start];
        var rest = data;
        for (; rest.Length >= BlockBytes; rest = rest[BlockBytes..])
            Add(state, rest[..BlockBytes]);
        // A one bit, zeros, and the length in bits at the end of a block.
        Span<byte> last = stackalloc byte[2 * BlockBytes];
        last.Clear();
        rest.CopyTo(last);
        last[rest.Length] = 0x80;
        var end = rest.Length < BlockBytes - sizeof(ulong) ? BlockBytes : 2 * BlockBytes;
        BinaryPrimitives.WriteUInt64BigEndian(last[(end - sizeof(ulong))..], (ulong)data.Length * 8);
        for (var at = 0; at < end; at += BlockBytes)
            Add(state, last.Slice(at, BlockBytes));
        var hash = new byte[HashBytes];
        for (var i = 0; i < state.Length; i++)
            BinaryPrimitives.WriteUInt32BigEndian(hash.AsSpan(i * sizeof(uint)), state[i]);
        return hash;
    }

    private static void Add(uint[] state, ReadOnlySpan<byte> block)
    {
        Span<uint> words = stackalloc uint[Rounds];
        for (var i = 0; i < 16; i++)
            words[i] = BinaryPrimitives.ReadUInt32BigEndian(block[(i * sizeof(uint))..]);
        for (var i = 16; i < Rounds; i++)
        {
            var (early, late) = (words[i - 15], words[i - 2]);
            words[i] = words[i - 16] + words[i - 7]
                + (Right(early, 7) ^ Right(early, 18) ^ (early >> 3)) + (Right(late, 17) ^ Right(late, 19) ^ (late >> 10));
        }
        var (a, b, c, d, e, f, g, h) =
            (state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]);
        for (var i = 0; i < Rounds; i++)
        {
            var first = h + (Right(e, 6) ^ Right(e, 11) ^ Right(e, 25)) + ((e & f) ^ (~e & g)) + RoundConstants[i] + words[i];
            var second = (Right(a, 2) ^ Right(a, 13) ^ Right(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
            (h, g, f, e, d, c, b, a) = (g, f, e, d + first, c, b, a, first + second);
        }
        uint[] mixed = [a, b, c, d, e, f, g, h];
        for (var i = 0; i < state.Length; i++)
            state[i] += mixed[i];
    }

    private static uint Right(uint value, int by) => BitOperations.RotateRight(value, by);

    private static IEnumerable<int> Primes(int count) =>
        Enumerable.Range(2, 400).Where(n => Enumerable.Range(2, n - 2).All(d => n % d != 0)).Take(count);

    /// <summary>Of the root: exact, by the largest integer whose power is at most the prime times 2^(32 · degree).</summary>
    private static uint Fraction(int prime, int degree)
    {
        var scaled = (BigInteger)prime << (32 * degree);
        BigInteger low = 0, high = (BigInteger)1 << 40;
        while (high - low > 1)
        {
            var middle = (low + high) / 2;
            (low, high) = BigInteger.Pow(middle, degree) <= scaled ? (middle, high) : (low, middle);
        }
        return (uint)(low & uint.MaxValue);
    }
}
