namespace HotModel.Fit;

/// <summary>The longest context with which a model fits into what is free.</summary>
internal static class LargestContext
{
    /// <param name="shape">The model.</param>
    /// <param name="settings">Its context is the most that is tried, or what the model was trained for, if that is more.</param>
    /// <param name="freeGpuBytes">For each of the settings' GPUs.</param>
    /// <param name="freeCpuBytes">Null where the CPU's memory does not matter.</param>
    /// <returns>For --ctx-size, a multiple of 256; null where not even the shortest fits.</returns>
    public static long? Find(
        ModelShape shape, FitSettings settings, IReadOnlyList<long> freeGpuBytes, long? freeCpuBytes)
    {
        var most = Math.Max(settings.ContextTokens, shape.TrainedContext) / CacheCells.Multiple;
        // More context never takes less memory, so what fits are the first of all.
        var (fits, tooMany) = (0L, Math.Max(most, 1) + 1);
        while (tooMany - fits > 1)
        {
            var half = fits + (tooMany - fits) / 2;
            if (Fits(shape, settings with { ContextTokens = half * CacheCells.Multiple }, freeGpuBytes, freeCpuBytes))
                fits = half;
            else
                tooMany = half;
        }
        return fits > 0 ? fits * CacheCells.Multiple : null;
    }

    public static bool Fits(ModelShape shape, FitSettings settings, IReadOnlyList<long> freeGpuBytes, long? freeCpuBytes) =>
        MemoryEstimate.Of(shape, settings) is { } estimate
        && (freeCpuBytes is null || estimate.Cpu.TotalBytes <= freeCpuBytes)
        && !estimate.Gpus.Where((gpu, i) => gpu.TotalBytes > (i < freeGpuBytes.Count ? freeGpuBytes[i] : 0)).Any();
}
