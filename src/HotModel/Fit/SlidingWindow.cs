namespace HotModel.Fit;

/// <summary>Which layers see only the last tokens.</summary>
/// <remarks>
/// GGUFs rarely say so: llama.cpp knows it from the architecture (load_arch_hparams in src/models/*.cpp). An
/// architecture that is missing here, or that llama.cpp gives no window whatever the file says, as phi3 and those of
/// Mistral and Qwen 2, counts as one without: the estimate is then too large, never too small.
/// </remarks>
internal static class SlidingWindow
{
    /// <param name="Period">Of so many layers all but one slide.</param>
    /// <param name="FullFirst">The one that sees everything is the first of them, else the last.</param>
    /// <param name="Tokens">Where the file does not say.</param>
    private readonly record struct Pattern(int Period, bool FullFirst = false, long Tokens = 0);

    /// <returns>The window, 0 for none, and for each layer whether it has it.</returns>
    public static (long Tokens, bool[] Layers) Of(GgufMetadata metadata, int layers)
    {
        var none = (0L, new bool[layers]);
        var prefix = metadata.Architecture;
        var known = Known(prefix);
        var key = prefix + ".attention.sliding_window_pattern";
        var said = metadata.Numbers(key);
        if (known is null && said is not { Count: > 0 })
            return none;
        var tokens = metadata.Number(prefix + ".attention.sliding_window") ?? known?.Tokens ?? 0;
        if (tokens <= 0)
            return none;
        var slides = new bool[layers];
        for (var i = 0; i < layers; i++)
        {
            slides[i] = said is { Count: > 0 } && metadata.IsArray(key)
                ? said[i % said.Count] != 0
                : Slides(i, (int)(metadata.Number(key) ?? known?.Period ?? 1), known?.FullFirst ?? false);
        }
        return (tokens, slides);
    }

    private static bool Slides(int layer, int period, bool fullFirst) =>
        period <= 0 || (fullFirst ? layer % period != 0 : layer % period < period - 1);

    private static Pattern? Known(string architecture) => architecture switch
    {
        "gemma2" => new Pattern(2, Tokens: 4096),
        "gpt-oss" => new Pattern(2),
        "afmoe" or "cohere2" or "exaone4" or "exaone-moe" or "olmo2" => new Pattern(4),
        "llama4" => new Pattern(4, Tokens: 8192),
        "smallthinker" => new Pattern(4, FullFirst: true, Tokens: 4096),
        "gemma3n" => new Pattern(5),
        "gemma3" => new Pattern(6),
        "plamo3" => new Pattern(8),
        _ => null,
    };
}
