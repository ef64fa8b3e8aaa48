using NBomber.Contracts;
using NBomber.CSharp;

namespace HotModel.LoadTests.Engines;

/// <summary>Has NBomber run all scenarios at once. It writes its own reports beside the one that both engines have.</summary>
internal sealed class Engine(Schedule schedule, Findings findings, TimeProvider time)
{
    /// <summary>Of the package, or of the stand-in for it.</summary>
    public static readonly string Name = typeof(Scenario).Assembly.GetName().Name!;

    // NBomber is free for persons; an organisation needs a key.
    private const string LicenseVariable = "NBOMBER_LICENSE";

    private static readonly string ReportFolder = Path.Combine(AppContext.BaseDirectory, "reports");

    public Task RunAsync(IReadOnlyList<Scenarios.Scenario> scenarios)
    {
        string? license = Environment.GetEnvironmentVariable(LicenseVariable);
        string[] arguments = string.IsNullOrEmpty(license) ? [] : [$"--license={license}"];
        long start = time.GetTimestamp();
        NBomberRunner.RegisterScenarios([.. scenarios.Select(s => Register(s, start))])
            .WithReportFolder(ReportFolder)
            .Run(arguments);
        return Task.CompletedTask;
    }

    private ScenarioProps Register(Scenarios.Scenario scenario, long start)
    {
        ScenarioProps registered = Scenario
            .Create(scenario.Name, context => MeasureAsync(scenario, context, start))
            .WithLoadSimulations(Simulate(scenario.Load));
        return schedule.WarmUp > TimeSpan.Zero
            ? registered.WithWarmUpDuration(schedule.WarmUp)
            : registered.WithoutWarmUp();
    }

    private LoadSimulation Simulate(Load load) => load.Interval is { } interval
        ? Simulation.Inject(rate: load.Count, interval: interval, during: schedule.Duration)
        : Simulation.KeepConstant(copies: load.Count, during: schedule.Duration);

    private async Task<IResponse> MeasureAsync(Scenarios.Scenario scenario, IScenarioContext context, long start)
    {
        bool isWarmUp = context.ScenarioInfo.ScenarioOperation == ScenarioOperation.WarmUp;
        TimeSpan begin = time.GetElapsedTime(start);
        Outcome outcome = await scenario.RunAsync();
        findings.Add(scenario, outcome, begin, time.GetElapsedTime(start), isWarmUp);
        return outcome.Failure is { } failure
            ? Response.Fail(statusCode: outcome.Status, message: failure, sizeBytes: outcome.Bytes)
            : Response.Ok(statusCode: outcome.Status, sizeBytes: outcome.Bytes);
    }
}
