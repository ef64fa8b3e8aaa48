namespace MeasureRelay;

/// <summary>The scenarios in their order, which lets memory grow, and how often each is run.</summary>
internal sealed record Plan(Scenario One, Scenario Many, Scenario InStep, Scenario Most, Scenario Unpaced, int Rounds)
{
    // 8 s take in the one pause with which hotmodel gives memory back, 3 to 6 s after so many streams have begun.
    public static readonly Plan Full = Of(oneSeconds: 2.5, manySeconds: 8, mostSeconds: 8, unpacedSeconds: 1, rounds: 3);
    public static readonly Plan Quick = Of(oneSeconds: 1, manySeconds: 1.5, mostSeconds: 1, unpacedSeconds: 0.5, rounds: 1);

    public IReadOnlyList<Scenario> Paced => [One, Many, InStep, Most];

    public IReadOnlyList<Scenario> All => [.. Paced, Unpaced];

    private static Plan Of(
        double oneSeconds, double manySeconds, double mostSeconds, double unpacedSeconds, int rounds) => new(
        new("1 stream of 50 events/s", 1, 50, oneSeconds),
        new("200 streams of 50 events/s", 200, 50, manySeconds),
        new("200 streams of 50 events/s, 8 in step", 200, 50, manySeconds, InStep: 8),
        new("1,000 streams of 5 events/s", 1000, 5, mostSeconds),
        new("32 streams without a pace", 32, 0, unpacedSeconds),
        rounds);
}
