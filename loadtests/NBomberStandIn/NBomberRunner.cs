using System.Diagnostics;
using NBomber.Contracts;

namespace NBomber.CSharp;

/// <summary>All scenarios at once: their warm-up, then what is measured.</summary>
public static class NBomberRunner
{
    public static NBomberContext RegisterScenarios(params ScenarioProps[] scenarios) => new(scenarios);

    /// <remarks>There are no reports.</remarks>
    public static NBomberContext WithReportFolder(this NBomberContext context, string reportFolderPath) => context;

    /// <remarks>NBomber returns its statistics.</remarks>
    public static object Run(this NBomberContext context, params string[] args)
    {
        ArgumentNullException.ThrowIfNull(context);
        RunAsync(context.Scenarios).GetAwaiter().GetResult();
        return context;
    }

    private static async Task RunAsync(IReadOnlyList<ScenarioProps> scenarios)
    {
        TimeSpan warmUp = scenarios.Max(scenario => scenario.WarmUpDuration) ?? TimeSpan.Zero;
        await Task.WhenAll(scenarios.Where(scenario => scenario.WarmUpDuration is not null).SelectMany(
            scenario => scenario.LoadSimulations.Select(load => RunAsync(
                scenario, load with { During = warmUp }, ScenarioOperation.WarmUp))));
        await Task.WhenAll(scenarios.SelectMany(scenario => scenario.LoadSimulations.Select(
            load => RunAsync(scenario, load, ScenarioOperation.Bombing))));
    }

    private static async Task RunAsync(ScenarioProps scenario, LoadSimulation load, ScenarioOperation operation)
    {
        var context = new Context(new ScenarioInfo { ScenarioName = scenario.ScenarioName, ScenarioOperation = operation });
        long start = Stopwatch.GetTimestamp();
        bool IsOver() => Stopwatch.GetElapsedTime(start) >= load.During;
        if (load.Interval is not { } interval)
        {
            await Task.WhenAll(Enumerable.Range(0, load.Count).Select(_ => Task.Run(async () =>
            {
                while (!IsOver())
                    await scenario.Run(context);
            })));
            return;
        }
        var running = new List<Task>();
        for (int round = 0; !IsOver(); round++)
        {
            running.AddRange(Enumerable.Range(0, load.Count).Select(_ => Task.Run(() => scenario.Run(context))));
            TimeSpan pause = (interval * (round + 1)) - Stopwatch.GetElapsedTime(start);
            if (pause > TimeSpan.Zero)
                await Task.Delay(pause);
        }
        await Task.WhenAll(running);
    }

    private sealed record Context(ScenarioInfo ScenarioInfo) : IScenarioContext;
}

public sealed record NBomberContext(IReadOnlyList<ScenarioProps> Scenarios);
