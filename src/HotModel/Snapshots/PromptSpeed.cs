namespace HotModel.Snapshots;

/// <summary>How fast a model, with its options, evaluates prompts, by all that it has told since the start.</summary>
internal sealed class PromptSpeed
{
    // Small prompts tell nothing of the speed: most of their time is not evaluation.
    private const int LeastTokens = 32;

    private long tokens;
    private double seconds;

    /// <summary>Null before the first prompt that told.</summary>
    public double? SecondsPerToken => tokens == 0 ? null : seconds / tokens;

    public void Learn(AnswerTimings timings)
    {
        if (timings.PromptTokens < LeastTokens)
            return;
        tokens += timings.PromptTokens;
        seconds += timings.PromptSeconds;
    }
}
