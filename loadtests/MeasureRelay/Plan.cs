namespace MeasureRelay;

/// <summary>The scenarios in their order, which lets memory grow, and how often each is run.</summary>
internal sealed record Plan(
    Scenario One, Scenario Many, Scenario InStep, Scenario Most, Scenario Unpaced, int Rounds, int ManyRounds)
{
    public static readonly Plan Full = Of(oneSeconds: 2.5, manySeconds: 2.5, mostSeconds: 2.5, unpacedSeconds: 1, 3, 5);
    public static readonly Plan Quick = Of(oneSeconds: 1, manySeconds: 1.5, mostSeconds: 1, unpacedSeconds: 0.5, 1, 1);

    public IReadOnlyList<Scenario> Paced => [One, Many, InStep, Most];

    public IReadOnlyList<Scenario> All => [.. Paced, Unpaced];

    public int RoundsOf(Scenario scenario) => scenario == Many || scenario == InStep ? ManyRounds : Rounds;

    private static Plan Of(
        double oneSeconds, double manySeconds, double mostSeconds, double unpacedSeconds, int rounds, int manyRounds) => new(
        new("1 stream of 50 events/s", 1, 50, oneSeconds),
        new("200 streams of 50 events/s", 200, 50, manySeconds),
        new("200 streams of 50 events/s, 8 in step", 200, 50, manySeconds, InStep: 8),
        new("1,000 streams of 5 events/s", 1000, 5, mostSeconds),
        new("32 streams without a pace", 32, 0, unpacedSeconds),
        rounds, manyRounds);
}
