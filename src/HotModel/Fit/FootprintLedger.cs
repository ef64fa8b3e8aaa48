using HotModel.Configuration;
using HotModel.Gpu;
using HotModel.Llama;
using HotModel.Sessions;
using HotModel.Snapshots;
using HotModel.Switching;
using ZLogger;

namespace HotModel.Fit;

/// <summary>What models took when they were loaded, in the store. The newest measurement counts.</summary>
internal sealed class FootprintLedger(ModelFacts facts, SessionStore store, ILogger logger)
{
    /// <summary>More than any driver takes for a process without a model.</summary>
    private const long MostProcessBytes = 2L << 30;

    /// <summary>
    /// What the driver takes on a GPU for a process that computes there, until models were loaded there that show it. With
    /// Vulkan on an H200 it is about 35 MiB (scripts/measure-fit-gpu.sh); of CUDA, which was not measured, 300 to 500 MiB
    /// are told. So it is off by less than 300 MiB either way.
    /// </summary>
    private const long AssumedProcessBytes = 256L << 20;

    public static string? Key(ModelFact fact, IEnumerable<GpuDevice> gpus)
    {
        if (fact.Fingerprint is null)
            return null;
        var all = new HashInput().Add(fact.Fingerprint);
        foreach (var gpu in gpus)
            all.Add(gpu.Id);
        return all.Hex();
    }

    public IReadOnlyDictionary<string, long>? Find(ModelFact fact, IEnumerable<GpuDevice> gpus) =>
        Key(fact, gpus) is { } key ? store.FindFootprint(key) : null;

    public bool? UsesGpu(string build) => store.UsesGpu(build);

    /// <summary>On the device where it is most.</summary>
    public long ProcessBytes(string build, IEnumerable<GpuDevice> gpus) =>
        gpus.Select(gpu => store.MeanSurplus(build, gpu.Id, MostProcessBytes)).Max() ?? AssumedProcessBytes;

    /// <summary>After each load, whether it succeeded or not. Takes some milliseconds.</summary>
    public void Note(ModelConfig model, LoadReadings readings)
    {
        if (readings.After.Devices.Count == 0)
            return;
        var fact = facts.Of(model);
        var visible = facts.Visible(fact, readings.Before.Devices).Devices;
        if (Key(fact, visible) is not { } key)
            return;
        if (readings.Failure is { } failure)
        {
            // It took more than was known, or others took what it had before: what is known is of no use either way.
            if (failure.Reason == LoadFailureReason.OutOfMemory)
                store.ForgetFootprint(key);
            return;
        }
        var expected = FitEstimate.Of(fact, visible, gpu => gpu.FreeBytes, 0)?.Gpus
            .Select((gpu, i) => (visible[i].Id, gpu.TotalBytes)).ToDictionary(StringComparer.Ordinal);
        if (FootprintMeasure.Of(readings.Before, readings.After, readings.Pids, expected) is not { } taken)
        {
            FitLog.NotMeasured(logger, model.Name);
            return;
        }
        store.KeepFootprint([.. taken.Select(one => new StoredFootprint(
            key, one.Key, fact.Build, one.Value, expected?.GetValueOrDefault(one.Key)))]);
        FitLog.Measured(logger, model.Name, taken.Values.Sum() >> 20);
    }
}

/// <summary>Event ids 150 to 159.</summary>
internal static partial class FitLog
{
    [ZLoggerMessage(150, LogLevel.Information, "{model} takes {mb} MiB of device memory")]
    public static partial void Measured(ILogger logger, string model, long mb);

    [ZLoggerMessage(151, LogLevel.Information,
        "What {model} takes of device memory was not measured: other programs' memory changed meanwhile")]
    public static partial void NotMeasured(ILogger logger, string model);
}
