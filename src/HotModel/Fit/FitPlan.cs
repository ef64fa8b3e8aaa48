using System.Text.Json.Serialization;

namespace HotModel.Fit;

/// <summary>Where a number comes from.</summary>
internal enum FitSource
{
    /// <summary>Nothing is there, or nothing is known.</summary>
    None,
    /// <summary>Measured at the last load.</summary>
    Ledger,
    /// <summary>Reckoned from the model's files and arguments.</summary>
    Estimate,
    /// <summary>What the system says that the running processes hold.</summary>
    Processes,
}

/// <summary>One device: what it has, what the model takes.</summary>
/// <param name="Id">The driver's UUID; "cpu" for the machine's own memory.</param>
/// <param name="FreedBytes">What the model that leaves gives back; null where that is not known.</param>
/// <param name="NeededBytes">Null where that is not known.</param>
internal sealed record DeviceFit(
    string Id, string Name, long FreeBytes, long? FreedBytes, FitSource FreedSource, long? NeededBytes, FitSource Source)
{
    public const string CpuId = "cpu";

    /// <summary>What is left free beside a model.</summary>
    /// <remarks>
    /// A model takes more than at its load once it is asked long questions: llama.cpp's CUDA backend keeps a pool for what
    /// it converts, and libraries their workspace. Desktops and browsers take some, too, while one model follows the other.
    /// A quarter of what llama-server's own --fit leaves (1024 MiB): that one chooses, this one refuses.
    /// </remarks>
    public const long MarginBytes = 256L << 20;

    /// <summary>None beside what was measured: a model that was loaded is not refused for the sake of a margin.</summary>
    public long KeptFreeBytes => Source == FitSource.Ledger ? 0 : MarginBytes;

    public long LeftBytes => FreeBytes + (FreedBytes ?? 0) - KeptFreeBytes - (NeededBytes ?? 0);

    /// <summary>A device that the model leaves alone may be full.</summary>
    public bool Fits => NeededBytes is 0 || LeftBytes >= 0;
}

/// <summary>Whether a model fits.</summary>
/// <param name="Fits">Null: not known; then nothing is refused.</param>
/// <param name="Reason">Why it is not known, or a sentence for who is refused; null where it fits.</param>
/// <param name="ContextTokens">The model's --ctx-size; 0 for what it was trained for.</param>
/// <param name="LargestContext">The longest context that would fit; null where none does or it is not known.</param>
/// <param name="Notes">What the numbers leave out.</param>
internal sealed record FitVerdict(
    bool? Fits, string? Reason, IReadOnlyList<DeviceFit> Devices, long ContextTokens, long? LargestContext,
    IReadOnlyList<string> Notes)
{
    /// <summary>Beside all that is loaded; else in the place of the loaded model, which leaves first.</summary>
    public bool IsBeside { get; init; }

    /// <summary>Something may make the numbers wrong.</summary>
    public bool IsDoubtful { get; init; }

    /// <summary>Measured, or reckoned with nothing that may make it wrong.</summary>
    public bool IsProven => Fits == true
        && (!IsDoubtful || Devices.All(device => device.Source is FitSource.Ledger || device.NeededBytes is 0));

    public static FitVerdict Unknown(string reason) => new(null, reason, [], 0, null, []);
}

/// <summary>What a switch would do: the answer of POST /admin/switch with "dry_run".</summary>
internal sealed record FitPlan
{
    public required string Model { get; init; }
    public required string? ActiveModel { get; init; }
    /// <summary>It is loaded: nothing would happen.</summary>
    public required bool AlreadyActive { get; init; }
    /// <summary>Null: not known; the switch is not refused.</summary>
    public required bool? Fits { get; init; }
    public required string? Reason { get; init; }
    /// <summary>It is loaded, and would only become the active one.</summary>
    public required bool AlreadyLoaded { get; init; }
    /// <summary>Models that stay in memory while it is loaded: all of them have to fit at once. Empty: none does.</summary>
    public required IReadOnlyList<string> Beside { get; init; }
    /// <summary>Before it is loaded, or, beside others, when it answers.</summary>
    public required IReadOnlyList<string> Unloads { get; init; }
    /// <summary>0 for what the model was trained for.</summary>
    public required long CtxSize { get; init; }
    public required long? LargestCtxSize { get; init; }
    public required IReadOnlyList<PlannedDevice> Devices { get; init; }
    public required PlannedSeconds Seconds { get; init; }
    public required PlannedWarmth Warm { get; init; }
    public required IReadOnlyList<string> Notes { get; init; }
}

/// <summary>In MiB.</summary>
/// <param name="FreedSource">"processes", "ledger" or "estimate"; null where nothing is freed or it is not known.</param>
/// <param name="Source">Of the need: "ledger" or "estimate"; null where it is not known.</param>
internal sealed record PlannedDevice(
    string Device, string Name, long FreeMb, long? FreedMb, string? FreedSource, long? NeededMb, string? Source, long MarginMb,
    bool Fits)
{
    private const int MegabyteShift = 20;

    public static PlannedDevice Of(DeviceFit device) => new(
        device.Id, device.Name, device.FreeBytes >> MegabyteShift, device.FreedBytes >> MegabyteShift,
        Word(device.FreedSource), device.NeededBytes >> MegabyteShift, Word(device.Source),
        device.KeptFreeBytes >> MegabyteShift, device.Fits);

    public static string? Word(FitSource source) => source switch
    {
        FitSource.None => null,
        FitSource.Ledger => "ledger",
        FitSource.Estimate => "estimate",
        FitSource.Processes => "processes",
    };
}

/// <summary>Expected, from what was measured; null where nothing was.</summary>
internal sealed record PlannedSeconds(double? Unload, double? Load, double? Total);

/// <param name="PageCache">The part of the model's files that is in memory, 0 to 1; null where the system does not tell.</param>
/// <param name="Snapshot">What there is on disk for this model, as it is now, of the conversation that was used last.</param>
internal sealed record PlannedWarmth(double? PageCache, PlannedSnapshot? Snapshot);

/// <param name="Tokens">Restored if the model's load shows what its files, arguments and program promise.</param>
internal sealed record PlannedSnapshot([property: JsonPropertyName("session_id")] string Session, int Tokens);
