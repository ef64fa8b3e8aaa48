using System.Globalization;

namespace HotModel.Configuration;

/// <summary>llama-server's command lines, without the program's name.</summary>
internal static class LlamaArguments
{
    private const string SlotPath = "--slot-save-path";
    private const string HttpThreads = "LLAMA_ARG_THREADS_HTTP";
    /// <summary>
    /// An answer holds one of llama-server's threads to its end. Its own choice is <c>parallel</c> + 4, and where many
    /// requests come at once, as behind a switch, it adds more too late: ten streams left none for /slots and /tokenize
    /// until one of them ended (measured with 0.7.0). Twice as many as may wait here by default; they take 5 MB.
    /// </summary>
    private const string HttpThreadCount = "128";

    /// <summary>Sections in whose extra_args the user says where slot files go.</summary>
    public static IEnumerable<ConfigSection> WithSlotPath(ConfigValues values) =>
        values.Models.Values.Prepend(values["router"]).Where(section => section.Texts("extra_args").Contains(SlotPath));

    /// <summary>Whether llama-server is told to log at a level at which it writes requests: above 3, its default.</summary>
    public static bool LogsRequests(IReadOnlyList<string> arguments) =>
        arguments.Any(argument => argument is "-v" or "--verbose" or "--log-verbose")
        || arguments.Zip(arguments.Skip(1)).Any(pair => pair is ("-lv" or "--verbosity" or "--log-verbosity", var level)
            && int.TryParse(level, NumberStyles.Integer, CultureInfo.InvariantCulture, out var number) && number > 3);

    /// <param name="config">The configuration.</param>
    /// <param name="presetPath">The user's preset or the one that HotModel wrote; null for none.</param>
    /// <param name="port">Where [router].port is 0, the free port that was found.</param>
    public static IReadOnlyList<string> Router(HotModelConfig config, string? presetPath, int? port = null)
    {
        var router = config.Router;
        var left = PresetWriter.LeftToPreset(config).Select(option => option.Key).ToHashSet();
        var options = RouterOption.Of(router).Where(option => !left.Contains(option.Key))
            .ToDictionary(option => option.Key, option => option.Arguments);
        IReadOnlyList<string> Option(string key) => options.GetValueOrDefault(key, []);
        return
        [
            "--host", router.Host,
            "--port", Text(port ?? router.Port),
            "--models-max", Text(router.ModelsMax),
            .. Option("ctx-size"),
            .. Option("parallel"),
            .. Option("cache-type-k"),
            .. Option("cache-type-v"),
            .. router.ModelsDir is { } models ? ["--models-dir", models] : Array.Empty<string>(),
            .. presetPath is not null ? ["--models-preset", presetPath] : Array.Empty<string>(),
            router.ModelsAutoload ? "--models-autoload" : "--no-models-autoload",
            .. Option("kv-unified"),
            .. Option("cache-ram"),
            .. Option("cache-idle-slots"),
            .. Option("flash-attn"),
            .. router.NoUi ? ["--no-ui"] : Array.Empty<string>(),
            .. config.Snapshots.Enabled ? [SlotPath, config.SnapshotDirectory] : Array.Empty<string>(),
            .. router.ExtraArgs,
        ];
    }

    /// <param name="config">The configuration.</param>
    /// <param name="model">One of its models, in process mode.</param>
    public static IReadOnlyList<string> Process(HotModelConfig config, ModelConfig model)
    {
        var port = model.Port
            ?? throw new InvalidOperationException($"[models.{model.Name}] of {config.FilePath} has no port");
        return
        [
            "-m", model.Path,
            "--host", model.Host,
            "--port", Text(port),
            "-c", Text(model.CtxSize),
            .. model.GpuLayers is { } layers ? ["-ngl", Text(layers)] : Array.Empty<string>(),
            .. model.Threads is { } threads ? ["--threads", Text(threads)] : Array.Empty<string>(),
            .. model.Parallel is { } parallel ? ["--parallel", Text(parallel)] : Array.Empty<string>(),
            .. config.Snapshots.Enabled && IsLlamaServer(model.Binary)
                ? [SlotPath, config.SnapshotDirectory] : Array.Empty<string>(),
            .. model.ExtraArgs,
        ];
    }

    /// <summary>For the router, and by it for its models.</summary>
    /// <param name="given">What they have from us: a number of somebody else's stays.</param>
    public static Dictionary<string, string> RouterEnvironment(IReadOnlyDictionary<string, string> given) =>
        given.ContainsKey(HttpThreads) ? [] : new() { [HttpThreads] = HttpThreadCount };

    /// <summary>
    /// Slots keep what they hold until it is saved. No option, because builds before it would not start with it.
    /// </summary>
    /// <param name="config">The configuration.</param>
    /// <param name="model">One of its models, in process mode.</param>
    /// <param name="given">What its server has from us.</param>
    public static Dictionary<string, string> ProcessEnvironment(
        HotModelConfig config, ModelConfig model, IReadOnlyDictionary<string, string> given)
    {
        if (!IsLlamaServer(model.Binary))
            return [];
        var environment = RouterEnvironment(given);
        if (config.Snapshots.Enabled)
            environment["LLAMA_ARG_CACHE_IDLE_SLOTS"] = "0";
        return environment;
    }

    /// <summary>
    /// All that the model's server is told, as one text: where it is another, the model has to be loaded again. What other
    /// models need of a router is not in it.
    /// </summary>
    public static string Identity(HotModelConfig config, ModelConfig model)
    {
        IEnumerable<string> all = config.Llama.BackendMode == BackendMode.Process
            ? model.Port is null ? [model.Binary, model.Path] : [model.Binary, model.RouterId, .. Process(config, model)]
            : [
                config.Router.Binary, model.RouterId,
                .. Router(config with { Models = new Dictionary<string, ModelConfig> { [model.Name] = model } },
                    config.Router.ModelsPreset),
                .. config.Router.ModelsPreset is null
                    ? PresetWriter.Entries(model, _ => { }).Select(entry => $"{entry.Key}={entry.Value}") : [],
            ];
        return string.Join('\n', all);
    }

    /// <summary>By its name: in process mode the program may be another, which would refuse an option it lacks.</summary>
    public static bool IsLlamaServer(string binary) =>
        Path.GetFileName(binary).Contains("llama-server", StringComparison.OrdinalIgnoreCase);

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
