using System.Globalization;
using HotModel.Llama;
using Microsoft.Extensions.Logging.Abstractions;

namespace HotModel.Tests.Llama;

/// <summary>
/// <c>__host PRESET PORT MODEL [while-loading]</c>: runs a router with a model, says "ready KEY", and waits to be
/// killed.
/// </summary>
/// <remarks>
/// It runs inside the module's initialiser, so no other thread may enter code of this assembly before it ends, which it
/// never does: it waits synchronously, and its callbacks are methods of the class library.
/// </remarks>
internal static class KilledHost
{
    public static int Run(string[] args)
    {
        var launch = LlamaServer.Launch(args[1], int.Parse(args[2], CultureInfo.InvariantCulture));
        var model = LlamaServer.Model(args[3]);
        var launcher = new Launcher(SelfHosting.Self, new ChildLog(null), null, NullLogger.Instance);
        var backend = new RouterBackend(
            () => launch, launcher, new ChildLog(null), new PresetQuarantine(null), new List<ModelLost>().Add,
            TimeProvider.System, NullLogger.Instance);
        var load = backend.LoadAsync(model, 1, new List<LoadProgress>().Add, CancellationToken.None);
        if (args[^1] == "while-loading")
        {
            while (backend.ProcessIds.Count < 2)
                Thread.Yield();
            Console.WriteLine("ready -");
        }
        else
        {
            var result = load.GetAwaiter().GetResult();
            Console.WriteLine(
                result.Upstream is { } upstream ? "ready " + upstream.ApiKey : "failed " + result.Failure!.Error);
        }
        using var never = new ManualResetEvent(false);
        never.WaitOne();
        return 0;
    }
}
