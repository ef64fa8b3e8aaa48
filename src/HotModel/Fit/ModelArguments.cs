using HotModel.Configuration;

namespace HotModel.Fit;

/// <summary>The arguments that a model's llama-server will have, before it is started.</summary>
internal static class ModelArguments
{
    private const string EnvironmentPrefix = "LLAMA_ARG_";

    /// <summary>Options without a value, which in a preset and in the environment have one.</summary>
    private static readonly HashSet<string> Switches =
    [
        "kv-unified", "kv-offload", "kvo", "swa-full", "cpu-moe", "cmoe", "mmap", "mlock", "mmproj-offload", "direct-io",
    ];

    /// <summary>Of two that contradict each other the last wins.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="model">One of its models.</param>
    /// <param name="environment">From which llama-server takes what no command line says.</param>
    /// <exception cref="IOException">The user's preset cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The user's preset may not be read.</exception>
    public static IReadOnlyList<string> Of(
        HotModelConfig config, ModelConfig model, IReadOnlyDictionary<string, string> environment)
    {
        var all = environment.Where(one => one.Key.StartsWith(EnvironmentPrefix, StringComparison.Ordinal))
            .OrderBy(one => one.Key, StringComparer.Ordinal)
            .SelectMany(one => Argument(OptionOf(one.Key[EnvironmentPrefix.Length..]), one.Value));
        if (config.Llama.BackendMode == BackendMode.Process)
            return [.. all, .. LlamaArguments.Process(config, model)];
        // The router's own command line wins over its presets.
        return [.. all, .. Preset(config, model), .. LlamaArguments.Router(config, null)];
    }

    private static IEnumerable<string> Preset(HotModelConfig config, ModelConfig model)
    {
        var entries = config.Router.ModelsPreset is { } path
            ? OfFile(PresetFile.Read(path), model)
            : PresetWriter.LeftToPreset(config).Select(option => (option.Key, option.Value))
                .Concat(PresetWriter.Entries(model, _ => { }));
        return entries.SelectMany(entry => Argument(PresetSyntax.Canonical(entry.Key), entry.Value));
    }

    private static IEnumerable<(string Key, string Value)> OfFile(PresetFile preset, ModelConfig model) =>
        from name in (string[])[PresetSyntax.Defaults, model.RouterId]
        from entry in preset.Find(name)?.Entries ?? []
        select (entry.Key, entry.Value);

    private static IEnumerable<string> Argument(string option, string value)
    {
        const string no = "no-";
        var isOff = option.StartsWith(no, StringComparison.Ordinal);
        var plain = isOff ? option[no.Length..] : option;
        if (!Switches.Contains(plain))
            return ["--" + option, value];
        return isOff != (value is "false" or "off" or "0" or "disabled") ? ["--no-" + plain] : ["--" + plain];
    }

    /// <summary>Most names follow from the option's.</summary>
    private static string OptionOf(string variable) => variable switch
    {
        "N_PARALLEL" => "parallel",
        "BATCH" => "batch-size",
        "UBATCH" => "ubatch-size",
        _ => variable.ToLowerInvariant().Replace('_', '-'),
    };
}
