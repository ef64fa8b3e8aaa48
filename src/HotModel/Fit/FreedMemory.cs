using System.Globalization;
using HotModel.Gpu;

namespace HotModel.Fit;

/// <summary>What a model that leaves gives back on one device.</summary>
internal readonly record struct FreedMemory(long Bytes, FitSource Source)
{
    /// <param name="reading">Now.</param>
    /// <param name="pids">Of our processes.</param>
    /// <param name="ledger">Of the loaded model; null where nothing was measured.</param>
    /// <param name="estimate">Of the loaded model, by device id; null where there is none.</param>
    /// <returns>By device id; empty where nothing tells it.</returns>
    public static Dictionary<string, FreedMemory> OfGpus(
        GpuReading reading, IReadOnlyCollection<int> pids, IReadOnlyDictionary<string, long>? ledger,
        IReadOnlyDictionary<string, long>? estimate)
    {
        var ours = reading.Processes.Where(process => pids.Contains(process.Pid) && process.Device < reading.Devices.Count)
            .ToLookup(process => reading.Devices[process.Device].Id, process => process.UsedMb << 20);
        // A driver in a container names other pids than ours: then its list says nothing of us.
        if (ours.Count > 0)
            return Each(gpu => new FreedMemory(ours[gpu.Id].Sum(), FitSource.Processes));
        if (ledger is not null)
            return Each(gpu => new FreedMemory(Math.Min(ledger.GetValueOrDefault(gpu.Id), gpu.UsedBytes), FitSource.Ledger));
        if (estimate is not null)
            return Each(gpu => new FreedMemory(Math.Min(estimate.GetValueOrDefault(gpu.Id), gpu.UsedBytes), FitSource.Estimate));
        return [];

        Dictionary<string, FreedMemory> Each(Func<GpuDevice, FreedMemory> one) =>
            reading.Devices.ToDictionary(gpu => gpu.Id, one, StringComparer.Ordinal);
    }

    /// <summary>Where nothing leaves.</summary>
    public static Dictionary<string, FreedMemory> Nothing(GpuReading reading)
    {
        var nothing = reading.Devices.ToDictionary(gpu => gpu.Id, _ => default(FreedMemory), StringComparer.Ordinal);
        nothing.Add(DeviceFit.CpuId, default);
        return nothing;
    }

    /// <summary>What processes hold that is no file's: it is free when they have ended. Null where that is not told.</summary>
    public static long? OfProcesses(IEnumerable<int> pids)
    {
        if (!OperatingSystem.IsLinux())
            return null;
        var sum = 0L;
        foreach (var pid in pids)
        {
            if (Anonymous(pid) is { } bytes)
                sum += bytes;
        }
        return sum > 0 ? sum : null;
    }

    private static long? Anonymous(int pid)
    {
        const string field = "RssAnon:";
        try
        {
            foreach (var line in File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/status")))
            {
                if (line.StartsWith(field, StringComparison.Ordinal)
                    && line.AsSpan(field.Length).Trim() is var value && value.IndexOf(' ') is > 0 and var end
                    && long.TryParse(value[..end], NumberStyles.None, CultureInfo.InvariantCulture, out var kilobytes))
                    return kilobytes * 1024;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It has ended.
        }
        return null;
    }
}
