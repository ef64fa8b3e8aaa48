using System.Globalization;
using MeasureScheduler;
using TinyGguf;

if (args is not [var hotmodel, var llamaServer, var secondsText, ..]
    || !int.TryParse(secondsText, CultureInfo.InvariantCulture, out var seconds))
{
    Console.Error.WriteLine("usage: MeasureScheduler HOTMODEL LLAMA_SERVER SECONDS");
    return 2;
}
const int MaxWaitSeconds = 15;
string[] models = ["a", "b", "c"];
var folder = Directory.CreateTempSubdirectory("hotmodel-scheduler-").FullName;
var missed = new List<string>();
try
{
    foreach (var (name, seed) in models.Zip([1, 2, 3]))
    {
        // 154 M parameters: on the CPU an answer takes long enough for others to come meanwhile.
        new TinyModel
        {
            Name = name,
            Seed = seed,
            Layers = 10,
            Embedding = 1024,
            FeedForward = 4096,
            Heads = 16,
            KvHeads = 4,
            Type = TensorType.Q8,
        }.Write(Path.Combine(folder, name + ".gguf"));
    }
    Console.WriteLine($"Three models, six clients, {seconds} s each; hotmodel with queue_max_wait_seconds = {MaxWaitSeconds}.");
    foreach (var workload in Workload.All)
    {
        Console.WriteLine($"\n{char.ToUpperInvariant(workload.Name[0])}{workload.Name[1..]}:\n");
        Console.WriteLine("| | answers | fewest of a client | wait s, median | p99 | longest | switches | per 100 answers | failed |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|");
        Measured ours, theirs;
        using (var server = await Server.StartHotModelAsync(hotmodel, llamaServer, folder, models, MaxWaitSeconds))
            ours = await Measured.RunAsync(server, workload, seconds);
        Console.WriteLine(ours.Row("hotmodel"));
        using (var server = await Server.StartRouterAsync(llamaServer, folder, models))
            theirs = await Measured.RunAsync(server, workload, seconds);
        Console.WriteLine(theirs.Row("llama-server's router"));
        Goal("no client without an answer", ours.Fewest > 0);
        Goal("no failed request", ours.Failed == 0);
        Goal($"p99 of the wait at most {MaxWaitSeconds} s", ours.Wait(0.99) <= MaxWaitSeconds);
        // Who answers less has less to switch for, and who lets somebody wait without end need not switch at all.
        Goal("fewer switches for an answer than the router, or that lets somebody wait beyond the bound",
            ours.SwitchesPerAnswer < theirs.SwitchesPerAnswer || theirs.Wait(1) > MaxWaitSeconds);
    }
}
finally
{
    Directory.Delete(folder, recursive: true);
}
Console.WriteLine();
Console.WriteLine(missed.Count == 0 ? "All goals are met." : "Missed: " + string.Join("; ", missed));
return missed.Count == 0 ? 0 : 1;

void Goal(string text, bool isMet)
{
    if (!isMet)
        missed.Add(text);
}
