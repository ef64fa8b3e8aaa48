using System.Globalization;
using System.Text;

namespace HotModel.Configuration;

/// <summary>Something of a model that llama-server's preset format cannot hold.</summary>
/// <param name="Key">The model's key in the configuration file.</param>
internal readonly record struct PresetFault(string Model, string Key, string Message);

/// <summary>Writes the preset INI for llama-server's router from [models.*], when the user gives none.</summary>
internal static class PresetWriter
{
    /// <summary>As in the seed's example: what llama-server waits for a model's process before it kills it.</summary>
    private const string StopTimeoutSeconds = "20";

    /// <summary>Where the written preset lies.</summary>
    public static string PathOf(HotModelConfig config) =>
        Path.Join(config.Server.StateDirectory, "llama-models.ini");

    /// <summary>Empty for every configuration that <see cref="ConfigLoader"/> lets pass.</summary>
    public static IReadOnlyList<PresetFault> Faults(HotModelConfig config)
    {
        var faults = new List<PresetFault>();
        foreach (var model in config.Models.Values)
        {
            if (PresetSyntax.FaultOfName(model.RouterId) is { } name)
                faults.Add(new PresetFault(model.Name, "router_id", name));
            if (PresetSyntax.FaultOfValue(model.Path) is { } path)
                faults.Add(new PresetFault(model.Name, "path", path + "; rename the file or its folder"));
            Entries(model, message => faults.Add(new PresetFault(model.Name, "extra_args", message)));
        }
        return faults;
    }

    /// <param name="config">Without faults.</param>
    public static string Render(HotModelConfig config)
    {
        var text = new StringBuilder()
            .Append("; Written by HotModel at every start from [models.*] of its configuration; edit that instead.\n")
            .Append("version = 1\n");
        var defaults = LeftToPreset(config);
        if (defaults.Count > 0)
            Section(text, PresetSyntax.Defaults, defaults.Select(option => (option.Key, option.Value)));
        foreach (var model in config.Models.Values)
        {
            Section(text, model.RouterId, Entries(model, message =>
                throw new InvalidOperationException($"[models.{model.Name}] was not checked: {message}")));
        }
        return text.ToString();
    }

    /// <summary>Whole or not at all, and for this user's eyes only: extra_args may hold a token.</summary>
    public static void Write(HotModelConfig config, string path)
    {
        var text = Render(config);
        var temporary = $"{path}.{Environment.ProcessId.ToString(CultureInfo.InvariantCulture)}.tmp";
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        try
        {
            // A left-over of a killed process of the same id may have other rights.
            File.Delete(temporary);
            using (var stream = new FileStream(temporary, options))
                stream.Write(Encoding.UTF8.GetBytes(text));
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (File.Exists(temporary))
                File.Delete(temporary);
            // A disk that is full or read-only keeps no router from starting where the file is as it should be.
            if (!File.Exists(path) || File.ReadAllText(path) != text)
                throw;
        }
    }

    /// <summary>
    /// Options that some model sets differently from [router]. llama-server's command line wins over its presets, so
    /// they may not stand there; they become the preset's own defaults.
    /// </summary>
    public static IReadOnlyList<RouterOption> LeftToPreset(HotModelConfig config) =>
        config.Router.ModelsPreset is not null
            ? []
            : [.. RouterOption.Of(config.Router).Where(option => config.Models.Values.Any(model =>
                Entries(model, _ => { }).Any(entry => option.IsOverriddenBy(entry.Key, entry.Value))))];

    private static void Section(StringBuilder text, string name, IEnumerable<(string Key, string Value)> entries)
    {
        text.Append(CultureInfo.InvariantCulture, $"\n[{name}]\n");
        foreach (var (key, value) in entries)
            text.Append(CultureInfo.InvariantCulture, $"{key} = {value}\n");
    }

    /// <summary>The model's own keys, then its extra_args, which win as they do at the end of a command line.</summary>
    internal static List<(string Key, string Value)> Entries(ModelConfig model, Action<string> refuse)
    {
        var extra = ExtraArgs.ToPreset(model.ExtraArgs, refuse);
        var entries = new List<(string Key, string Value)> { ("model", model.Path), ("c", Text(model.CtxSize)) };
        if (model.GpuLayers is { } layers)
            entries.Add(("n-gpu-layers", Text(layers)));
        if (model.Threads is { } threads)
            entries.Add(("threads", Text(threads)));
        if (model.Parallel is { } parallel)
            entries.Add(("parallel", Text(parallel)));
        entries.Add(("load-on-startup", "false"));
        entries.Add(("stop-timeout", StopTimeoutSeconds));
        entries.RemoveAll(entry => extra.Any(other =>
            PresetSyntax.Canonical(other.Key) == PresetSyntax.Canonical(entry.Key)));
        entries.AddRange(extra);
        return entries;
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
