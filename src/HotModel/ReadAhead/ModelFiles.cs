using System.Globalization;
using System.Text.RegularExpressions;
using HotModel.Configuration;

namespace HotModel.ReadAhead;

/// <summary>Which files llama-server reads to load a model, as far as the configuration tells.</summary>
internal static partial class ModelFiles
{
    /// <summary>In the order in which llama-server reads them; empty where it reads past the page cache.</summary>
    /// <exception cref="IOException">The user's preset cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The user's preset may not be read.</exception>
    public static IReadOnlyList<string> Of(HotModelConfig config, ModelConfig model)
    {
        var options = Options(config, model).ToLookup(option => Canonical(option.Key), option => option.Value);
        if (options["load-mode"].LastOrDefault() == "dio")
            return [];
        var files = new List<string>(Shards(options["model"].LastOrDefault() is { Length: > 0 } own ? own : model.Path));
        foreach (var beside in (string[])["model-draft", "mmproj"])
        {
            if (options[beside].LastOrDefault() is { Length: > 0 } path)
                files.AddRange(Shards(path));
        }
        // The program that reads them is started in our own folder.
        return [.. files.Select(Path.GetFullPath)];
    }

    /// <summary>All files of a model in parts, by the name of one; another file alone.</summary>
    public static IEnumerable<string> Shards(string path)
    {
        var name = Path.GetFileName(path);
        if (ShardName().Match(name) is not { Success: true } match)
            return [path];
        var prefix = path[..^name.Length] + match.Groups["prefix"].Value;
        var count = int.Parse(match.Groups["count"].Value, CultureInfo.InvariantCulture);
        return Enumerable.Range(1, count).Select(number => string.Create(
            CultureInfo.InvariantCulture, $"{prefix}-{number:00000}-of-{count:00000}.gguf"));
    }

    /// <summary>Later ones win over earlier ones: llama-server lets its command line win over presets.</summary>
    private static IEnumerable<(string Key, string Value)> Options(HotModelConfig config, ModelConfig model)
    {
        var own = ExtraArgs.ToPreset(model.ExtraArgs, _ => { });
        if (config.Llama.BackendMode == BackendMode.Process)
            return own;
        var options = config.Router.ModelsPreset is { } preset ? Options(PresetFile.Read(preset), model) : own;
        return options.Concat(ExtraArgs.ToPreset(config.Router.ExtraArgs, _ => { }));
    }

    private static IEnumerable<(string Key, string Value)> Options(PresetFile preset, ModelConfig model) =>
        from name in (string[])[PresetSyntax.Defaults, model.RouterId]
        from entry in preset.Find(name)?.Entries ?? []
        select (entry.Key, entry.Value);

    private static string Canonical(string key) => key switch
    {
        "mm" => "mmproj",
        "md" or "spec-draft-model" => "model-draft",
        "lm" => "load-mode",
        _ => PresetSyntax.Canonical(key),
    };

    [GeneratedRegex(@"^(?<prefix>.+)-[0-9]{5}-of-(?<count>[0-9]{5})\.gguf$", RegexOptions.ExplicitCapture)]
    private static partial Regex ShardName();
}
