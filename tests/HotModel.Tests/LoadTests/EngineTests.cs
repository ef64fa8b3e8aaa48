using HotModel.LoadTests;
using HotModel.LoadTests.Engines;
using HotModel.LoadTests.Scenarios;
using Microsoft.Extensions.Time.Testing;

namespace HotModel.Tests.LoadTests;

public class EngineTests
{
    private static readonly Outcome Good = new("200", 10, null);

    private readonly FakeTimeProvider time = new();

    [Fact]
    public async Task Client_begins_again_until_the_time_is_over()
    {
        // Each run takes a second, on the fake clock.
        Findings findings = await RunAsync("1", warmUpSeconds: 2, seconds: 5, _ => Take(seconds: 1, Good));

        ScenarioFindings scenario = Assert.Single(findings.Scenarios);
        Assert.Equal((5, 50), (scenario.Requests, scenario.Bytes));
        // Three digits are kept.
        Assert.InRange(scenario.Answers.Milliseconds(99), 999, 1001);
        Assert.Equal(TimeSpan.FromSeconds(5), findings.Duration);
    }

    [Fact]
    public async Task Run_of_a_rate_that_begins_late_took_longer()
    {
        // Due at 0, 1 and 2 s; begun at 0, 3 and 6 s.
        Findings findings = await RunAsync("1/s", warmUpSeconds: 0, seconds: 3, _ => Take(seconds: 3, Good));

        ScenarioFindings scenario = Assert.Single(findings.Scenarios);
        Assert.Equal(3, scenario.Requests);
        double[] seconds = [.. ((double[])[30, 60, 100]).Select(p => Math.Round(scenario.Answers.Milliseconds(p) / 1e3, 1))];
        Assert.Equal([3, 5, 7], seconds);
    }

    [Fact]
    public async Task Failure_in_the_warm_up_counts()
    {
        Findings findings = await RunAsync("1/s", warmUpSeconds: 2, seconds: 2,
            run => Take(seconds: 1, run == 1 ? Outcome.NoAnswer("refused") : Good));

        ScenarioFindings scenario = Assert.Single(findings.Scenarios);
        Assert.Equal((3, 1), (scenario.Requests, findings.Failed));
        Assert.Equal(("refused", 1), (Assert.Single(scenario.Failures).Key, scenario.Failures["refused"]));
        Assert.Equal(2, scenario.Answers.Count);
    }

    [Fact]
    public async Task Client_that_left_is_neither_a_failure_nor_an_answer()
    {
        Findings findings = await RunAsync("1/s", warmUpSeconds: 0, seconds: 2,
            run => Take(seconds: 1, run == 1 ? Outcome.Left(7) : Good));

        ScenarioFindings scenario = Assert.Single(findings.Scenarios);
        Assert.Equal((2, 1, 1, 0), (scenario.Requests, scenario.Left, scenario.Answers.Count, scenario.Failed));
    }

    [Fact]
    public async Task Broken_connection_is_a_failure()
    {
        Findings findings = await RunAsync("1/s", warmUpSeconds: 0, seconds: 1,
            _ => throw new HttpRequestException("refused"));

        Assert.Equal(1, findings.Failed);
    }

    private async Task<Findings> RunAsync(
        string load, double warmUpSeconds, double seconds, Func<int, Task<Outcome>> run)
    {
        int runs = 0;
        var scenario = new Scenario("it", Load.Parse(load)!, () => run(++runs));
        var findings = new Findings([scenario]);
        var schedule = new Schedule(TimeSpan.FromSeconds(warmUpSeconds), TimeSpan.FromSeconds(seconds));
        await new Engine(schedule, findings, time).RunAsync([scenario]);
        return findings;
    }

    private Task<Outcome> Take(double seconds, Outcome outcome)
    {
        time.Advance(TimeSpan.FromSeconds(seconds));
        return Task.FromResult(outcome);
    }
}
