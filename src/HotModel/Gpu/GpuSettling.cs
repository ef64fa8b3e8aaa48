namespace HotModel.Gpu;

/// <summary>When the memory of an unloaded model counts as back. Pure: readings in, answer out.</summary>
/// <param name="BeforeLoad">Taken before that model was loaded; null where there was no such moment.</param>
/// <param name="BeforeUnload">Taken while it was loaded.</param>
/// <param name="Pids">The processes that the model may have run in.</param>
/// <param name="ThresholdMb">The user's gpu_settle_memory_mb; where it is set, it alone decides.</param>
/// <param name="ToleranceMb">How far above the level before the load still counts as that level.</param>
internal sealed record GpuSettling(
    GpuReading? BeforeLoad, GpuReading? BeforeUnload, IReadOnlyCollection<int> Pids, long? ThresholdMb,
    long ToleranceMb = GpuSettling.DefaultToleranceMb)
{
    /// <summary>Two windows' worth on a desktop; far below any model that is worth waiting for.</summary>
    public const long DefaultToleranceMb = 64;

    /// <summary>Null: there is nothing to tell it by.</summary>
    public bool? IsSettled(GpuReading now)
    {
        if (now.TotalMb is not { } used)
            return null;
        if (ThresholdMb is { } threshold)
            return used <= threshold;
        if (SeesOurProcesses)
            return !HoldsMemory(now);
        return BeforeLoad?.TotalMb is { } before ? used <= before + ToleranceMb : null;
    }

    /// <summary>
    /// The driver names pids of the host, and in a container ours are others: that none of ours holds memory proves
    /// something only if one of them was seen to hold some.
    /// </summary>
    private bool SeesOurProcesses => BeforeUnload is not null && HoldsMemory(BeforeUnload);

    private bool HoldsMemory(GpuReading reading) => reading.Processes.Any(process => Pids.Contains(process.Pid));
}
