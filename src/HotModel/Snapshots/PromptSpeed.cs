namespace HotModel.Snapshots;

/// <summary>How fast a model, with its options, evaluates long prompts. Not for several threads: its owner locks.</summary>
/// <param name="known">Seconds for a token, as of an earlier run; null: not known.</param>
internal sealed class PromptSpeed(double? known)
{
    // What a prompt costs whatever its length is some 10 ms: less than a tenth of these.
    private const int LongTokens = 512;
    private const double LongSeconds = 0.1;
    /// <summary>Fewer go through the processor one by one, in a way of their own.</summary>
    private const int LeastTokens = 32;

    private long tokens;
    private double seconds;

    /// <summary>Null before the first prompt that told.</summary>
    public double? SecondsPerToken => tokens == 0 ? known : seconds / tokens;

    public void Learn(AnswerTimings timings)
    {
        if (timings.PromptTokens < LongTokens
            && (timings.PromptTokens < LeastTokens || timings.PromptSeconds < LongSeconds))
            return;
        tokens += timings.PromptTokens;
        seconds += timings.PromptSeconds;
    }
}
