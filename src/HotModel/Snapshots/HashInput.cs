using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;

namespace HotModel.Snapshots;

/// <summary>Values into one hash, each with its length before it: "ab", "c" and "a", "bc" differ.</summary>
internal sealed class HashInput
{
    private readonly XxHash128 hash = new();

    public HashInput Add(long value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        hash.Append(bytes);
        return this;
    }

    public HashInput Add(ReadOnlySpan<byte> bytes)
    {
        Add(bytes.Length);
        hash.Append(bytes);
        return this;
    }

    public HashInput Add(string text) => Add(Encoding.UTF8.GetBytes(text));

    public string Hex() => Convert.ToHexStringLower(hash.GetCurrentHash());
}
