namespace HotModel.Scheduling;

/// <summary>Those who wait for one model: they are served together.</summary>
/// <param name="Model">The model.</param>
/// <param name="Oldest">When the first of them came.</param>
/// <param name="Count">How many they are.</param>
internal readonly record struct WaitingLine(string Model, TimeSpan Oldest, int Count)
{
    /// <summary>The lines of all models but one, in the order in which they are served.</summary>
    public static List<WaitingLine> Of(ScheduleState s, RequestIntent intent, string? except)
    {
        List<WaitingLine> lines = [];
        foreach (var request in s.Waiting.Values)
        {
            if (request.Intent != intent || request.Model is not { } model || model == except)
                continue;
            var at = lines.FindIndex(l => l.Model == model);
            if (at < 0)
                lines.Add(new WaitingLine(model, request.Arrived, 1));
            else
                lines[at] = lines[at] with { Count = lines[at].Count + 1 };
        }
        return lines;
    }
}
