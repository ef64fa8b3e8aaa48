using System.Globalization;
using HotModel.LoadTests;

namespace Soak;

/// <summary>The closing table, and whether everything held.</summary>
internal sealed class Closing
{
    private const double MostGrowth = 0.05;
    // A connection that the pool keeps, a file that is just looked at.
    private const int MoreDescriptors = 3;
    // Threads of the pool come and go; one that leaks with each round, switch or fault would be many more.
    private const int MoreThreads = 8;
    // llama-server's router, the process of the model, and the guard.
    private const int Processes = 3;
    private const int ProblemsShown = 20;

    private readonly SortedDictionary<string, long> failures = [];

    public List<string> Problems { get; } = [];

    public int Rounds { get; set; }

    public long Requests { get; private set; }

    public int? ExitStatus { private get; set; }

    public int LeftBehind { private get; set; }

    public int CriticalLines { private get; set; }

    public StoreCheck? Store { private get; set; }

    public List<QuietSample> Samples { get; } = [];

    public IReadOnlyDictionary<string, Effect> Faults { private get; set; } = new Dictionary<string, Effect>();

    public Talks? Talks { private get; set; }

    public bool AllHeld => Problems.Count == 0 && Rows().All(row => row.Holds);

    public void Add(Findings findings)
    {
        Requests += findings.Scenarios.Sum(s => s.Requests);
        foreach (ScenarioFindings scenario in findings.Scenarios)
        {
            foreach (var (failure, count) in scenario.Failures)
                failures[$"{scenario.Name}: {failure}"] = failures.GetValueOrDefault($"{scenario.Name}: {failure}") + count;
        }
    }

    public void Print(TextWriter output)
    {
        output.WriteLine("\n| fault | times | back after, median | longest | requests told that they failed | broken off |");
        output.WriteLine("|---|---:|---:|---:|---:|---:|");
        foreach (var (name, effect) in Faults)
        {
            var times = effect.Recoveries.Order().ToList();
            string median = times.Count == 0 ? "" : Seconds(times[times.Count / 2]);
            string longest = times.Count == 0 ? "" : Seconds(times[^1]);
            output.WriteLine($"| {name} | {times.Count} | {median} | {longest} | {effect.Told} | {effect.Torn} |");
        }
        output.WriteLine("\n| what | must be | was | |");
        output.WriteLine("|---|---|---|---|");
        foreach (var (what, must, was, holds) in Rows())
            output.WriteLine($"| {what} | {must} | {was} | {(holds ? "holds" : "**broken**")} |");
        output.WriteLine();
        foreach (string problem in failures.Select(f => $"{f.Value} × {f.Key}").Concat(Problems).Take(ProblemsShown))
            output.WriteLine(problem);
        output.WriteLine(AllHeld ? "All held." : "Not all held.");
    }

    private IEnumerable<(string What, string Must, string Was, bool Holds)> Rows()
    {
        yield return Row("requests that failed with no fault to blame", 0, failures.Values.Sum(), $" of {Requests}");
        yield return ("other problems, listed below", "0", Text(Problems.Count), Problems.Count == 0);
        yield return ("faults, and the longest until a request was answered again",
            $"≤ {Injector.RecoveryLimit.TotalSeconds} s", Recoveries(), Faults.Values.All(e => e.Recoveries.Count > 0));
        Trend memory = Trend.Of(Samples, s => s.ResidentMegabytes);
        yield return (
            $"resident memory, first third of {Samples.Count} quiet moments and last", $"growth ≤ {MostGrowth * 100} %",
            string.Create(CultureInfo.InvariantCulture, $"{memory.First:0.0} and {memory.Last:0.0} MB, {memory.Growth:+0.0 %;-0.0 %}, ")
                + string.Create(CultureInfo.InvariantCulture, $"{memory.PerHour:+0.0;-0.0} MB an hour"),
            memory.Growth <= MostGrowth);
        yield return Row("descriptors, likewise", MoreDescriptors, Trend.Of(Samples, s => s.Descriptors));
        yield return Row("threads, likewise", MoreThreads, Trend.Of(Samples, s => s.Threads));
        yield return ("processes below hotmodel at quiet moments", Text(Processes),
            string.Join(" to ", new[] { Samples.Min(s => s.Processes), Samples.Max(s => s.Processes) }.Distinct()),
            Samples.All(s => s.Processes == Processes));
        yield return ("turns that clients got whole, stored once and as they came", "all",
            $"{Talks!.Whole} of {Talks.Ended} conversations ({Talks.Broken} more broke off)", Talks.Whole > 0);
        yield return Row("questions stored twice, conversations torn", 0, Store!.Doubled + Store.Torn, $" in {Store.Sessions}");
        yield return ("PRAGMA integrity_check", "ok", Store.Integrity, Store.Integrity == "ok");
        yield return Row("stray snapshots and half-written files", 0, Store.StraySnapshots + Store.StrayFiles, "");
        yield return ("exit status after SIGTERM", "0", ExitStatus is { } status ? Text(status) : "none", ExitStatus == 0);
        yield return Row("processes left behind", 0, LeftBehind, "");
        yield return Row("critical lines in the log", 0, CriticalLines, "");
    }

    private string Recoveries()
    {
        var all = Faults.Values.SelectMany(e => e.Recoveries).ToList();
        return all.Count == 0 ? "0" : $"{all.Count}, {Seconds(all.Max())}";
    }

    private static (string, string, string, bool) Row(string what, long must, long was, string more) =>
        (what, Text(must), Text(was) + more, was <= must);

    private static (string, string, string, bool) Row(string what, int more, Trend trend) =>
        (what, $"at most {more} more",
            string.Create(CultureInfo.InvariantCulture, $"{trend.First:0.#} and {trend.Last:0.#}"), trend.Last - trend.First <= more);

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Seconds(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.00} s");
}
