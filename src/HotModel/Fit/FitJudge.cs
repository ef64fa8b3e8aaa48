using System.Globalization;
using HotModel.Gpu;

namespace HotModel.Fit;

/// <summary>All that decides whether a model fits.</summary>
internal sealed record FitQuestion
{
    public required string Model { get; init; }
    public required ModelFact Fact { get; init; }

    /// <summary>By its name what loads it is llama-server; another program, a wrapper too, may find files elsewhere.</summary>
    public required bool IsLlamaServer { get; init; }

    /// <summary>Those that llama-server takes, in its order; empty where there is none, or none that can be read.</summary>
    public required IReadOnlyList<GpuDevice> Gpus { get; init; }

    /// <summary>Measured, by device; null where it was not.</summary>
    public IReadOnlyDictionary<string, long>? Ledger { get; init; }

    /// <summary>Whether this build computes on GPUs; null: not seen yet.</summary>
    public bool? BuildUsesGpu { get; init; }

    /// <summary>What a process takes on a GPU before it has a model.</summary>
    public long GpuProcessBytes { get; init; }

    /// <summary>What the model that leaves gives back, by device; what is missing is not known.</summary>
    public required IReadOnlyDictionary<string, FreedMemory> Freed { get; init; }

    /// <summary>Null where the system does not tell.</summary>
    public long? FreeCpuBytes { get; init; }

    /// <summary>Why the numbers may be wrong; null where they are right.</summary>
    public string? Doubt { get; init; }

    /// <summary>A model of that name was loaded before.</summary>
    public bool HasLoaded { get; init; }
}

/// <summary>Whether a model fits, from numbers alone.</summary>
internal static class FitJudge
{
    public static FitVerdict Judge(FitQuestion question)
    {
        var fact = question.Fact;
        var onGpu = question.Gpus.Count > 0 && fact.Settings.GpuLayers != 0 && question.BuildUsesGpu != false;
        var gpus = onGpu ? question.Gpus : [];
        var settings = FitEstimate.SettingsFor(
            fact, gpus, gpu => gpu.FreeBytes + question.Freed.GetValueOrDefault(gpu.Id).Bytes, question.GpuProcessBytes);
        var estimate = fact.Shape is null ? null : MemoryEstimate.Of(fact.Shape, settings);
        var devices = gpus.Select((gpu, i) => OnGpu(question, gpu, estimate?.Gpus[i].TotalBytes)).ToList();
        if (OnCpu(question, estimate, onGpu) is { } cpu)
            devices.Add(cpu);
        var verdict = new FitVerdict(
            null, null, devices, fact.Settings.ContextTokens, Largest(question, settings, estimate, devices),
            Notes(question))
        {
            IsDoubtful = IsDoubtful(question, onGpu),
        };
        if (question is { IsLlamaServer: true, Fact: { IsNoModel: true, Error: { } missing } })
            return verdict with { Fits = false, Reason = $"The model \"{question.Model}\" cannot be loaded: {missing}." };
        // A newer llama-server may have other rules: what it loaded once is not refused.
        if (question is { HasLoaded: false, Doubt: null } && fact.Shape is { } shape
            && CacheTypes.Fault(shape, fact.Settings) is { } fault)
            return verdict with { Fits = false, Reason = $"The model \"{question.Model}\" cannot be loaded: {fault}." };
        if (devices.Count == 0)
            return verdict with { Reason = "It is not known how much memory is free." };
        if (devices.Find(device => device.NeededBytes is null) is not null)
        {
            return verdict with
            {
                Reason = $"It is not known what it needs: {fact.Error ?? "its numbers go beyond all memory"}.",
            };
        }
        if (devices.TrueForAll(device => device.Fits))
            return verdict with { Fits = true };
        return Doubt(question, devices, onGpu) is { } doubt
            ? verdict with { Reason = $"By the numbers it does not fit, but {doubt}." }
            : verdict with { Fits = false, Reason = Refusal(question.Model, verdict, isReckoned: estimate is not null) };
    }

    private static DeviceFit OnGpu(FitQuestion question, GpuDevice gpu, long? estimated)
    {
        long? measured = question.Ledger is { } ledger && ledger.TryGetValue(gpu.Id, out var bytes) ? bytes : null;
        var (freed, freedSource) = Freed(question, gpu.Id);
        return new DeviceFit(gpu.Id, gpu.Name, gpu.FreeBytes, freed, freedSource, measured ?? estimated,
            measured is not null ? FitSource.Ledger : estimated is not null ? FitSource.Estimate : FitSource.None);
    }

