namespace HotModel.Prefill;

/// <summary>How many tokens are evaluated at a time: what takes a moment that a request can wait.</summary>
internal sealed class PrefillPace
{
    private const double PieceSeconds = 0.2;
    /// <summary>Fewer take hardly less time: reading the weights does not depend on their number.</summary>
    public const int LeastTokens = 32;
    /// <summary>llama-server's batch (its --batch-size, by default): longer pieces are no faster.</summary>
    private const int MostTokens = 2048;
    private const double Gain = 1.5;
    /// <summary>Where even the least takes longer than a moment.</summary>
    private const int SlowTokens = 256;

    private double lastRate;

    public int Tokens { get; private set; } = LeastTokens;

    /// <param name="evaluated">Tokens of the last piece.</param>
    /// <param name="seconds">From its request to its answer.</param>
    public void Learn(int evaluated, double seconds)
    {
        if (evaluated <= 0 || seconds <= 0)
            return;
        var rate = evaluated / seconds;
        var fitting = rate * PieceSeconds;
        if (fitting >= LeastTokens)
        {
            // Halfway, and at most to the double: one piece that was slow or fast by chance says little.
            Tokens = (int)Math.Min((Tokens + Math.Min(fitting, MostTokens)) / 2, Tokens * 2);
        }
        else
        {
            // Where other work is on the cores a piece may cost most of its time whatever its size: larger ones are tried, as
            // long as they gain.
            Tokens = Tokens > LeastTokens && rate < lastRate * Gain ? LeastTokens : Math.Min(Tokens * 2, SlowTokens);
        }
        lastRate = rate;
    }
}
