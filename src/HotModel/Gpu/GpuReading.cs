namespace HotModel.Gpu;

/// <summary>Used device memory at one moment, in MiB; everything null or empty where no NVIDIA device can be read.</summary>
/// <param name="TotalMb">Used on all devices together.</param>
/// <param name="PerGpuMb">Used, by device index.</param>
/// <param name="Processes">Memory by process, where the driver tells it.</param>
internal sealed record GpuReading(
    DateTimeOffset CapturedAt, long? TotalMb, IReadOnlyList<long>? PerGpuMb, IReadOnlyList<GpuProcess> Processes);

internal readonly record struct GpuProcess(int Device, int Pid, long UsedMb);
