namespace MeasureRelay;

/// <summary>The results of all rounds, by scenario and side, and what they come to.</summary>
internal sealed class Findings
{
    private readonly Dictionary<(string Scenario, string Side), List<RunResult>> runs = [];

    public void Add(Scenario scenario, Side side, RunResult result)
    {
        if (!runs.TryGetValue((scenario.Name, side.Name), out List<RunResult>? rounds))
            runs.Add((scenario.Name, side.Name), rounds = []);
        rounds.Add(result);
    }

    /// <summary>Empty where the side was left out.</summary>
    public IReadOnlyList<RunResult> Rounds(Scenario scenario, string side) =>
        runs.GetValueOrDefault((scenario.Name, side)) ?? [];

    public double Median(Scenario scenario, string side, Func<RunResult, double> figure) =>
        Median(Rounds(scenario, side).Select(figure));

    /// <summary>What the side takes longer than the direct way did in the same round.</summary>
    public double Added(Scenario scenario, string side, Func<RunResult, double> figure) =>
        Median(Rounds(scenario, side).Zip(Rounds(scenario, Side.Direct), (its, direct) => figure(its) - figure(direct)));

    /// <summary>By which the memory grows with each stream, from the scenario with fewer to that with more.</summary>
    public double BytesPerStream(Scenario fewer, Scenario more, string side) =>
        (Median(more, side, r => r.Cost.ResidentBytes) - Median(fewer, side, r => r.Cost.ResidentBytes))
        / (more.Streams - fewer.Streams);

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length == 0 ? double.NaN : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
