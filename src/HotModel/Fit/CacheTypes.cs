namespace HotModel.Fit;

/// <summary>What llama-server refuses whatever memory there is: cache types that do not go with the model.</summary>
internal static class CacheTypes
{
    /// <summary>A sentence without its end, by the rules of llama_init_from_model; null: nothing is wrong.</summary>
    public static string? Fault(ModelShape shape, FitSettings settings) =>
        Fault("K", "cache_type_k", settings.KeyCacheType, shape.HeadKeys)
        ?? Fault("V", "cache_type_v", settings.ValueCacheType, shape.HeadValues)
        ?? (settings is { FlashAttention: false, ValueCacheType.BlockValues: > 1 }
            ? $"a V cache of type {settings.ValueCacheType.Name} (cache_type_v) needs flash attention (flash_attn)" : null);

    private static string? Fault(string cache, string key, GgmlType type, long? head) => head % type.BlockValues is > 0
        ? $"a {cache} cache of type {type.Name} ({key}) needs heads of a multiple of {type.BlockValues} values, "
            + $"and those of the model have {head}; f16 goes with all"
        : null;
}
