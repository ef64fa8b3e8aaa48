namespace Soak;

/// <summary>How many rounds there are of each kind. A round is some traffic with faults, and then a quiet moment.</summary>
/// <param name="WarmUp">Before memory is looked at.</param>
/// <param name="Steady">In all of which one hotmodel serves.</param>
/// <param name="Restarts">In which hotmodel itself is ended and killed.</param>
internal sealed record SoakPlan(int WarmUp, int Steady, int Restarts)
{
    public const double LeastMinutes = 2;

    public static readonly TimeSpan Traffic = TimeSpan.FromSeconds(20);

    /// <summary>After which hotmodel has given the memory of the traffic back: it looks every three seconds.</summary>
    public static readonly TimeSpan Quiet = TimeSpan.FromSeconds(8);

    public static SoakPlan Of(TimeSpan length)
    {
        int rounds = (int)(length / (Traffic + Quiet));
        int warmUp = Math.Max(1, rounds / 5);
        int restarts = Math.Max(1, rounds / 10);
        return new(warmUp, rounds - warmUp - restarts, restarts);
    }
}
