using HotModel.LoadTests.Scenarios;

namespace HotModel.LoadTests;

/// <summary>What the runs of one scenario came to. The times are those of the runs that succeeded.</summary>
internal sealed class ScenarioFindings(Scenario scenario)
{
    private readonly Dictionary<string, long> statuses = [];
    private readonly Dictionary<string, long> failures = [];

    public string Name => scenario.Name;

    public Load Load => scenario.Load;

    public long Requests { get; private set; }

    public long Failed { get; private set; }

    /// <summary>On purpose. They are no failures, and their times say nothing.</summary>
    public long Left => statuses.GetValueOrDefault(Outcome.LeftStatus);

    public long Bytes { get; private set; }

    public Times Answers { get; } = new();

    public Times FirstTokens { get; } = new();

    public Times Gaps { get; } = new();

    public IReadOnlyDictionary<string, long> Statuses => statuses;

    /// <summary>How often each kind.</summary>
    public IReadOnlyDictionary<string, long> Failures => failures;

    public void Add(Outcome outcome, TimeSpan elapsed)
    {
        Requests++;
        Bytes += outcome.Bytes;
        statuses[outcome.Status] = statuses.GetValueOrDefault(outcome.Status) + 1;
        if (outcome.Failure is { } failure)
        {
            Failed++;
            failures[failure] = failures.GetValueOrDefault(failure) + 1;
        }
        else if (outcome.Status != Outcome.LeftStatus)
        {
            Answers.Add(elapsed);
            if (outcome.FirstToken is { } first)
                FirstTokens.Add(first);
            foreach (TimeSpan gap in outcome.Gaps)
                Gaps.Add(gap);
        }
    }
}
