namespace HotModel.Configuration;

/// <summary>Whether the user's preset INI and the models of the configuration fit together.</summary>
internal static class PresetChecks
{
    public static void Check(
        string path, HotModelConfig config, ConfigValues values, List<ConfigError> errors, List<string> warnings)
    {
        PresetFile preset;
        try
        {
            preset = PresetFile.Read(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var isMissing = e is FileNotFoundException or DirectoryNotFoundException;
            var reason = isMissing ? $"there is no file {path}" : e.Message;
            errors.Add(values["router"].OriginOf("models_preset").Error(
                $"models_preset: {reason}; name llama-server's preset INI, or leave the key out"));
            return;
        }
        errors.AddRange(preset.Errors);
        warnings.AddRange(preset.Warnings);
        CheckModels(preset, config, values, errors);
        WarnOfPaths(preset, warnings);
        WarnOfOverridden(preset, config, warnings);
    }

    private static void CheckModels(
        PresetFile preset, HotModelConfig config, ConfigValues values, List<ConfigError> errors)
    {
        var hasDefaultModel = NamesModel(preset.Find(PresetSyntax.Defaults));
        var names = preset.Sections.Select(section => section.Name)
            .Where(name => name != PresetSyntax.Defaults).ToArray();
        foreach (var model in config.Models.Values)
        {
            var origin = values.Models[model.Name].OriginOf("router_id");
            var section = model.RouterId == PresetSyntax.Defaults ? null : preset.Find(model.RouterId);
            if (section is null)
            {
                // A model of models_dir needs no section: llama-server names it after its file.
                if (config.Router.ModelsDir is null)
                    errors.Add(origin.Error($"router_id: {preset.Path} has no section [{model.RouterId}]"
                        + NearestName.Hint(model.RouterId, names)));
            }
            else if (!hasDefaultModel && !NamesModel(section))
            {
                // llama-server would start a second router for it and report "loading" for ever (its issue 27351).
                errors.Add(new ConfigError(preset.Path, section.Line, 1,
                    $"section [{section.Name}] names no model, and loading it would never end; write model = FILE"));
            }
        }
    }

    private static bool NamesModel(PresetSection? section) =>
        section is not null
        && section.Entries.Any(entry => PresetSyntax.NamesModel(entry.Key) && entry.Value.Length > 0);

    private static void WarnOfPaths(PresetFile preset, List<string> warnings)
    {
        foreach (var entry in preset.Sections.SelectMany(section => section.Entries))
        {
            if (PresetSyntax.Canonical(entry.Key) != "model" || entry.Value.Length == 0)
                continue;
            if (!Path.IsPathRooted(entry.Value))
                warnings.Add($"{preset.Path}:{entry.Line}:1: model: {entry.Value} depends on the folder that "
                    + "hotmodel is started in; write the whole path");
            else if (!File.Exists(entry.Value))
                warnings.Add($"{preset.Path}:{entry.Line}:1: model: there is no file {entry.Value}");
        }
    }

    private static void WarnOfOverridden(PresetFile preset, HotModelConfig config, List<string> warnings)
    {
        var options = RouterOption.Of(config.Router);
        foreach (var entry in preset.Sections.SelectMany(section => section.Entries))
        {
            if (config.Snapshots.Enabled && PresetSyntax.Canonical(entry.Key) == "slot-save-path")
                warnings.Add($"{preset.Path}:{entry.Line}:1: {entry.Key} has no effect while [snapshots].enabled is true");
            if (options.FirstOrDefault(option => option.IsOverriddenBy(entry.Key, entry.Value)) is { } option)
                warnings.Add($"{preset.Path}:{entry.Line}:1: {entry.Key} = {entry.Value} has no effect: "
                    + "llama-server's own "
                    + $"command line wins, and there [router].{option.ConfigKey} = {option.Value} stands");
        }
    }
}
