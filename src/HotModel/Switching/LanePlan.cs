namespace HotModel.Switching;

/// <summary>A lane as the decisions about lanes see it.</summary>
/// <param name="Model">That it holds or that is on its way in; null: none.</param>
/// <param name="IsReady">Its model answers.</param>
/// <param name="IsActive">Its model is the active one; exactly one lane's is.</param>
/// <param name="IsLeaving">No new request is for it: it ends when its answers have.</param>
/// <param name="IsPinned">Its model leaves for no request.</param>
/// <param name="HoldsLine">Requests wait there for models that are in no lane.</param>
/// <param name="IdleSince">When its last answer ended; null while one runs.</param>
internal readonly record struct LaneView(
    string? Model, bool IsReady, bool IsActive, bool IsLeaving, bool IsPinned, bool HoldsLine, TimeSpan? IdleSince);

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
        // The active one's may be on its way back. Where it was unloaded, the others hold the memory.
        return lanes[active] is { IsReady: false, Model: not null } ? active
            : Oldest(lanes, lane => lane is { IsReady: true, IsLeaving: false }) ?? active;
    }

    /// <summary>Where those who wait in a lane for models that are in none had better wait; null: where they are.</summary>
    public static int? Better(IReadOnlyList<LaneView> lanes, int line)
    {
        var next = Next(lanes);
        var (now, other) = (lanes[line], lanes[next]);
        if (next == line || !other.IsReady || other.IsPinned)
            return null;
        return now.IsPinned || (now.IdleSince is null && other.IdleSince is not null) ? next : null;
    }

    /// <summary>The lane that holds the model ready, even if it is leaving; -1: none does.</summary>
    public static int Holding(IReadOnlyList<LaneView> lanes, string model) =>
        Find(lanes, lane => lane.IsReady && lane.Model == model);

    /// <summary>The lane that has to go now; null: there are no more models than there may be.</summary>
    /// <param name="lanes">All.</param>
    /// <param name="modelsMax">How many may stay loaded.</param>
    public static int? Leaver(IReadOnlyList<LaneView> lanes, int modelsMax) =>
        lanes.Count(lane => lane is { IsReady: true, IsLeaving: false }) <= modelsMax
            ? null : Oldest(lanes, lane => lane is { IsReady: true, IsLeaving: false, IsActive: false });

    /// <summary>The least recently used; a pinned one only where there is no other.</summary>
    private static int? Oldest(IReadOnlyList<LaneView> lanes, Func<LaneView, bool> which)
    {
        int? oldest = null;
        for (var i = 0; i < lanes.Count; i++)
        {
            if (which(lanes[i]) && (oldest is not { } best || Rank(lanes[i]).CompareTo(Rank(lanes[best])) < 0))
                oldest = i;
        }
        return oldest;

        static (bool, TimeSpan) Rank(LaneView lane) => (lane.IsPinned, lane.IdleSince ?? TimeSpan.MaxValue);
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
