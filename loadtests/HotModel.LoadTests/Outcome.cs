namespace HotModel.LoadTests;

/// <summary>What a failure looks like from outside.</summary>
internal enum FailureKind
{
    /// <summary>Something came that must never come.</summary>
    Wrong,
    /// <summary>The server said that it failed: by status 502 or 503, or by an error event.</summary>
    Told,
    /// <summary>No answer, or one that breaks off.</summary>
    Torn,
}

/// <summary>What one run of a scenario came to.</summary>
/// <param name="Status">The HTTP status, "left" for a client that left on purpose, or "none" without an answer.</param>
/// <param name="Bytes">Of the answer's body.</param>
/// <param name="Failure">Null: all was as it must be.</param>
internal sealed record Outcome(string Status, long Bytes, string? Failure)
{
    public const string LeftStatus = "left";

    public FailureKind Kind { get; init; }

    /// <summary>From the request to the first token of a streamed answer.</summary>
    public TimeSpan? FirstToken { get; init; }

    /// <summary>Between the tokens of a streamed answer.</summary>
    public IReadOnlyList<TimeSpan> Gaps { get; init; } = [];

    public static Outcome Left(long bytes) => new(LeftStatus, bytes, null);

    public static Outcome NoAnswer(string failure) => new("none", 0, failure) { Kind = FailureKind.Torn };
}
