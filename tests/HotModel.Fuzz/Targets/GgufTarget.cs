using HotModel.Fit;

namespace HotModel.Fuzz.Targets;

/// <summary>
/// A GGUF: the input is all of the file, or its beginning. Claims: its header is read or there is one sentence of what is
/// wrong with it; nothing in it lies outside of the file; reading it and reckoning with it takes no more memory than its
/// size allows; and it does not matter in what pieces the file is read.
/// </summary>
internal static class GgufTarget
{
    /// <summary>Zeros behind the input, as a file with a hole has them: room for tensors.</summary>
    private const long HoleBytes = 1 << 30;

    // The reader's own buffer, and what each byte of a header may become: names, lists, and what is reckoned for each layer.
    private const long MemoryBytesMax = 4 << 20;
    private const int MemoryFactorMax = 64;

    private static readonly FitSettings[] Settings =
    [
        new() { GpuShares = [1] },
        new() { GpuShares = [1, 2], FlashAttention = false, Slots = 2, FullSlidingWindow = true, ExpertLayersOnCpu = 3 },
        new() { GpuLayers = 1, ContextTokens = 4096, KeyCacheType = GgmlType.Find("q8_0")!, CacheOnGpu = false },
    ];

    public static void Run(byte[] input)
    {
        foreach (long hole in new[] { 0, HoleBytes })
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            string read = Read(input, hole, int.MaxValue);
            long bytes = GC.GetAllocatedBytesForCurrentThread() - before;
            Require.That(bytes <= MemoryBytesMax + MemoryFactorMax * input.Length, $"{bytes} bytes of memory");
            Require.Equal(read, Read(input, hole, 7));
        }
    }

    private static string Read(byte[] input, long hole, int pieceBytes)
    {
        try
        {
            using var file = new SparseStream(input, hole, pieceBytes);
            GgufPart part = GgufPart.Read(file, file.Length);
            foreach (GgufTensor tensor in part.Tensors)
                Require.That(tensor is { Bytes: >= 0, Offset: >= 0 } && tensor.Bytes <= file.Length - tensor.Offset);
            var (shape, fault) = ModelShape.Of(new GgufModel(part.Metadata, part.Tensors));
            if (fault is not null)
                Require.IsOneLine(fault);
            IEnumerable<string> tensors = part.Tensors.Select(t => $"{t.Name} {t.Type.Name} {string.Join('x', t.Dimensions)}");
            IEnumerable<string> sizes = shape is null ? [] : Settings.Select(settings => Reckon(shape, settings));
            return string.Join(';', [.. tensors, fault, .. sizes]);
        }
        catch (GgufFault e)
        {
            Require.IsOneLine(e.Message);
            return e.Message;
        }
    }

    private static string Reckon(ModelShape shape, FitSettings settings)
    {
        MemoryEstimate? estimate = MemoryEstimate.Of(shape, settings);
        foreach (DeviceMemory device in estimate is null ? [] : estimate.Gpus.Prepend(estimate.Cpu))
            Require.That(device is { WeightBytes: >= 0, CacheBytes: >= 0, ComputeBytes: >= 0, ProcessBytes: >= 0 });
        long? context = LargestContext.Find(shape, settings, [1L << 30, 1L << 30], 1L << 30);
        Require.That(context is null or > 0);
        return $"{estimate?.Cpu.TotalBytes} {context}";
    }

    /// <summary>Bytes and then zeros; each read gives no more than so many.</summary>
    private sealed class SparseStream(byte[] bytes, long hole, int pieceBytes) : Stream
    {
        public override long Length => bytes.Length + hole;

        public override long Position { get; set; }

        public override int Read(Span<byte> buffer)
        {
            int count = (int)Math.Min(Math.Min(buffer.Length, pieceBytes), Math.Max(0, Length - Position));
            buffer[..count].Clear();
            if (Position < bytes.Length)
            {
                count = (int)Math.Min(count, bytes.Length - Position);
                bytes.AsSpan((int)Position, count).CopyTo(buffer);
            }
            Position += count;
            return count;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));
        public override bool CanRead => true;
        public override bool CanSeek => true;
        public override bool CanWrite => false;
        public override void Flush() { }
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
