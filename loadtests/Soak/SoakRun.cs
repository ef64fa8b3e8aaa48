using System.Diagnostics;
using System.Globalization;
using HotModel.LoadTests;
using HotModel.LoadTests.Engines;
using HotModel.LoadTests.Scenarios;

namespace Soak;

/// <summary>All rounds, and what they came to.</summary>
internal sealed class SoakRun(Bench bench, SoakPlan plan, TextWriter output)
{
    // Together with the conversations they fit hotmodel's queue_limit of 64: during a switch all of them wait.
    private static readonly IReadOnlyDictionary<string, Load> Loads = new Dictionary<string, Load>
    {
        ["chat"] = new(4, null),
        ["stream"] = new(6, null),
        ["slow"] = new(3, null),
        ["hang-up"] = new(4, null),
        ["routes"] = new(2, null),
        ["embed"] = new(1, null),
        ["switch"] = new(1, TimeSpan.FromSeconds(5)),
    };

    private static readonly Load TalkLoad = new(8, null);
    private static readonly Load NamedLoad = new(1, TimeSpan.FromSeconds(3));

    /// <summary>A model whose load failed is not tried again sooner for who names it; twice as long after a second failure.</summary>
    private static readonly TimeSpan NextTry = TimeSpan.FromSeconds(65);

    private readonly FaultRecord record = new();
    private readonly Talks talks = new();
    private readonly long began = Stopwatch.GetTimestamp();
    private readonly Closing closing = new();
    private int named;
    private int told;

    public async Task<Closing> RunAsync()
    {
        var injector = new Injector(record, closing.Problems);
        IReadOnlyList<Fault> faults = Fault.Of(bench, closing.Problems);
        bench.Start();
        for (int round = 1; round <= plan.WarmUp + plan.Steady; round++)
            await RunRoundAsync(round, injector, faults, isMeasured: round > plan.WarmUp);
        for (int round = 1; round <= plan.Restarts; round++)
        {
            await RunRoundAsync(plan.WarmUp + plan.Steady + round, injector,
                Fault.OfHotModel(bench, closing.Problems), isMeasured: false);
        }
        using (var last = new Server(bench.Address))
            closing.Problems.AddRange(await talks.CheckAsync(last.Client, all: true));
        closing.ExitStatus = await bench.StopAsync();
        closing.LeftBehind = await bench.LeftBehindAsync();
        closing.CriticalLines = (await File.ReadAllLinesAsync(bench.LogFile)).Count(line => line.Contains(" CRI ", StringComparison.Ordinal));
        closing.Store = StoreCheck.Of(bench.StateFolder);
        closing.Faults = record.Effects;
        closing.Talks = talks;
        return closing;
    }

    private async Task RunRoundAsync(int round, Injector injector, IReadOnlyList<Fault> faults, bool isMeasured)
    {
        int recovered = Recoveries();
        // New connections in each round: at the quiet moment none is left.
        using (var server = new Server(bench.Address))
        {
            if (!await server.IsReadyAsync())
                throw new InvalidOperationException("hotmodel has no model that is ready");
            talks.Client = server.Client;
            IReadOnlyList<Scenario> scenarios = await ScenariosAsync(server);
            var findings = new Findings(scenarios);
            await Task.WhenAll(
                new Engine(new(TimeSpan.Zero, SoakPlan.Traffic), findings, TimeProvider.System).RunAsync(scenarios),
                injector.RunAsync(faults, server.Client, SoakPlan.Traffic));
            closing.Add(findings);
            if (!await server.IsIdleAsync())
                closing.Problems.Add($"round {round}: requests still ran or waited after the last client had gone");
            closing.Problems.AddRange(await talks.CheckAsync(server.Client, all: false));
            // Always the same model at a quiet moment.
            if (await new HotModel.LoadTests.Scenarios.Switch(server.Client, [Bench.Models[0]]).RunAsync() is { Failure: { } failure })
                closing.Problems.Add($"round {round}: {failure}");
        }
        await Task.Delay(SoakPlan.Quiet);
        var sample = QuietSample.Take(bench.Pid, Stopwatch.GetElapsedTime(began));
        if (isMeasured)
            closing.Samples.Add(sample);
        closing.Rounds++;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"round {round} of {plan.WarmUp + plan.Steady + plan.Restarts}: {closing.Requests} requests so far, "
            + $"{Recoveries() - recovered} faults, {sample.ResidentMegabytes:0.0} MB, {sample.Descriptors} descriptors, "
            + $"{sample.Threads} threads"));
        for (; told < closing.Problems.Count; told++)
            output.WriteLine("  " + closing.Problems[told]);
    }

    private async Task<IReadOnlyList<Scenario>> ScenariosAsync(Server server) =>
    [
        .. (await Catalogue.CreateAsync(Loads, server, TextWriter.Null)).Select(scenario => record.Watch(scenario)),
        record.Watch(new("talks", TalkLoad, talks.RunAsync)),
        record.Watch(new("named", NamedLoad, () => NamedAsync(server.Client)), aftermath: NextTry),
    ];

    /// <summary>A request that names its model, which is loaded for it.</summary>
    private async Task<Outcome> NamedAsync(Client client)
    {
        var body = ChatBody.Create(16, stream: true);
        body["model"] = Bench.Models[named++ % Bench.Models.Count];
        return await StreamingChat.RunAsync(client, body, null);
    }

    private int Recoveries() => record.Effects.Values.Sum(e => e.Recoveries.Count);
}
