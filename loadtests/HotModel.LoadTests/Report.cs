using System.Globalization;
using System.Text.Json;

namespace HotModel.LoadTests;

/// <summary>The tables, and the same as JSON.</summary>
/// <param name="findings">Of a run that has ended.</param>
/// <param name="schedule">Of that run.</param>
/// <param name="engine">Which ran the scenarios.</param>
/// <param name="wasIdleAfterwards">Nothing ran or waited in hotmodel any more.</param>
internal sealed class Report(Findings findings, Schedule schedule, string engine, bool wasIdleAfterwards)
{
    private const int MostFailuresShown = 20;

    private static readonly double[] Percentiles = [50, 90, 99];

    private static readonly JsonSerializerOptions Snake = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
    };

    /// <summary>Nothing failed, of what ran, and all of it ran.</summary>
    public bool IsGood =>
        findings.Failed == 0 && wasIdleAfterwards && findings.Scenarios.All(s => s.Requests > 0);

    public void Print(TextWriter output)
    {
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{findings.Duration.TotalSeconds:0.0} s after {schedule.WarmUp.TotalSeconds:0.#} s of warm-up; engine: {engine}\n"));
        PrintRequests(output);
        PrintStreams(output);
        PrintFailures(output);
        if (!wasIdleAfterwards)
            output.WriteLine("Seconds after the last client had gone, requests still ran or waited.\n");
        long left = findings.Scenarios.Sum(s => s.Left);
        output.WriteLine($"{findings.Failed} of {findings.Scenarios.Sum(s => s.Requests)} requests failed; "
            + $"{left} clients left on purpose.");
    }

    public void WriteJson(string file)
    {
        var scenarios = findings.Scenarios.Select(s => new
        {
            s.Name,
            Load = s.Load.ToString(),
            s.Requests,
            s.Failed,
            s.Left,
            s.Bytes,
            RequestsPerSecond = PerSecond(s.Requests),
            BytesPerSecond = PerSecond(s.Bytes),
            s.Statuses,
            s.Failures,
            AnswerMs = Figures(s.Answers),
            FirstTokenMs = Figures(s.FirstTokens),
            GapMs = Figures(s.Gaps),
        });
        File.WriteAllText(file, JsonSerializer.Serialize(
            new
            {
                Engine = engine,
                WarmUpSeconds = schedule.WarmUp.TotalSeconds,
                Seconds = findings.Duration.TotalSeconds,
                IdleAfterwards = wasIdleAfterwards,
                scenarios,
            },
            Snake));
    }

    private void PrintRequests(TextWriter output)
    {
        output.WriteLine("| scenario | load | requests | failed | left | per s | kB/s | p50 ms | p90 ms | p99 ms | max ms |");
        output.WriteLine("|---|---|---|---|---|---|---|---|---|---|---|");
        foreach (ScenarioFindings s in findings.Scenarios)
        {
            output.WriteLine($"| {s.Name} | {s.Load} | {s.Requests} | {s.Failed} | {s.Left} "
                + $"| {Number(PerSecond(s.Requests), "0.0")} | {Number(PerSecond(s.Bytes) / 1e3, "0")} | {Cells(s.Answers)} |");
        }
        output.WriteLine();
    }

    private void PrintStreams(TextWriter output)
    {
        List<ScenarioFindings> streamed = [.. findings.Scenarios.Where(s => s.FirstTokens.Count > 0)];
        if (streamed.Count == 0)
            return;
        output.WriteLine("| streamed | what | times | per s | p50 ms | p90 ms | p99 ms | max ms |");
        output.WriteLine("|---|---|---|---|---|---|---|---|");
        foreach (ScenarioFindings s in streamed)
        {
            foreach (var (what, times) in (ReadOnlySpan<(string, Times)>)[("first token", s.FirstTokens), ("gap", s.Gaps)])
            {
                output.WriteLine($"| {s.Name} | {what} | {times.Count} | {Number(PerSecond(times.Count), "0.0")} "
                    + $"| {Cells(times)} |");
            }
        }
        output.WriteLine();
    }

    private void PrintFailures(TextWriter output)
    {
        var failures = from s in findings.Scenarios
                       from f in s.Failures
                       orderby f.Value descending
                       select $"{f.Value} × {s.Name}: {f.Key}";
        foreach (string failure in failures.Take(MostFailuresShown))
            output.WriteLine(failure);
        foreach (ScenarioFindings s in findings.Scenarios.Where(s => s.Requests == 0))
            output.WriteLine($"{s.Name}: no answer in all that time");
        if (findings.Failed > 0 || findings.Scenarios.Any(s => s.Requests == 0))
            output.WriteLine();
    }

    private static string Cells(Times times) => string.Join(" | ",
        Percentiles.Select(times.Milliseconds).Append(times.MaxMilliseconds).Select(t => Number(t, t < 10 ? "0.00" : "0")));

    /// <summary>Null where there is no time.</summary>
    private static object? Figures(Times times) => times.Count == 0 ? null : new
    {
        times.Count,
        P50 = times.Milliseconds(50),
        P90 = times.Milliseconds(90),
        P99 = times.Milliseconds(99),
        Max = times.MaxMilliseconds,
    };

    private double PerSecond(double count) => findings.Duration > TimeSpan.Zero ? count / findings.Duration.TotalSeconds : 0;

    private static string Number(double value, string format) =>
        double.IsNaN(value) ? "" : value.ToString(format, CultureInfo.InvariantCulture);
}
