using System.Runtime.Versioning;
using MeasureRelay;

[assembly: SupportedOSPlatform("linux")]

if (args is [Options.UpstreamWord, .. var upstream])
    return ScriptedUpstream.Run(upstream);
if (Options.Read(args) is not { } options)
{
    Console.Error.WriteLine(Options.Usage);
    return 2;
}
Plan plan = options.IsQuick ? Plan.Quick : Plan.Full;
plan = plan with { Rounds = options.Rounds ?? plan.Rounds };
var findings = new Findings();
var client = new LoadClient();
// What one run leaves to do, such as storing sessions, is not the next one's.
TimeSpan rest = TimeSpan.FromMilliseconds(200);

using var bench = new Bench(options);
IReadOnlyList<Side> sides;
try
{
    sides = bench.Start();
    MeasureAll();
}
catch (Exception e) when (e is InvalidOperationException or TimeoutException)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}

var report = new Report(plan, findings, [.. sides.Select(s => s.Name)]);
report.Print(Console.Out);
if (options.JsonFile is { } file)
    report.WriteJson(file);
return report.Goals.All(g => g.IsMet != false) ? 0 : 1;

void MeasureAll()
{
    foreach (Side side in sides)
        client.Run(side, plan.One with { Seconds = 0.3 });
    foreach (Scenario scenario in plan.All.Where(s => s.Name.Contains(options.Only, StringComparison.Ordinal)))
    {
        for (int round = 0; round < plan.Rounds; round++)
        {
            // Each round begins with another side: nobody is always first.
            for (int i = 0; i < sides.Count; i++)
            {
                Side side = sides[(round + i) % sides.Count];
                Thread.Sleep(rest);
                findings.Add(scenario, side, client.Run(side, scenario));
            }
            Console.Error.WriteLine($"{scenario.Name}: round {round + 1} of {plan.Rounds}");
        }
    }
}
