namespace HotModel.Tests.Scheduling;

/// <summary>The fewest switches with which a schedule could have been served by somebody who knew all of it before.</summary>
/// <remarks>
/// Exact. A model is visited, serves the next so many of its requests, and is left when the last of them has ended. Who
/// comes to the next model earlier can do all that one who comes later can, so of all ways to have served the same requests
/// in the same number of switches, and to be at the same model, only the quickest counts.
/// </remarks>
internal static class HindsightOptimum
{
    /// <param name="requests">At, Model, Takes; slots are not limited.</param>
    /// <param name="models">Their costs.</param>
    /// <param name="loaded">At the start.</param>
    /// <param name="bound">Nobody may wait longer.</param>
    /// <returns>Null: not even then could everybody have been served in time.</returns>
    public static int? Switches(IEnumerable<SimulatedRequest> requests,
        IReadOnlyDictionary<string, SimulatedModel> models, string loaded, TimeSpan bound)
    {
        var names = models.Keys.ToList();
        var lines = names.Select(n => requests.Where(r => r.Model == n).OrderBy(r => r.At).ToArray()).ToArray();
        var radix = lines.Select(l => l.Length + 1).ToArray();
        var total = lines.Sum(l => l.Length);
        // By model and number of requests served of each: when it is ready.
        var layer = new Dictionary<(int Model, int Served), TimeSpan> { [(names.IndexOf(loaded), 0)] = TimeSpan.Zero };
        for (var switches = 0; layer.Count > 0; switches++)
        {
            var next = new Dictionary<(int, int), TimeSpan>();
            foreach (var ((model, served), ready) in layer)
            {
                foreach (var (count, free) in Visit(lines[model], Served(served, radix, model), ready, bound))
                {
                    // Only where it begins may a model be left unused.
                    if (switches > 0 && count == Served(served, radix, model))
                        continue;
                    var after = served + (count - Served(served, radix, model)) * Step(radix, model);
                    if (Sum(after, radix) == total)
                        return switches;
                    for (var to = 0; to < names.Count; to++)
                    {
                        if (to == model || Served(after, radix, to) == lines[to].Length)
                            continue;
                        var opens = free + models[names[model]].Unload + models[names[to]].Load;
                        if (!next.TryGetValue((to, after), out var known) || opens < known)
                            next[(to, after)] = opens;
                    }
                }
            }
            layer = next;
        }
        return null;
    }

    /// <summary>Each number of requests after which the model may be left, and when that is.</summary>
    private static IEnumerable<(int Served, TimeSpan Free)> Visit(
        SimulatedRequest[] line, int served, TimeSpan ready, TimeSpan bound)
    {
        yield return (served, ready);
        var free = ready;
        for (; served < line.Length; served++)
        {
            var begins = line[served].At > ready ? line[served].At : ready;
            if (begins - line[served].At > bound)
                yield break;
            var ends = begins + line[served].Takes;
            free = ends > free ? ends : free;
            yield return (served + 1, free);
        }
    }

    private static int Step(int[] radix, int model) => radix.Take(model).Aggregate(1, (a, b) => a * b);

    private static int Served(int all, int[] radix, int model) => all / Step(radix, model) % radix[model];

    private static int Sum(int all, int[] radix) => Enumerable.Range(0, radix.Length).Sum(m => Served(all, radix, m));
}
