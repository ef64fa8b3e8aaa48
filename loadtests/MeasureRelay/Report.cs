using System.Globalization;
using System.Text.Json;

namespace MeasureRelay;

/// <summary>What a figure must not be above.</summary>
internal sealed record Goal(string What, double Value, double Limit, string Format)
{
    /// <summary>Null where a side was left out.</summary>
    public bool? IsMet => double.IsNaN(Value) || double.IsNaN(Limit) ? null : Value <= Limit;
}

/// <summary>The tables, the goals, and the same as JSON.</summary>
internal sealed class Report(Plan plan, Findings findings, IReadOnlyList<string> sides)
{
    private static readonly JsonSerializerOptions Snake = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    public IReadOnlyList<Goal> Goals { get; } = ReadGoals(plan, findings);

    public void Print(TextWriter output)
    {
        foreach (Scenario scenario in plan.Paced)
            PrintPaced(output, scenario);
        PrintUnpaced(output);
        PrintMemory(output);
        output.WriteLine("| goal | value | at most | met |");
        output.WriteLine("|---|---|---|---|");
        foreach (Goal goal in Goals)
        {
            output.WriteLine($"| {goal.What} | {Number(goal.Value, goal.Format)} | {Number(goal.Limit, goal.Format)} "
                + $"| {goal.IsMet switch { true => "yes", false => "NO", null => "not measured" }} |");
        }
    }

    public void WriteJson(string file)
    {
        var scenarios = plan.All.Select(scenario => new
        {
            scenario,
            Sides = sides.ToDictionary(side => side, side => findings.Rounds(scenario, side)),
        });
        var goals = Goals.Select(g => new { g.What, g.Value, g.Limit, g.IsMet });
        File.WriteAllText(file, JsonSerializer.Serialize(new { scenarios, goals }, Snake));
    }

    private static Goal[] ReadGoals(Plan plan, Findings findings)
    {
        double P50(string side) => findings.Added(plan.One, side, r => r.P50Us);
        double Memory(string side) => findings.BytesPerStream(plan.Many, plan.Most, side) / 1000;
        return
        [
            .. CpuAndLatency(plan.Many, findings),
            .. CpuAndLatency(plan.InStep, findings),
            new($"{plan.One.Name}: p50 added by hotmodel, µs", P50(Side.HotModel), 100, "0"),
            new($"{plan.One.Name}: p50 added by hotmodel with a session, µs", P50(Side.HotModelSession), 100, "0"),
            new($"{plan.Most.Streams} streams: memory of hotmodel, kB per stream", Memory(Side.HotModel), 20, "0.0"),
            // Its question and the answer so far are in memory, too.
            new($"{plan.Most.Streams} streams: memory of hotmodel with a session, kB per stream",
                Memory(Side.HotModelSession), 24, "0.0"),
        ];
    }

    private static Goal[] CpuAndLatency(Scenario scenario, Findings findings)
    {
        double Cpu(string side) => findings.Median(scenario, side, r => r.CpuSecondsPerMillion);
        double P99(string side) => findings.Added(scenario, side, r => r.P99Us);
        return
        [
            new($"{scenario.Name}: CPU of hotmodel / nginx", Cpu(Side.HotModel) / Cpu(Side.Nginx), 0.85, "0.00"),
            new($"{scenario.Name}: CPU of hotmodel with a session / nginx",
                Cpu(Side.HotModelSession) / Cpu(Side.Nginx), 1, "0.00"),
            new($"{scenario.Name}: p99 added by hotmodel, µs (nginx's)", P99(Side.HotModel), P99(Side.Nginx), "0"),
        ];
    }

    private void PrintPaced(TextWriter output, Scenario scenario)
    {
        output.WriteLine($"{Head(scenario)}\n");
        output.WriteLine("| | CPU s per 1M events | p50 µs | p99 µs | added p50 µs | added p99 µs | events/s |");
        output.WriteLine("|---|---|---|---|---|---|---|");
        foreach (string side in sides)
        {
            string Figure(Func<RunResult, double> figure, string format) =>
                Number(findings.Median(scenario, side, figure), format);
            bool isDirect = side == Side.Direct;
            // The system counts in hundredths of a second: nothing for one stream.
            string cpu = isDirect || scenario == plan.One ? "" : Figure(r => r.CpuSecondsPerMillion, "0.0");
            string p50 = isDirect ? "" : Number(findings.Added(scenario, side, r => r.P50Us), "0");
            string p99 = isDirect ? "" : Number(findings.Added(scenario, side, r => r.P99Us), "0");
            output.WriteLine($"| {side} | {cpu} | {Figure(r => r.P50Us, "0")} | {Figure(r => r.P99Us, "0")} "
                + $"| {p50} | {p99} | {Figure(r => r.EventsPerSecond, "0")} |");
        }
        output.WriteLine();
    }

    private void PrintUnpaced(TextWriter output)
    {
        output.WriteLine($"{Head(plan.Unpaced)}\n");
        output.WriteLine("| | events/s | CPU s per 1M events |");
        output.WriteLine("|---|---|---|");
        foreach (string side in sides)
        {
            double cpu = findings.Median(plan.Unpaced, side, r => r.CpuSecondsPerMillion);
            output.WriteLine($"| {side} | {Number(findings.Median(plan.Unpaced, side, r => r.EventsPerSecond), "0")} "
                + $"| {(side == Side.Direct ? "" : Number(cpu, "0.00"))} |");
        }
        output.WriteLine();
    }

    private void PrintMemory(TextWriter output)
    {
        output.WriteLine("Resident memory at so many streams, MB\n");
        Scenario[] growing = [plan.One, plan.Many, plan.Most];
        output.WriteLine($"| | {string.Join(" | ", growing.Select(s => $"{s.Streams}"))} | kB per stream |");
        output.WriteLine($"|---|{string.Concat(growing.Select(_ => "---|"))}---|");
        foreach (string side in sides.Where(s => s != Side.Direct))
        {
            IEnumerable<string> levels = growing.Select(s =>
                Number(findings.Median(s, side, r => r.Cost.ResidentBytes) / 1e6, "0.0"));
            output.WriteLine($"| {side} | {string.Join(" | ", levels)} "
                + $"| {Number(findings.BytesPerStream(plan.Many, plan.Most, side) / 1000, "0.0")} |");
        }
        output.WriteLine();
    }

    private string Head(Scenario scenario) =>
        $"{scenario.Name}, median of {findings.Rounds(scenario, sides[0]).Count} × {Number(scenario.Seconds, "0.#")} s";

    private static string Number(double value, string format) =>
        double.IsNaN(value) ? "" : value.ToString(format, CultureInfo.InvariantCulture);
}
