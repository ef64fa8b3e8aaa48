namespace HotModel.Prefill;

/// <summary>How many tokens are evaluated at a time: what takes a moment that a request can wait.</summary>
internal sealed class PrefillPace
{
    private const double PieceSeconds = 0.2;
    /// <summary>Fewer take hardly less time: reading the weights does not depend on their number.</summary>
    public const int LeastTokens = 32;
    /// <summary>llama-server's batch (its --batch-size, by default): longer pieces are no faster.</summary>
    private const int MostTokens = 2048;

    public int Tokens { get; private set; } = LeastTokens;

    /// <param name="evaluated">Tokens of the last piece.</param>
    /// <param name="seconds">From its request to its answer.</param>
    public void Learn(int evaluated, double seconds)
    {
        if (evaluated <= 0 || seconds <= 0)
            return;
        var fitting = Math.Clamp(evaluated / seconds * PieceSeconds, LeastTokens, MostTokens);
        // Halfway, and at most to the double: one piece that was slow or fast by chance says little.
        Tokens = (int)Math.Min((Tokens + fitting) / 2, Tokens * 2);
    }
}
