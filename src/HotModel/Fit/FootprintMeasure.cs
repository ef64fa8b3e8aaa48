using HotModel.Gpu;

namespace HotModel.Fit;

/// <summary>What a load took on each device, where the readings before and after it tell.</summary>
internal static class FootprintMeasure
{
    /// <summary>As for memory that comes back: two windows' worth on a desktop.</summary>
    private const long NoiseBytes = GpuSettling.DefaultToleranceMb << 20;

    /// <summary>
    /// Where nobody tells which process holds what, a difference this far from what was expected is somebody else's doing:
    /// estimates are within a tenth, llama-server's own --fit may halve them.
    /// </summary>
    private const double LeastOfExpected = 0.4;
    private const double MostOfExpected = 1.5;
    private const long MostBeyondExpected = 1L << 30;

    /// <param name="before">The load, when nothing of ours was loaded.</param>
    /// <param name="after">The load.</param>
    /// <param name="pids">Of our processes.</param>
    /// <param name="expected">By device id, without a process's own; null where there is no estimate.</param>
    /// <returns>Bytes by device id; null where the readings cannot be trusted.</returns>
    public static IReadOnlyDictionary<string, long>? Of(
        GpuReading before, GpuReading after, IReadOnlyCollection<int> pids, IReadOnlyDictionary<string, long>? expected)
    {
        if (after.Devices.Count == 0 || !before.Devices.Select(gpu => gpu.Id).SequenceEqual(after.Devices.Select(gpu => gpu.Id)))
            return null;
        if (Ours(after, pids) is { Count: > 0 } ours)
        {
            return after.Devices.Select((gpu, i) => (gpu.Id, Bytes: Bytes(ours, i) - Bytes(Ours(before, pids), i)))
                .ToDictionary(one => one.Id, one => Math.Max(0, one.Bytes), StringComparer.Ordinal);
        }
        var taken = new Dictionary<string, long>(StringComparer.Ordinal);
        for (var i = 0; i < after.Devices.Count; i++)
        {
            var id = after.Devices[i].Id;
            var bytes = after.Devices[i].UsedBytes - before.Devices[i].UsedBytes;
            // A device that llama-server does not take is all others'.
            if (expected?.ContainsKey(id) == false)
                bytes = 0;
            else if (!IsCredible(bytes, expected?[id]) || OthersChanged(before, after, i))
                return null;
            taken.Add(id, bytes <= NoiseBytes ? 0 : bytes);
        }
        return taken;
    }

    /// <summary>A driver in a container names pids of the host, and then none is ours.</summary>
    private static List<GpuProcess> Ours(GpuReading reading, IReadOnlyCollection<int> pids) =>
        [.. reading.Processes.Where(process => pids.Contains(process.Pid))];

    private static long Bytes(List<GpuProcess> processes, int device) =>
        processes.Where(process => process.Device == device).Sum(process => process.UsedMb) << 20;

    /// <summary>Nothing at all is credible too: many builds have no GPU backend.</summary>
    private static bool IsCredible(long bytes, long? expected) => Math.Abs(bytes) <= NoiseBytes
        || (expected is > 0 and var most && bytes >= most * LeastOfExpected
            && bytes <= most * MostOfExpected + MostBeyondExpected);

    /// <summary>Of the processes that were there before, which none of this load was.</summary>
    private static bool OthersChanged(GpuReading before, GpuReading after, int device)
    {
        var earlier = before.Processes.Where(process => process.Device == device).ToDictionary(one => one.Pid, one => one.UsedMb);
        var later = after.Processes.Where(process => process.Device == device && earlier.ContainsKey(process.Pid))
            .Sum(process => process.UsedMb);
        return Math.Abs(later - earlier.Values.Sum()) << 20 > NoiseBytes;
    }
}
