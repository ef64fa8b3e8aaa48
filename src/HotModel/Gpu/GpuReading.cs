using System.Text.Json.Serialization;

namespace HotModel.Gpu;

/// <summary>
/// Used device memory at one moment, in MiB; everything null or empty where no NVIDIA device can be read.
/// </summary>
/// <param name="TotalMb">Used on all devices together.</param>
/// <param name="PerGpuMb">Used, by device index.</param>
/// <param name="Processes">Memory by process, where the driver tells it.</param>
internal sealed record GpuReading(
    [property: JsonPropertyName("captured_at")] DateTimeOffset CapturedAt,
    [property: JsonPropertyName("total_mb")] long? TotalMb,
    [property: JsonPropertyName("per_gpu_mb")] IReadOnlyList<long>? PerGpuMb,
    [property: JsonIgnore] IReadOnlyList<GpuProcess> Processes)
{
    /// <summary>To the byte, by device index; empty where <see cref="TotalMb"/> is null.</summary>
    [JsonIgnore]
    public IReadOnlyList<GpuDevice> Devices { get; init; } = [];
}

/// <param name="Id">The driver's UUID, which stays the device's own; without it name and index.</param>
/// <param name="FreeBytes">What a new process may take: what the driver keeps for itself is in neither.</param>
internal sealed record GpuDevice(string Id, string Name, long UsedBytes, long FreeBytes);

internal readonly record struct GpuProcess(int Device, int Pid, long UsedMb);
