using System.Buffers.Binary;
using HotModel.Fit;
using HotModel.Tests.Llama;
using TinyGguf;

namespace HotModel.Tests.Fit;

/// <summary>Files that somebody damaged or made up: a value or an error, in bounded time and memory.</summary>
public sealed class GgufFuzzTests
{
    private const int Files = 20_000;

    // The file's own memory, the reader's buffer, and what a header of some kilobytes can be made into.
    private const long MostBytes = 4 << 20;

    [Theory(Timeout = 120_000)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_damaged_header_is_read_or_refused(int seed)
    {
        using var folder = new TempFolder();
        var path = Path.Combine(folder.Path, "m.gguf");
        new TinyModel { Vocabulary = 512, Embedding = 32, Heads = 1, FeedForward = 32, Layers = 1 }.Write(path);
        var whole = File.ReadAllBytes(path);
        var header = HeaderBytes(whole);
        await Task.Run(() => Damage(whole, header, new Random(seed), seed));
    }

    private static void Damage(byte[] whole, int header, Random random, int seed)
    {
        var (read, refused, most) = (0, 0, 0L);
        for (var i = 0; i < Files; i++)
        {
            var bytes = Damaged(whole, header, random);
            var before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                var part = GgufPart.Read(new MemoryStream(bytes), bytes.Length);
                Assert.All(part.Tensors, tensor => Assert.InRange(tensor.Bytes, 0, bytes.Length));
                if (ModelShape.Of(new GgufModel(part.Metadata, part.Tensors)) is { Shape: { } shape })
                {
                    var settings = new FitSettings { GpuShares = [1], FlashAttention = random.Next(2) == 0 };
                    LargestContext.Find(shape, settings, [1 << 30], null);
                }
                read++;
            }
            catch (GgufFault e)
            {
                Assert.DoesNotContain('\n', e.Message);
                refused++;
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {seed}, file {i}: {e}");
            }
            most = Math.Max(most, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.True(most <= MostBytes, $"seed {seed}: {most} bytes for one file");
        Assert.InRange(read, Files / 100, Files);
        Assert.InRange(refused, Files / 10, Files);
    }

    private static byte[] Damaged(byte[] whole, int header, Random random)
    {
        if (random.Next(4) == 0)
            return whole[..random.Next(whole.Length)];
        var bytes = whole[..];
        for (var count = random.Next(1, 6); count > 0; count--)
        {
            // Half of them where counts, the first keys and lengths are.
            var at = random.Next(random.Next(2) == 0 ? Math.Min(header, 600) : header);
            switch (random.Next(4))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 2:
                    BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(at), Odd(random, whole.Length));
                    break;
                default:
                    BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(at), (uint)Odd(random, whole.Length));
                    break;
            }
        }
        return bytes;
    }

    /// <summary>Numbers at which lengths and offsets go wrong.</summary>
    private static ulong Odd(Random random, int length) => random.Next(8) switch
    {
        0 => 0,
        1 => ulong.MaxValue,
        2 => long.MaxValue,
        3 => 1UL << 63,
        4 => (ulong)length,
        5 => (ulong)(length + random.Next(-64, 64)),
        6 => 1UL << random.Next(64),
        _ => (ulong)random.Next(16),
    };

    private static int HeaderBytes(byte[] whole)
    {
        var part = GgufPart.Read(new MemoryStream(whole), whole.Length);
        return whole.Length - (int)part.Tensors.Max(tensor => tensor.Offset + (tensor.Bytes + 31) / 32 * 32);
    }
}
