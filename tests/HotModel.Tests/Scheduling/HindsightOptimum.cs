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
        // How many were served of each model is one number, with a digit for each model.
        var units = new int[lines.Length + 1];
        units[0] = 1;
        for (var m = 0; m < lines.Length; m++)
            units[m + 1] = units[m] * (lines[m].Length + 1);
        var all = units[^1] - 1;
        var layer = new Dictionary<(int Model, int Served), TimeSpan> { [(names.IndexOf(loaded), 0)] = TimeSpan.Zero };
        // By model and requests served, the earliest it was ready in any fewer switches: being later is no use.
        var best = new Dictionary<(int, int), TimeSpan>();
        for (var switches = 0; layer.Count > 0; switches++)
        {
            var next = new Dictionary<(int, int), TimeSpan>();
            foreach (var ((model, served), ready) in layer)
            {
                var before = served / units[model] % (lines[model].Length + 1);
                foreach (var (count, free) in Visit(lines[model], before, ready, bound))
                {
                    var after = served + (count - before) * units[model];
                    if (after == all)
                        return switches;
                    // Only where it begins may a model be left unused.
                    if (switches > 0 && count == before)
                        continue;
                    for (var to = 0; to < names.Count; to++)
                    {
                        if (to == model || after / units[to] % (lines[to].Length + 1) == lines[to].Length)
                            continue;
                        var opens = free + models[names[model]].Unload + models[names[to]].Load;
                        if (best.TryGetValue((to, after), out var known) && known <= opens)
                            continue;
                        best[(to, after)] = next[(to, after)] = opens;
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
}
