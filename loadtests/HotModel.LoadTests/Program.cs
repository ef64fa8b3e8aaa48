using HotModel.LoadTests;
using HotModel.LoadTests.Engines;
using HotModel.LoadTests.Scenarios;

if (Options.Read(args) is not { } options)
{
    Console.Error.WriteLine(Options.Usage);
    return 2;
}
using var server = new Server(options.Server);
if (!await server.IsReadyAsync())
{
    Console.Error.WriteLine($"{options.Server} has no model that is ready.");
    return 1;
}
IReadOnlyList<Scenario> scenarios;
try
{
    scenarios = await Catalogue.CreateAsync(options.Loads, server, Console.Error);
}
catch (InvalidOperationException e)
{
    Console.Error.WriteLine(e.Message);
    return 2;
}
var findings = new Findings(scenarios);
await new Engine(options.Schedule, findings, TimeProvider.System).RunAsync(scenarios);
var report = new Report(findings, options.Schedule, Engine.Name, await server.IsIdleAsync());
report.Print(Console.Out);
if (options.JsonFile is { } file)
    report.WriteJson(file);
return report.IsGood ? 0 : 1;
