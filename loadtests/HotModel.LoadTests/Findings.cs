using HotModel.LoadTests.Scenarios;

namespace HotModel.LoadTests;

/// <summary>What all runs came to. May be added to from any thread.</summary>
internal sealed class Findings
{
    private readonly Lock guard = new();
    private readonly Dictionary<string, ScenarioFindings> scenarios;
    private TimeSpan firstBegin = TimeSpan.MaxValue;
    private TimeSpan lastEnd;

    public Findings(IEnumerable<Scenario> scenarios)
    {
        this.scenarios = scenarios.ToDictionary(s => s.Name, s => new ScenarioFindings(s));
    }

    public IReadOnlyCollection<ScenarioFindings> Scenarios => scenarios.Values;

    public long Failed => Scenarios.Sum(s => s.Failed);

    /// <summary>From the first run that counts to the end of the last: what a rate is of.</summary>
    public TimeSpan Duration => lastEnd > firstBegin ? lastEnd - firstBegin : TimeSpan.Zero;

    /// <param name="scenario">One of those that it was made with.</param>
    /// <param name="outcome">Of the run.</param>
    /// <param name="begin">On the clock of the engine.</param>
    /// <param name="end">On the same.</param>
    /// <param name="isWarmUp">Only a failure counts: what must never happen must not happen at first either.</param>
    public void Add(Scenario scenario, Outcome outcome, TimeSpan begin, TimeSpan end, bool isWarmUp)
    {
        if (isWarmUp && outcome.Failure is null)
            return;
        lock (guard)
        {
            scenarios[scenario.Name].Add(outcome, end - begin);
            if (isWarmUp)
                return;
            if (begin < firstBegin)
                firstBegin = begin;
            if (end > lastEnd)
                lastEnd = end;
        }
    }
}
