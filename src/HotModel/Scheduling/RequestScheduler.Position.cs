namespace HotModel.Scheduling;

/// <content>What those who wait are told.</content>
internal sealed partial class RequestScheduler
{
    /// <summary>The request's place in line: with 1 nobody is served before it. Null: it does not wait.</summary>
    public static int? PositionOf(ScheduleState s, long id)
    {
        if (!s.Waiting.TryGetValue(id, out var asking))
            return null;
        var lines = Order(s);
        // Whoever names no model takes the next one, for which nobody else may wait.
        var next = s.Target ?? lines.Select(l => l.Model).FirstOrDefault() ?? s.Active;
        var model = asking.Model ?? next;
        var before = model == next ? 0
            : lines.TakeWhile(l => l.Model != model).Sum(l => l.Count) + s.Waiting.Count(w => w.Value.Model is null);
        var earlier = s.Waiting.TakeWhile(w => w.Key != id).Count(w => (w.Value.Model ?? model) == model);
        return before + earlier + 1;
    }

    /// <summary>Everybody who waits for a named model, in the order in which they are served.</summary>
    private static List<WaitingLine> Order(ScheduleState s)
    {
        var lines = WaitingLine.Of(s, RequestIntent.Normal, null);
        foreach (var line in WaitingLine.Of(s, RequestIntent.Background, null))
        {
            var at = lines.FindIndex(l => l.Model == line.Model);
            if (at < 0)
                lines.Add(line);
            else
                lines[at] = lines[at] with { Count = lines[at].Count + line.Count };
        }
        var first = lines.FindIndex(l => l.Model == s.Target);
        if (first > 0)
        {
            var target = lines[first];
            lines.RemoveAt(first);
            lines.Insert(0, target);
        }
        // Who is back at a model that is being left comes after the others, however early.
        var last = s.Gate == GateState.Draining ? lines.FindIndex(l => l.Model == s.Loaded) : -1;
        if (last >= 0)
        {
            var left = lines[last];
            lines.RemoveAt(last);
            lines.Add(left);
        }
        return lines;
    }
}
