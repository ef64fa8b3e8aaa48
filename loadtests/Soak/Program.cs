using System.Globalization;
using System.Runtime.InteropServices;
using Soak;

if (args is not [var hotmodel, var llamaServer, var minutes]
    || !double.TryParse(minutes, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double length)
    || length < SoakPlan.LeastMinutes)
{
    Console.Error.WriteLine($"usage: Soak HOTMODEL LLAMA_SERVER MINUTES    {SoakPlan.LeastMinutes} minutes or more");
    return 2;
}
await using var bench = new Bench(hotmodel, llamaServer);
using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
var closing = await new SoakRun(bench, SoakPlan.Of(TimeSpan.FromMinutes(length)), Console.Out).RunAsync();
closing.Print(Console.Out);
return closing.AllHeld ? 0 : 1;

void End(PosixSignalContext signal)
{
    signal.Cancel = true;
    // What was started ends with this, and its folder goes.
    bench.DisposeAsync().AsTask().GetAwaiter().GetResult();
    Environment.Exit(1);
}
