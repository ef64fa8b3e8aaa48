using HotModel.Llama;

namespace HotModel.Switching;

/// <param name="IsActive">Its model is the active one.</param>
/// <param name="IsLeaving">It ends when its answers have.</param>
/// <param name="IsComing">Its model becomes the active one when it is loaded.</param>
internal sealed record LanePicture(SwitchLoop Loop, bool IsActive, bool IsLeaving, bool IsComing);

/// <summary>The lanes at a moment, for display and for looks at memory: it is old when it is read. From any thread.</summary>
/// <param name="Lanes">The active one first.</param>
/// <param name="Wanted">The model that waits for a place; null: none does.</param>
/// <param name="Leaves">The model that would make room for one that comes beside; null: none has to.</param>
/// <param name="Yields">The lane whose model leaves for a request where nothing fits beside.</param>
internal sealed record LanesPicture(IReadOnlyList<LanePicture> Lanes, string? Wanted, string? Leaves, SwitchLoop Yields)
{
    public LanePicture Active => Lanes[0];

    /// <summary>Models whose processes are there, the active one first.</summary>
    public IReadOnlyList<string> Loaded =>
        [.. Lanes.Select(lane => lane.Loop.State).Where(state => state is { Instance: not 0, Active: not null })
            .Select(state => state.Active!)];

    public bool BackendIsRunning => Lanes.Any(lane => lane.Loop.BackendIsRunning);

    /// <summary>The model answers, and requests for it are let in.</summary>
    public bool Answers(string model) => Lanes.Any(lane =>
        !lane.IsLeaving && lane.Loop.Status is { Phase: "ready" } status && status.ActiveModel == model);

    /// <summary>How many requests wait for each model; who names none waits for the active one.</summary>
    public SortedDictionary<string, int> WaitingByModel()
    {
        var counts = new SortedDictionary<string, int>(StringComparer.Ordinal);
        foreach (var request in Lanes.SelectMany(lane => lane.Loop.Schedule.Waiting.Values))
        {
            if ((request.Model ?? Active.Loop.Status.ActiveModel) is { } model)
                counts[model] = counts.GetValueOrDefault(model) + 1;
        }
        return counts;
    }

    public SwitchStatus Status()
    {
        var status = Active.Loop.Status;
        if (Lanes.Count == 1 && Wanted is null)
            return status;
        status = status with
        {
            InflightChats = Lanes.Sum(lane => lane.Loop.Status.InflightChats),
            WaitingChats = Lanes.Sum(lane => lane.Loop.Status.WaitingChats),
        };
        if (Lanes.FirstOrDefault(lane => lane is { IsComing: true, IsActive: false })?.Loop.Status is { Switching: true } coming)
            return status with { Phase = coming.Phase, GoalModel = coming.GoalModel, Switching = true };
        return Wanted is { } wanted && !status.Switching
            ? status with { Phase = "draining", GoalModel = wanted, Switching = true } : status;
    }
}
