using HotModel.Configuration;
using HotModel.Switching;

namespace HotModel.ReadAhead;

/// <summary>Reads models ahead, one at a time. Used by one thread.</summary>
internal sealed class ModelReader(
    LiveConfig live, Func<IReadOnlyList<MemoryState>> readMemory, TimeProvider time, ILogger logger)
{
    private ModelReading? latest;

    /// <summary>Begins to read; the one before must have been told to stop.</summary>
    /// <returns>Tells what has been read.</returns>
    public Func<ReadAheadReport> Start(string model, CancellationToken stop)
    {
        var reading = latest = ModelReading.Start(
            model, () => ModelFiles.Of(live.Current, live.Model(model)), new MemoryBudget(readMemory), latest, time, logger,
            stop);
        return () => reading.Report;
    }
}
