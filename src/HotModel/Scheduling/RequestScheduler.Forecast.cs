namespace HotModel.Scheduling;

/// <content>What those who wait are told.</content>
internal sealed partial class RequestScheduler
{
    /// <summary>Null: the request does not wait.</summary>
    public ScheduleForecast? Forecast(ScheduleState s, long id, TimeSpan now)
    {
        if (!s.Waiting.TryGetValue(id, out var asking))
            return null;
        var lines = Order(s);
        var model = asking.Model ?? s.Target ?? lines.Select(l => l.Model).FirstOrDefault() ?? s.Active;
        var before = lines.TakeWhile(l => l.Model != model).ToList();
        var earlier = s.Waiting.TakeWhile(w => w.Key != id).Count(w => (w.Value.Model ?? model) == model);
        return new ScheduleForecast(
            before.Sum(l => l.Count) + earlier + 1, model is null ? TimeSpan.Zero : Wait(s, before, model, now));
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

    private TimeSpan Wait(ScheduleState s, List<WaitingLine> before, string model, TimeSpan now)
    {
        var sum = TimeSpan.Zero;
        var from = s.Loaded ?? s.Active;
        if (NextLeaving(s) is { } leaving)
            sum += AtLeast0(leaving.At - now);
        if (s.InFlight > 0 && from is not null)
            sum += AtLeast0(Answer(s, from).Mean - (s.Gate == GateState.Draining ? now - s.GateSince : TimeSpan.Zero));
        var gone = s.Gate is GateState.Switching or GateState.Empty ? now - s.GateSince : TimeSpan.Zero;
        // A target that nobody waits for comes all the same.
        var stations = before.Select(l => l.Model).Append(model);
        if (s.Target is { } target && stations.First() != target)
            stations = stations.Prepend(target);
        foreach (var station in stations)
        {
            var cost = (from is null ? TimeSpan.Zero : Unload(s, from).Mean) + Load(s, station).Mean;
            sum += AtLeast0(cost - gone);
            gone = TimeSpan.Zero;
            if (station != model)
                sum += Answer(s, station).Mean;
            from = station;
        }
        return sum;
    }

    private static TimeSpan AtLeast0(TimeSpan time) => time > TimeSpan.Zero ? time : TimeSpan.Zero;
}
