using System.Globalization;

namespace HotModel.Fit;

/// <summary>What llama-server is told that decides how much memory a model takes. Defaults are those of 0.7.0.</summary>
internal sealed record FitSettings
{
    /// <summary>How many layers go to the GPUs, the output as one more; null for all.</summary>
    public int? GpuLayers { get; init; }

    /// <summary>Their number is given: llama-server does not choose it itself.</summary>
    public bool GpuLayersAreGiven { get; init; }

    /// <summary>llama-server's --fit: what is not given, it makes smaller until it fits.</summary>
    public bool FitsItself { get; init; } = true;

    /// <summary>Which devices it may take, by llama-server's names; null for all.</summary>
    public IReadOnlyList<string>? DeviceNames { get; init; }

    /// <summary>Of those, the only one that it takes; null where the layers are shared out.</summary>
    public int? OnlyGpu => SplitMode == "none" ? MainGpu : null;

    public string SplitMode { get; init; } = "layer";

    public int MainGpu { get; init; }

    /// <summary>Weights on the CPU are pages of the file, which the system may drop.</summary>
    public bool IsMapped { get; init; } = true;

    /// <summary>Files beside the model; null where there is none.</summary>
    public string? ProjectorPath { get; init; }

    public string? DraftPath { get; init; }

    /// <summary>An option that decides where weights lie and is not reckoned with; null where there is none.</summary>
    public string? NotReckoned { get; init; }

    /// <summary>llama-server fetches the model itself: that its file is not there yet says nothing.</summary>
    public bool Downloads { get; init; }

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

    // Presets have the names without dashes: one or two of them are the same here.
    private FitSettings Told(string option, string value) => !option.StartsWith('-') ? this : option.TrimStart('-') switch
    {
        "ngl" or "gpu-layers" or "n-gpu-layers" => WithGpuLayers(value),
        "ts" or "tensor-split" => this with { GpuShares = Shares(value) },
        "dev" or "device" when value == "none" => this with { GpuShares = [], GpuLayers = 0, DeviceNames = [] },
        "dev" or "device" => this with { DeviceNames = value.Split(',') },
        "sm" or "split-mode" => this with
        {
            SplitMode = value,
            NotReckoned = value is "row" or "tensor" ? "--split-mode " + value : NotReckoned,
        },
        "mg" or "main-gpu" => this with { MainGpu = Number(value) ?? 0 },
        "fit" => this with { FitsItself = IsOn(value) },
        "cmoe" or "cpu-moe" => this with { ExpertLayersOnCpu = int.MaxValue },
        "ncmoe" or "n-cpu-moe" => this with { ExpertLayersOnCpu = Number(value) ?? 0 },
        "c" or "ctx-size" => this with { ContextTokens = Number(value) ?? 0 },
        "np" or "parallel" => this with { Slots = Number(value) is > 0 and var n ? n : null },
        "kvu" or "kv-unified" => this with { UnifiedCache = true },
        "no-kvu" or "no-kv-unified" => this with { UnifiedCache = false },
        "ctk" or "cache-type-k" => this with { KeyCacheType = GgmlType.Find(value) ?? GgmlType.F16 },
        "ctv" or "cache-type-v" => this with { ValueCacheType = GgmlType.Find(value) ?? GgmlType.F16 },
        "fa" or "flash-attn" => this with { FlashAttention = IsOn(value) },
        "b" or "batch-size" => this with { BatchTokens = Number(value) ?? 2048 },
        "ub" or "ubatch-size" => this with { MicroBatchTokens = Number(value) ?? 512 },
        "swa-full" => this with { FullSlidingWindow = true },
        "nkvo" or "no-kv-offload" => this with { CacheOnGpu = false },
        "kvo" or "kv-offload" => this with { CacheOnGpu = true },
        "lm" or "load-mode" => this with { IsMapped = value is "auto" or "mmap" },
        "no-mmap" or "mlock" or "dio" or "direct-io" => this with { IsMapped = false },
        "mm" or "mmproj" => this with { ProjectorPath = value },
        "no-mmproj-offload" => this with { ProjectorOnGpu = false },
        "md" or "model-draft" or "spec-draft-model" => this with { DraftPath = value },
        "ot" or "override-tensor" or "rpc" or "moe-cache-mib" or "ncffn" or "n-cpu-ffn" => this with { NotReckoned = option },
        "hf" or "hfr" or "hf-repo" or "mu" or "model-url" or "dr" or "docker-repo" => this with
        {
            NotReckoned = option,
            Downloads = true,
        },
        var name when IsModelByName(name) => this with { NotReckoned = option, Downloads = true },
        _ => this,
    };

    /// <summary>--gpt-oss-20b-default, --fim-qwen-7b-spec and the like.</summary>
    private static bool IsModelByName(string name) => name != "spec-default"
        && (name.EndsWith("-default", StringComparison.Ordinal)
            || (name.StartsWith("fim-", StringComparison.Ordinal) && name.EndsWith("-spec", StringComparison.Ordinal)));

    /// <summary>A number, "all" or "auto"; a negative one is "auto" too.</summary>
    private FitSettings WithGpuLayers(string value) => this with
    {
        GpuLayers = Number(value) is >= 0 and var layers ? layers : null,
        GpuLayersAreGiven = Number(value) is >= 0 || value == "all",
    };

    private static bool IsOn(string value) => value is not ("off" or "0" or "false" or "disabled");

    private static int? Number(string text) =>
        int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static double[] Shares(string text) =>
        [.. text.Split(',', '/').Select(part =>
            double.TryParse(part, NumberStyles.Float, CultureInfo.InvariantCulture, out var share) && share > 0 ? share : 0)];
}
