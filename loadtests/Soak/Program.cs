using System.Globalization;
using Soak;

if (args is not [var hotmodel, var llamaServer, var minutes]
    || !double.TryParse(minutes, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double length)
    || length < SoakPlan.LeastMinutes)
{
    Console.Error.WriteLine($"usage: Soak HOTMODEL LLAMA_SERVER MINUTES    {SoakPlan.LeastMinutes} minutes or more");
    return 2;
}
await using var bench = new Bench(hotmodel, llamaServer);
var closing = await new SoakRun(bench, SoakPlan.Of(TimeSpan.FromMinutes(length)), Console.Out).RunAsync();
closing.Print(Console.Out);
return closing.AllHeld ? 0 : 1;
