using System.Text.Json;
using HotModel.Prefill;
using HotModel.Snapshots;

namespace HotModel.Api;

/// <summary>What is shown of snapshots and of evaluating ahead.</summary>
/// <param name="files">Of all lanes together.</param>
/// <param name="gain">The same.</param>
/// <param name="lanes">By the number of their seat.</param>
internal sealed class WarmthView(SnapshotKeeper files, ReturnGain gain, IReadOnlyList<LaneWarmth> lanes)
{
    /// <param name="lane">That of the active model.</param>
    public SnapshotCounts Snapshots(int lane)
    {
        var (now, used) = (files.Totals, gain.Totals);
        return new SnapshotCounts(now.Count, now.Bytes, now.MaxBytes, now.Saved, now.Restored, now.Failed, now.Evicted,
            used.ReusedTokens, used.SavedSeconds, lanes[lane].Warm.IsRestorable);
    }

    /// <param name="lane">That of the active model.</param>
    public PrefillAheadState PrefillAhead(int lane)
    {
        var (now, used) = (lanes[lane].Prefill.Status, gain.Totals);
        return new PrefillAheadState(JsonNamingPolicy.SnakeCaseLower.ConvertName(now.State.ToString()), now.Session,
            now.Tokens, now.TotalTokens, now.EvaluatedTokens, now.Seconds, now.Reason, used.AheadTokens, used.AheadSeconds);
    }
}
