using HotModel.Fuzz;
using SharpFuzz;

// HotModel.Fuzz                        the names of the targets
// HotModel.Fuzz TARGET                 under afl-fuzz: what it says, over and over; else standard input, once
// HotModel.Fuzz TARGET FILE...         each file; what is found wrong with it
// HotModel.Fuzz --instrument FILE...   changes the assemblies so that they report which way they take
if (args.Length == 0)
{
    foreach (FuzzTarget target in FuzzTargets.All)
        Console.WriteLine(target.Name);
    return 0;
}
if (args[0] == "--instrument")
{
    foreach (string assembly in args[1..])
        Console.WriteLine($"{Path.GetFileName(assembly)}: {Fuzzer.Instrument(assembly, _ => true, Options.Value).Count()} types");
    return 0;
}
FuzzTarget? named = FuzzTargets.All.FirstOrDefault(target => target.Name == args[0]);
if (named is null)
{
    Console.Error.WriteLine(
        $"There is no target {args[0]}; there are {string.Join(", ", FuzzTargets.All.Select(target => target.Name))}");
    return 2;
}
if (args.Length == 1)
{
    Fuzzer.OutOfProcess.Run(stream => named.Run(FuzzTargets.ReadAll(stream)));
    return 0;
}
var found = new Dictionary<string, List<string>>();
foreach (string file in args[1..])
{
    try
    {
        named.Run(File.ReadAllBytes(file));
    }
    catch (Exception e)
    {
        // Where it came from tells one from the other, what it says is about the one input.
        string stack = string.Join('\n', (e.StackTrace ?? "").Split('\n')
            .Where(line => line.Contains("HotModel", StringComparison.Ordinal)));
        if (found.TryAdd(stack, [file]))
            Console.WriteLine($"{file}:\n{e.GetType().Name}: {e.Message}\n{stack}");
        else
            found[stack].Add(file);
    }
}
foreach (List<string> files in found.Values)
    Console.WriteLine($"{files.Count} like {files[0]}");
return found.Count == 0 ? 0 : 1;
