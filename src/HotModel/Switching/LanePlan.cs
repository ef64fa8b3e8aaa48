namespace HotModel.Switching;

/// <summary>A lane as the decisions about lanes see it.</summary>
/// <param name="Model">That it holds or that is on its way in; null: none.</param>
/// <param name="IsReady">Its model answers.</param>
/// <param name="IsActive">Its model is the active one; exactly one lane's is.</param>
/// <param name="IsLeaving">No new request is for it: it ends when its answers have.</param>
/// <param name="IsPinned">Its model leaves for no request.</param>
/// <param name="HoldsLine">Requests wait there for models that are in no lane.</param>
/// <param name="LastUsed">When its last answer ended; now while one runs.</param>
internal readonly record struct LaneView(
    string? Model, bool IsReady, bool IsActive, bool IsLeaving, bool IsPinned, bool HoldsLine, TimeSpan LastUsed);

/// <summary>Decides which lane is whose. Pure.</summary>
internal static class LanePlan
{
    /// <summary>The lane in which a request waits or is answered.</summary>
    /// <param name="lanes">All.</param>
    /// <param name="model">That it names; null: the active one.</param>
    /// <param name="mayLoad">A model is loaded for it; else it is for one that is, or refused.</param>
    public static int Route(IReadOnlyList<LaneView> lanes, string? model, bool mayLoad)
    {
        var own = model is null ? -1 : Find(lanes, lane => !lane.IsLeaving && lane.Model == model);
        if (own >= 0)
            return own;
        if (model is null || !mayLoad)
            return Find(lanes, lane => lane.IsActive);
        return Yielding(lanes);
    }

    /// <summary>The lane whose model makes room for those that are in no lane.</summary>
    public static int Yielding(IReadOnlyList<LaneView> lanes)
    {
        // Who waits for one stays together: who of them is next is one scheduler's decision.
        var line = Find(lanes, lane => !lane.IsLeaving && lane.HoldsLine);
        return line >= 0 ? line : Next(lanes);
    }

    /// <summary>The lane whose model makes room for another when requests want that: its scheduler says when.</summary>
    public static int Next(IReadOnlyList<LaneView> lanes)
    {
        var active = Find(lanes, lane => lane.IsActive);
        return lanes[active].IsReady && Oldest(lanes, lane => lane is { IsReady: true, IsLeaving: false }) is { } oldest
            ? oldest : active;
    }

    /// <summary>The lane that holds the model ready, even if it is leaving; -1: none does.</summary>
    public static int Holding(IReadOnlyList<LaneView> lanes, string model) =>
        Find(lanes, lane => lane.IsReady && lane.Model == model);

    /// <summary>The lane that has to go now; null: there are no more models than there may be.</summary>
    /// <param name="lanes">All.</param>
    /// <param name="modelsMax">How many may stay loaded.</param>
    /// <param name="preferred">The one that was to make room; null: the one that was used least recently.</param>
    public static int? Leaver(IReadOnlyList<LaneView> lanes, int modelsMax, int? preferred)
    {
        if (lanes.Count(lane => lane is { IsReady: true, IsLeaving: false }) <= modelsMax)
            return null;
        return preferred is { } one && lanes[one] is { IsActive: false, IsLeaving: false }
            ? one : Oldest(lanes, lane => lane is { IsReady: true, IsLeaving: false, IsActive: false });
    }

    /// <summary>A pinned one only where there is no other.</summary>
    private static int? Oldest(IReadOnlyList<LaneView> lanes, Func<LaneView, bool> which)
    {
        int? oldest = null;
        for (var i = 0; i < lanes.Count; i++)
        {
            if (which(lanes[i]) && (oldest is not { } best
                || (lanes[i].IsPinned, lanes[i].LastUsed).CompareTo((lanes[best].IsPinned, lanes[best].LastUsed)) < 0))
                oldest = i;
        }
        return oldest;
    }

    private static int Find(IReadOnlyList<LaneView> lanes, Func<LaneView, bool> which)
    {
        for (var i = 0; i < lanes.Count; i++)
        {
            if (which(lanes[i]))
                return i;
        }
        return -1;
    }
}
