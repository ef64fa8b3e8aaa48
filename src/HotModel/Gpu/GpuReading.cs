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
    [property: JsonIgnore] IReadOnlyList<GpuProcess> Processes);

internal readonly record struct GpuProcess(int Device, int Pid, long UsedMb);
