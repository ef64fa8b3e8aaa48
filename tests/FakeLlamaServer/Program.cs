using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using FakeLlamaServer;

if (args.Contains("--version"))
{
    Console.Error.WriteLine("version: 0.7.0 (build 11669, commit fake)");
    return 0;
}

var options = FakeOptions.Parse(args);
var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
if (options.ScriptFolder is { } scripts)
{
    new ScriptServer(options, scripts).Start();
    await stopped.Task;
    return 0;
}

var log = new ControlLog(options.LogPath);
var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
builder.WebHost.UseKestrelCore();
builder.WebHost.UseUrls($"http://{options.Host}:{options.Port}");
// "Kestrel" alone: no console lifetime, so that a signal does what the lines below say.
builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
builder.Services.AddRoutingCore();
var app = builder.Build();
app.Use(Authorize);
FakeRouter? router = null;
var controlFaults = new ControlFaults(options.Faults, () => router is null or { IsModelUp: true });
app.Use(next => context => controlFaults.StrikeAsync(context, next));
app.UseRouting();

if (options.ModelPath is { } path)
{
    ProcessMode.Map(app, options, log, path);
}
else
{
    log.Write("start", "-");
    router = new FakeRouter(options, log);
    RouterMode.Map(app, options, log, router);
}
app.MapFallback(Replies.NotFound);

try
{
    await app.StartAsync();
}
catch (IOException e)
{
    Console.Error.WriteLine($"couldn't bind HTTP server socket, hostname: {options.Host}, port: {options.Port}: {e.Message}");
    return 1;
}
Console.Error.WriteLine($"0.00.015.262 I srv  llama_server: listening on http://{options.Host}:{options.Port}");
await stopped.Task;
log.Write("stop", "-");
router?.KillChildren();
return 0;

void OnSignal(PosixSignalContext signal)
{
    signal.Cancel = true;
    if (!options.Faults.Take("ignore-sigterm"))
        stopped.TrySetResult();
}

Task Authorize(HttpContext context, RequestDelegate next)
{
    var isOpen = string.IsNullOrEmpty(options.ApiKey) || context.Request.Path == "/health"
        || context.Request.Headers.Authorization == $"Bearer {options.ApiKey}";
    return isOpen ? next(context) : Replies.Unauthorized(context);
}

internal sealed class NoLifetime : IHostLifetime
{
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