    /// <summary>Only where much of the model is there: what llama-server itself takes is little.</summary>
    private static DeviceFit? OnCpu(FitQuestion question, MemoryEstimate? estimate, bool onGpu)
    {
        if (question.FreeCpuBytes is not { } free
            || (onGpu && estimate is not { Cpu.CacheBytes: > 0 } && question.Fact.Settings.IsMapped))
            return null;
        long? needed = estimate is null ? null : FitEstimate.CpuBytes(estimate.Cpu, question.Fact.Settings);
        var (freed, freedSource) = Freed(question, DeviceFit.CpuId);
        return new DeviceFit(DeviceFit.CpuId, "CPU", free, freed, freedSource, needed,
            needed is null ? FitSource.None : FitSource.Estimate);
    }

    private static (long? Bytes, FitSource Source) Freed(FitQuestion question, string device) =>
        question.Freed.TryGetValue(device, out var freed) ? (freed.Bytes, freed.Source) : (null, FitSource.None);

    /// <summary>Where something was measured, the estimate of another context is off by as much as that of this one.</summary>
    private static long? Largest(
        FitQuestion question, FitSettings settings, MemoryEstimate? estimate, List<DeviceFit> devices)
    {
        if (estimate is null || devices.Count == 0)
            return null;
        var gpus = estimate.Gpus.Select((gpu, i) => devices[i].LeftBytes + gpu.TotalBytes).ToList();
        var cpu = devices[^1].Id == DeviceFit.CpuId
            ? devices[^1].LeftBytes + estimate.Cpu.TotalBytes : (long?)null;
        return LargestContext.Find(question.Fact.Shape!, settings, gpus, cpu);
    }

    private static string? Doubt(FitQuestion question, List<DeviceFit> devices, bool onGpu)
    {
        var settings = question.Fact.Settings;
        var estimated = devices.Exists(device => !device.Fits && device.Source == FitSource.Estimate);
        if (question.Doubt is { } doubt)
            return doubt;
        if (devices.Exists(device => !device.Fits && device.FreedBytes is null))
            return "it is not known what the loaded model gives back";
        if (onGpu && question.BuildUsesGpu is null)
            return "no model was loaded yet with this llama-server, so it is not known whether it computes on the GPU";
        if (settings is { FitsItself: true, GpuLayersAreGiven: false }
            && devices.Exists(gpu => !gpu.Fits && gpu.Id != DeviceFit.CpuId))
            return "llama-server itself puts fewer layers on the GPU (--fit) where gpu_layers is not set";
        if (settings is { FitsItself: true, ContextTokens: <= 0 })
            return "llama-server itself takes a shorter context (--fit) where ctx_size is not set";
        return estimated && settings.NotReckoned is { } option ? $"what {option} changes is not reckoned with" : null;
    }

    /// <summary>As <see cref="Doubt"/>, where the numbers say that it fits: what could make it larger than they say.</summary>
    private static bool IsDoubtful(FitQuestion question, bool onGpu) => question.Doubt is not null
        || (onGpu && question.BuildUsesGpu is null) || question.Fact.Settings.NotReckoned is not null
        || question.Fact.Settings.DraftPath is not null || question.Fact.Settings.ContextTokens <= 0;

    private static List<string> Notes(FitQuestion question)
    {
        var notes = new List<string>();
        if (question.Fact.Settings.DraftPath is not null && question.Ledger is null)
            notes.Add("The draft model is not in the estimate.");
        return notes;
    }

    private static string Refusal(string model, FitVerdict verdict, bool isReckoned)
    {
        var parts = verdict.Devices.Where(device => !device.Fits).Select(device => string.Create(CultureInfo.InvariantCulture,
            $"{device.Name} has {Mb(device.FreeBytes)} MiB free"
            + $"{(device.FreedBytes > 0 ? $" and gets {Mb(device.FreedBytes.Value)} MiB back" : "")}"
            + $"{(device.KeptFreeBytes > 0 ? $", of which {Mb(device.KeptFreeBytes)} MiB stay free" : "")}; "
            + $"the model needs {Mb(device.NeededBytes!.Value)} MiB "
            + $"({PlannedDevice.Word(device.Source)})."));
        var context = verdict.ContextTokens > 0
            ? string.Create(CultureInfo.InvariantCulture, $"ctx_size {verdict.ContextTokens}") : "the context it was trained for";
        var way = verdict.LargestContext is { } largest
            ? string.Create(CultureInfo.InvariantCulture, $" The largest ctx_size that would fit is {largest}.")
            : isReckoned ? " No ctx_size would fit." : "";
        return $"The model \"{model}\" with {context} does not fit. {string.Join(' ', parts)}{way}";

        static long Mb(long bytes) => bytes >> 20;
    }
}
