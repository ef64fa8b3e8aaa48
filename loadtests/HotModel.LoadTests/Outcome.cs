namespace HotModel.LoadTests;

/// <summary>What one run of a scenario came to.</summary>
/// <param name="Status">The HTTP status, "left" for a client that left on purpose, or "none" without an answer.</param>
/// <param name="Bytes">Of the answer's body.</param>
/// <param name="Failure">Null: all was as it must be.</param>
internal sealed record Outcome(string Status, long Bytes, string? Failure)
{
    public const string LeftStatus = "left";

    /// <summary>From the request to the first token of a streamed answer.</summary>
    public TimeSpan? FirstToken { get; init; }

    /// <summary>Between the tokens of a streamed answer.</summary>
    public IReadOnlyList<TimeSpan> Gaps { get; init; } = [];

    public static Outcome Left(long bytes) => new(LeftStatus, bytes, null);

    public static Outcome NoAnswer(string failure) => new("none", 0, failure);
}
