using HotModel.LoadTests.Scenarios;

namespace HotModel.LoadTests.Engines;

/// <summary>Runs all scenarios at once, each as its load says.</summary>
internal sealed class Engine(Schedule schedule, Findings findings, TimeProvider time)
{
    public const string Name = "own";

    // A server that is gone would be asked millions of times.
    private static readonly TimeSpan PauseAfterFailure = TimeSpan.FromMilliseconds(100);

    public async Task RunAsync(IReadOnlyList<Scenario> scenarios)
    {
        long start = time.GetTimestamp();
        await Task.WhenAll(scenarios.SelectMany(s => s.Load.Interval is null
            ? Enumerable.Range(0, s.Load.Count).Select(_ => RepeatAsync(s, start))
            : [RunAtRateAsync(s, start)]));
    }

    private async Task RepeatAsync(Scenario scenario, long start)
    {
        // What a run does before it first waits is not in the way of the other clients.
        await Task.Yield();
        while (time.GetElapsedTime(start) < schedule.WarmUp + schedule.Duration)
        {
            Outcome outcome = await MeasureAsync(scenario, start, time.GetElapsedTime(start));
            if (outcome.Failure is not null)
                await Task.Delay(PauseAfterFailure, time);
        }
    }

    private async Task RunAtRateAsync(Scenario scenario, long start)
    {
        var running = new List<Task>();
        foreach (TimeSpan due in scenario.Load.BeginningsWithin(schedule.WarmUp + schedule.Duration))
        {
            TimeSpan wait = due - time.GetElapsedTime(start);
            if (wait > TimeSpan.Zero)
                await Task.Delay(wait, time);
            running.RemoveAll(r => r.IsCompletedSuccessfully);
            running.Add(MeasureAsync(scenario, start, due));
        }
        await Task.WhenAll(running);
    }

    /// <param name="scenario">To be run.</param>
    /// <param name="start">Of everything.</param>
    /// <param name="begin">
    /// After the start, from which the time counts: of a rate, when the run was due, so that one which begins late because
    /// the machine is busy shows it.
    /// </param>
    private async Task<Outcome> MeasureAsync(Scenario scenario, long start, TimeSpan begin)
    {
        Outcome outcome = await scenario.RunAsync();
        findings.Add(scenario, outcome, begin, time.GetElapsedTime(start), isWarmUp: begin < schedule.WarmUp);
        return outcome;
    }
}
