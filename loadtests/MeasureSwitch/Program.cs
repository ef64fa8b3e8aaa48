using System.Globalization;
using MeasureSwitch;

if (args is not [var hotmodel, var llamaServer, ..])
{
    Console.Error.WriteLine("usage: MeasureSwitch HOTMODEL LLAMA_SERVER [SWITCHES]");
    return 2;
}
var switches = args.Length > 2 ? int.Parse(args[2], CultureInfo.InvariantCulture) : 20;
const int Starts = 10;

using var bench = new Bench(hotmodel, llamaServer);
var starts = await bench.MeasureStartsAsync(Starts);
var (ours, theirs) = await bench.MeasureSwitchesAsync(switches);
var resident = await bench.MeasureIdleMemoryAsync();
var own = Median(ours) - Median(theirs);
var size = new FileInfo(hotmodel).Length / 1e6;

Console.WriteLine("| measured | value | at most |");
Console.WriteLine("|---|---|---|");
Row($"a switch by hotmodel, median of {switches}", Milliseconds(Median(ours)), null);
Row($"llama-server's router, its own unload + load, median of {switches}", Milliseconds(Median(theirs)), null);
Row("hotmodel's own part, the difference", Milliseconds(own), "15 ms");
Row($"start to the first answered /health, median of {Starts}", Milliseconds(Median(starts)), "80 ms");
Row("resident memory when idle", string.Create(CultureInfo.InvariantCulture, $"{resident / 1e6:0.0} MB"), "35 MB");
Row("size of the executable", string.Create(CultureInfo.InvariantCulture, $"{size:0.00} MB"), "16 MB");
return own <= 0.015 && Median(starts) <= 0.080 && resident <= 35e6 && size <= 16 ? 0 : 1;

static double Median(IReadOnlyList<double> values)
{
    var sorted = values.Order().ToArray();
    return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
}

static string Milliseconds(double seconds) => string.Create(CultureInfo.InvariantCulture, $"{seconds * 1000:0.0} ms");

static void Row(string what, string value, string? limit) => Console.WriteLine($"| {what} | {value} | {limit} |");
