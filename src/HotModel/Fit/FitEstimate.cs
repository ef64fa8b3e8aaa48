using HotModel.Gpu;

namespace HotModel.Fit;

/// <summary>What a model takes on the GPUs that are there.</summary>
internal static class FitEstimate
{
    /// <param name="fact">The model.</param>
    /// <param name="gpus">Those that its llama-server takes.</param>
    /// <param name="free">When it starts: llama.cpp shares layers out by it, unless it is told otherwise.</param>
    /// <param name="processBytes">What a process takes there before it has a model.</param>
    /// <returns>Null where the files do not tell.</returns>
    public static MemoryEstimate? Of(
        ModelFact fact, IReadOnlyList<GpuDevice> gpus, Func<GpuDevice, long> free, long processBytes) =>
        fact.Shape is null ? null : MemoryEstimate.Of(fact.Shape, SettingsFor(fact, gpus, free, processBytes));

    public static FitSettings SettingsFor(
        ModelFact fact, IReadOnlyList<GpuDevice> gpus, Func<GpuDevice, long> free, long processBytes)
    {
        var told = fact.Settings.GpuShares;
        return fact.Settings with
        {
            GpuShares = [.. gpus.Select((gpu, i) => told.Count == 0 ? Math.Max(1, free(gpu)) : i < told.Count ? told[i] : 0)],
            GpuProcessBytes = processBytes,
        };
    }

    /// <summary>Without the pages of a mapped file, which the system may drop.</summary>
    public static long CpuBytes(DeviceMemory cpu, FitSettings settings) =>
        settings.IsMapped ? cpu.TotalBytes - cpu.WeightBytes : cpu.TotalBytes;
}
