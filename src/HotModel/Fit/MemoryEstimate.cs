namespace HotModel.Fit;

/// <param name="WeightBytes">With those of the projector.</param>
/// <param name="CacheBytes">Keys and values, and the state of recurrent layers.</param>
/// <param name="ComputeBytes">See <see cref="ComputeBuffer"/>; on the CPU with the logits.</param>
/// <param name="ProcessBytes">What a process takes there before it has a model.</param>
internal readonly record struct DeviceMemory(long WeightBytes, long CacheBytes, long ComputeBytes, long ProcessBytes)
{
    public long TotalBytes => checked(WeightBytes + CacheBytes + ComputeBytes + ProcessBytes);
}

/// <summary>The memory that a llama-server with this model and these settings takes, before it has ever run.</summary>
/// <remarks>
/// Not in it: adapters, draft models, and what llama-server keeps in the CPU's memory beside the model: its prompt cache
/// (--cache-ram), checkpoints, and some 55 bytes that it notes of each cell of the cache, which itself has tens of thousands
/// for that cell in models of any use. What is unset and --fit would lessen counts in full.
/// </remarks>
internal sealed record MemoryEstimate(DeviceMemory Cpu, IReadOnlyList<DeviceMemory> Gpus)
{
    /// <returns>Null where the numbers go beyond all memory.</returns>
    public static MemoryEstimate? Of(ModelShape shape, FitSettings settings)
    {
        try
        {
            var estimate = new EstimateSum(shape, settings).Sum();
            // Here, and not where they are read, it may go beyond all memory.
            _ = estimate.Cpu.TotalBytes;
            foreach (var gpu in estimate.Gpus)
                _ = gpu.TotalBytes;
            return estimate;
        }
        catch (OverflowException)
        {
            return null;
        }
    }
}
