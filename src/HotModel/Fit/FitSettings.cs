using System.Globalization;

namespace HotModel.Fit;

/// <summary>What llama-server is told that decides how much memory a model takes. Defaults are those of 0.7.0.</summary>
internal sealed record FitSettings
{
    /// <summary>How many layers go to the GPUs, the output as one more; null for all.</summary>
    public int? GpuLayers { get; init; }

    /// <summary>How the layers are shared out among the GPUs, in any unit: --tensor-split, or their free memory, which
    /// is what llama.cpp goes by without it. Empty where there is no GPU.</summary>
    public IReadOnlyList<double> GpuShares { get; init; } = [];

    /// <summary>Of this many first layers the experts stay on the CPU.</summary>
    public int ExpertLayersOnCpu { get; init; }

    /// <summary>0 for what the model was trained for.</summary>
    public long ContextTokens { get; init; }

    /// <summary>Null: llama-server chooses, which are 4 that share one cache.</summary>
    public int? Slots { get; init; }

    /// <summary>All slots share one cache of the whole context; null: only where their number is not given.</summary>
    public bool? UnifiedCache { get; init; }

    public GgmlType KeyCacheType { get; init; } = GgmlType.F16;

    public GgmlType ValueCacheType { get; init; } = GgmlType.F16;

    /// <summary>"auto" is on wherever the device can, and off only on old ones: taken for on.</summary>
    public bool FlashAttention { get; init; } = true;

    public int BatchTokens { get; init; } = 2048;

    public int MicroBatchTokens { get; init; } = 512;

    /// <summary>Layers with a sliding window keep the whole context too.</summary>
    public bool FullSlidingWindow { get; init; }

    public bool CacheOnGpu { get; init; } = true;

    /// <summary>The size of the --mmproj file, which is weights; what it computes with is not known.</summary>
    public long ProjectorBytes { get; init; }

    public bool ProjectorOnGpu { get; init; } = true;

    /// <summary>What the driver takes on each used GPU for a process that computes there: its context, its kernels and
    /// their scratch memory. It depends on driver, device and build, not on the model, so it has to be measured.</summary>
    public long GpuProcessBytes { get; init; }

    public int SlotsOrDefault => Slots is > 0 and var slots ? slots : 4;

    public bool IsUnified => UnifiedCache ?? Slots is null or <= 0;

    /// <summary>From a model's command line, in which the last of two that contradict each other wins.</summary>
    /// <remarks>What is no value of its option stays the default: llama-server refuses it when it starts.</remarks>
    public static FitSettings Read(IReadOnlyList<string> arguments)
    {
        var settings = new FitSettings();
        for (var i = 0; i < arguments.Count; i++)
            settings = settings.Told(arguments[i], i + 1 < arguments.Count ? arguments[i + 1] : "");
        return settings;
    }

    private FitSettings Told(string option, string value) => option switch
    {
        "-ngl" or "--gpu-layers" or "--n-gpu-layers" => this with { GpuLayers = Number(value) is >= 0 and var n ? n : null },
        "-ts" or "--tensor-split" => this with { GpuShares = Shares(value) },
        "-dev" or "--device" when value == "none" => this with { GpuShares = [], GpuLayers = 0 },
        "-cmoe" or "--cpu-moe" => this with { ExpertLayersOnCpu = int.MaxValue },
        "-ncmoe" or "--n-cpu-moe" => this with { ExpertLayersOnCpu = Number(value) ?? 0 },
        "-c" or "--ctx-size" => this with { ContextTokens = Number(value) ?? 0 },
        "-np" or "--parallel" => this with { Slots = Number(value) is > 0 and var n ? n : null },
        "-kvu" or "--kv-unified" => this with { UnifiedCache = true },
        "-no-kvu" or "--no-kv-unified" => this with { UnifiedCache = false },
        "-ctk" or "--cache-type-k" => this with { KeyCacheType = GgmlType.Find(value) ?? GgmlType.F16 },
        "-ctv" or "--cache-type-v" => this with { ValueCacheType = GgmlType.Find(value) ?? GgmlType.F16 },
        "-fa" or "--flash-attn" => this with { FlashAttention = value is not ("off" or "0" or "false" or "disabled") },
        "-b" or "--batch-size" => this with { BatchTokens = Number(value) ?? 2048 },
        "-ub" or "--ubatch-size" => this with { MicroBatchTokens = Number(value) ?? 512 },
        "--swa-full" => this with { FullSlidingWindow = true },
        "-nkvo" or "--no-kv-offload" => this with { CacheOnGpu = false },
        "-kvo" or "--kv-offload" => this with { CacheOnGpu = true },
        "--no-mmproj-offload" => this with { ProjectorOnGpu = false },
        _ => this,
    };

    private static int? Number(string text) =>
        int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static double[] Shares(string text) =>
        [.. text.Split(',', '/').Select(part =>
            double.TryParse(part, NumberStyles.Float, CultureInfo.InvariantCulture, out var share) && share > 0 ? share : 0)];
}
