using System.Text.Json;
using System.Text.Json.Serialization;
using HotModel.Fit;
using HotModel.Switching;

namespace HotModel.Api;

/// <summary>The shapes of the admin API; the seed's names are snake_case.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(AdminState))]
[JsonSerializable(typeof(HealthAnswer))]
[JsonSerializable(typeof(SwitchReport))]
[JsonSerializable(typeof(SwitchStatus))]
[JsonSerializable(typeof(ProgressNews))]
[JsonSerializable(typeof(SwitchRequestBody))]
[JsonSerializable(typeof(FitPlan))]
[JsonSerializable(typeof(ReloadReport))]
[JsonSerializable(typeof(ReloadRequestBody))]
internal sealed partial class AdminJson : JsonSerializerContext;

internal static class ReadableAdminJson
{
    public static readonly AdminJson Context = new(
        new JsonSerializerOptions(AdminJson.Default.Options) { Encoder = ReadableJson.Encoder });
}

/// <summary>Answer of GET /health to who may not read the state.</summary>
internal sealed record HealthAnswer(string Status);

/// <summary>Answer of GET /admin/state and, with the status before it, of GET /health.</summary>
internal sealed record AdminState
{
    /// <summary>"ok" or "switching"; only in GET /health.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Status { get; init; }
    public required string Version { get; init; }
    public required string? ActiveModel { get; init; }
    public required bool Switching { get; init; }
    /// <summary>Models that are in memory, the active one first; also one that ends its answers before it leaves.</summary>
    public required IReadOnlyList<string> Loaded { get; init; }
    public required IReadOnlyList<string> Models { get; init; }
    public required string BackendMode { get; init; }
    /// <summary>A server process of ours is alive, in either mode.</summary>
    public required bool ProcessRunning { get; init; }
    public required bool RouterRunning { get; init; }
    public required int InflightChats { get; init; }
    /// <summary>What the switch machine is doing: "ready", "draining", "loading" and so on.</summary>
    public required string Phase { get; init; }
    public required string? GoalModel { get; init; }
    public required int WaitingChats { get; init; }
    /// <summary>By the model that they wait for; who names none waits for the active one.</summary>
    public required IReadOnlyDictionary<string, int> WaitingByModel { get; init; }
    public required string? LastError { get; init; }
    public required SwitchCounts Switches { get; init; }
    public required RequestCounts Requests { get; init; }
    /// <summary>Null where read_ahead is off.</summary>
    public required ReadAheadTotals? ReadAhead { get; init; }
    /// <summary>
    /// What the program has taken from its garbage collector since the start. Relayed events do not add to it.
    /// </summary>
    public required long AllocatedBytes { get; init; }
    public required SnapshotCounts Snapshots { get; init; }
    public required PrefillAheadState PrefillAhead { get; init; }
}

/// <summary>Conversations on disk as models have evaluated them.</summary>
/// <param name="Count">There are now, as are the bytes; the rest counts since the start.</param>
/// <param name="ReusedTokens">Restored, and then used by an answer.</param>
/// <param name="SavedSeconds">What evaluating them would have taken, less the reading of the files.</param>
/// <param name="Restorable">False: the active model cannot go on from its files, so none are kept; null: not known.</param>
internal sealed record SnapshotCounts(
    long Count, long Bytes, long MaxBytes, long Saved, long Restored, long Failed, long Evicted, long ReusedTokens,
    double SavedSeconds, bool? Restorable);

/// <summary>What the loaded model evaluates of the last conversation before it is asked.</summary>
/// <param name="State">"off"; "idle": nothing to do since the load; "running", "done"; "stopped" before the end.</param>
/// <param name="SessionId">Null where there is nothing to do.</param>
/// <param name="Tokens">That the model has of it, with those restored.</param>
/// <param name="TotalTokens">That its next prompt begins with, whatever is asked.</param>
/// <param name="EvaluatedTokens">Since the load.</param>
/// <param name="Seconds">That this took.</param>
/// <param name="Reason">Why it was stopped, one sentence; else null.</param>
/// <param name="UsedTokens">Since the start: evaluated ahead, and then used by an answer.</param>
/// <param name="SavedSeconds">Since the start: by which those answers came sooner.</param>
internal sealed record PrefillAheadState(
    string State, string? SessionId, int Tokens, int TotalTokens, int EvaluatedTokens, double Seconds, string? Reason,
    long UsedTokens, double SavedSeconds);

/// <summary>Counted since the start.</summary>
/// <param name="WaitSeconds">For their model, all together.</param>
internal sealed record RequestCounts(
    long Total, long Streams, long CutStreams, long StoreFailures, long RelayedBytes, double WaitSeconds);
