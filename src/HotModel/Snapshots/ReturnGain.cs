namespace HotModel.Snapshots;

/// <summary>What answers did not have to evaluate, since the start. From any thread.</summary>
internal sealed class ReturnGain
{
    private readonly Lock sync = new();
    private long restoredTokens, aheadTokens;
    private double restoredSeconds, aheadSeconds, readSeconds;

    /// <summary>A file was read, whether an answer will use it or not.</summary>
    public void Read(double seconds)
    {
        lock (sync)
            readSeconds += seconds;
    }

    /// <param name="restored">Tokens that came from a file.</param>
    /// <param name="ahead">Tokens that were evaluated before they were asked for.</param>
    /// <param name="secondsPerToken">Of evaluating; null: not known, and then no seconds count.</param>
    public void Used(int restored, int ahead, double? secondsPerToken)
    {
        lock (sync)
        {
            restoredTokens += restored;
            aheadTokens += ahead;
            restoredSeconds += restored * secondsPerToken ?? 0;
            aheadSeconds += ahead * secondsPerToken ?? 0;
        }
    }

    public WarmTotals Totals
    {
        get
        {
            lock (sync)
            {
                return new WarmTotals(restoredTokens, Math.Round(Math.Max(0, restoredSeconds - readSeconds), 3),
                    aheadTokens, Math.Round(aheadSeconds, 3));
            }
        }
    }
}

/// <param name="ReusedTokens">Restored, and then used by an answer.</param>
/// <param name="SavedSeconds">What evaluating them would have taken, by the speed of their model's other prompts, less the
/// reading of all files; without those of a model whose speed is not known.</param>
/// <param name="AheadTokens">Evaluated ahead, and then used by an answer.</param>
/// <param name="AheadSeconds">What evaluating them took from the wait for the answer.</param>
internal readonly record struct WarmTotals(long ReusedTokens, double SavedSeconds, long AheadTokens, double AheadSeconds);
