using System.Text.Json.Serialization;
using HotModel.Gpu;
using HotModel.Llama;
using HotModel.Snapshots;

namespace HotModel.Switching;

/// <summary>What a switch did: the answer of POST /admin/switch and of <c>hotmodel switch --json</c>.</summary>
internal sealed record SwitchReport
{
    public required string? PreviousModel { get; init; }
    /// <summary>The model that was asked for.</summary>
    public required string TargetModel { get; init; }
    /// <summary>The model that answers now; null where none does.</summary>
    public required string? ActiveModel { get; init; }
    public required double ElapsedSeconds { get; init; }
    /// <summary>Null where it was not waited for, or cannot be measured.</summary>
    public required bool? GpuSettled { get; init; }
    public required SwitchMemory GpuMemory { get; init; }
    /// <summary>In order; after a failure those of the way back too, with "rollback_" before the name.</summary>
    public required IReadOnlyList<PhaseTime> Phases { get; init; }
    /// <summary>Most device memory in use at any moment of the switch, all devices together, in MiB.</summary>
    public required long? PeakMb { get; init; }
    /// <summary>What was kept of the model that left; null where nothing was.</summary>
    public SavedSlots? Saved { get; init; }
    /// <summary>What the model now answering has of the last conversation without evaluating it; null where nothing.</summary>
    public RestoredSlot? Restored { get; init; }
    /// <summary>Null where nothing was read ahead.</summary>
    public ReadAheadReport? ReadAhead { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Error { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Reason { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? LogTail { get; init; }
    /// <summary>Only on failure: the model that answers again.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? RolledBackTo { get; init; }

    [JsonIgnore]
    public SwitchOutcome Outcome { get; init; }
}

/// <summary>Readings at the four moments of a switch; a moment that was not reached has the last reading before it.</summary>
internal sealed record SwitchMemory(
    GpuReading BeforeUnload, GpuReading AfterUnload, GpuReading AfterSettle, GpuReading AfterLoad);

internal sealed record PhaseTime(string Name, double Seconds);

internal static class LoadFailureReasonNames
{
    /// <summary>The word for machines: in reports and error codes.</summary>
    public static string Name(this LoadFailureReason reason) => reason switch
    {
        LoadFailureReason.Unknown => "unknown",
        LoadFailureReason.OutOfMemory => "out_of_memory",
        LoadFailureReason.MissingFile => "missing_file",
        LoadFailureReason.CorruptFile => "corrupt_file",
        LoadFailureReason.UnknownFlag => "unknown_flag",
        LoadFailureReason.Killed => "killed",
        LoadFailureReason.TimedOut => "timed_out",
        LoadFailureReason.PortInUse => "port_in_use",
        LoadFailureReason.BinaryMissing => "binary_missing",
        LoadFailureReason.Exited => "exited",
        LoadFailureReason.Removed => "removed",
    };

    /// <summary>True where only a change by somebody can help, so that trying again soon is idle.</summary>
    public static bool IsPermanent(this LoadFailureReason reason) => reason is LoadFailureReason.MissingFile
        or LoadFailureReason.CorruptFile or LoadFailureReason.UnknownFlag or LoadFailureReason.BinaryMissing
        or LoadFailureReason.Removed;
}
