namespace HotModel.Fit;

/// <summary>How many tokens the cache has room for.</summary>
/// <param name="Full">In a layer that sees everything, for each stream.</param>
/// <param name="Sliding">In a layer with a sliding window, for each stream.</param>
/// <param name="Streams">Caches beside each other: one for each slot, or one for all.</param>
internal readonly record struct CacheCells(long Full, long Sliding, int Streams)
{
    // llama_context rounds contexts up to it, llama_kv_cache_iswa windows.
    public const int Multiple = 256;

    public static CacheCells Of(ModelShape shape, FitSettings settings)
    {
        var slots = settings.SlotsOrDefault;
        var context = Context(shape, settings);
        var full = settings.IsUnified ? RoundUp(context) : RoundUp(Math.Max(RoundUp(context) / slots, 1));
        var streams = settings.IsUnified ? 1 : slots;
        var window = checked(shape.WindowTokens * (slots / streams) + MicroBatch(shape, settings));
        return new CacheCells(full, settings.FullSlidingWindow ? full : RoundUp(Math.Min(full, window)), streams);
    }

    /// <summary>The tokens that are computed at once.</summary>
    public static long MicroBatch(ModelShape shape, FitSettings settings)
    {
        // With the context as it was asked for, before it is rounded.
        var batch = Math.Min(Context(shape, settings), Math.Max(settings.BatchTokens, 1));
        return Math.Min(batch, settings.MicroBatchTokens > 0 ? settings.MicroBatchTokens : batch);
    }

    public static long Context(ModelShape shape, FitSettings settings) =>
        Math.Max(settings.ContextTokens > 0 ? settings.ContextTokens : shape.TrainedContext, 1);

    private static long RoundUp(long tokens) => checked((tokens + Multiple - 1) / Multiple * Multiple);
}
