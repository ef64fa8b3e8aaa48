using System.Collections.Concurrent;
using HotModel.Configuration;
using HotModel.Gpu;
using HotModel.Llama;
using HotModel.Snapshots;

namespace HotModel.Fit;

/// <summary>All that is known of a model before it is loaded.</summary>
/// <param name="Shape">Null where the files do not tell.</param>
/// <param name="Error">Why they do not.</param>
/// <param name="Settings">Of its arguments.</param>
/// <param name="Build">Which llama-server; equal for the same program.</param>
/// <param name="Fingerprint">Of files, arguments and build; null where a file is missing.</param>
internal sealed record ModelFact(ModelShape? Shape, string? Error, FitSettings Settings, string Build, string? Fingerprint)
{
    /// <summary>A file is missing or no GGUF, and llama-server gets it from nowhere else.</summary>
    public bool IsNoModel { get; init; }
}

/// <summary>Looks models up: their arguments, their files, the program. From any thread.</summary>
/// <param name="live">The configuration.</param>
/// <param name="environment">That llama-server will have.</param>
internal sealed class ModelFacts(LiveConfig live, IReadOnlyDictionary<string, string> environment)
{
    // As many as there are models in the configuration.
    private readonly ConcurrentDictionary<string, (string Stamp, FileShape Shape)> shapes =
        new(StringComparer.Ordinal);

    /// <summary>Those of the machine's GPUs that the model's llama-server takes.</summary>
    public VisibleGpus Visible(ModelFact fact, IReadOnlyList<GpuDevice> all) => VisibleGpus.Of(
        all, fact.Settings, environment.GetValueOrDefault("CUDA_VISIBLE_DEVICES"),
        environment.GetValueOrDefault("CUDA_DEVICE_ORDER"));

    /// <summary>The fingerprint alone, for which no file is opened.</summary>
    public string? FingerprintOf(ModelConfig model)
    {
        var config = live.Current;
        try
        {
            var arguments = ModelArguments.Of(config, model, environment);
            var path = ServerArguments.Model(arguments) ?? model.Path;
            return FingerprintOf(
                Stamp(ServerArguments.Shards(path)), FitSettings.Read(arguments), arguments, BuildOf(config, model));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    public ModelFact Of(ModelConfig model)
    {
        var config = live.Current;
        IReadOnlyList<string> arguments;
        try
        {
            arguments = ModelArguments.Of(config, model, environment);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new ModelFact(null, $"{config.Router.ModelsPreset} cannot be read: {e.Message}", new FitSettings(), "", null);
        }
        var settings = FitSettings.Read(arguments);
        var path = ServerArguments.Model(arguments) ?? model.Path;
        var stamp = Stamp(ServerArguments.Shards(path));
        var (shape, error, isNoModel) = ShapeOf(path, stamp);
        if (settings.ProjectorPath is { } projector)
            settings = settings with { ProjectorBytes = Look(projector)?.Length ?? 0 };
        var build = BuildOf(config, model);
        return new ModelFact(shape, error, settings, build, FingerprintOf(stamp, settings, arguments, build))
        {
            // With a preset of the user's own, which need not name the file, the path of ours is passed to nobody.
            IsNoModel = isNoModel && !settings.Downloads
                && (ServerArguments.Model(arguments) is not null || config.Router.ModelsPreset is null),
        };
    }

    private FileShape ShapeOf(string path, string? stamp)
    {
        if (stamp is not null && shapes.TryGetValue(path, out var known) && known.Stamp == stamp)
            return known.Shape;
        var result = GgufReader.Read(path);
        var (shape, error) = result.Model is { } read ? ModelShape.Of(read) : (null, result.Error);
        if (error is not null && result.Model is not null)
            error = $"{path}: {error}";
        var found = new FileShape(shape, error, result.IsNoModel);
        if (stamp is not null)
            shapes[path] = (stamp, found);
        return found;
    }

    private static string? FingerprintOf(string? stamp, FitSettings settings, IReadOnlyList<string> arguments, string build)
    {
        var beside = ServerArguments.Files(arguments).ToList();
        if (settings.DraftPath is { } draft)
            beside.Add(draft);
        if (stamp is null || Stamp(beside) is not { } others)
            return null;
        var all = new HashInput().Add(stamp).Add(others).Add(build);
        foreach (var argument in ServerArguments.Canonical(arguments))
            all.Add(argument);
        return all.Hex();
    }

    /// <summary>What loads it.</summary>
    public static string ProgramOf(HotModelConfig config, ModelConfig model) =>
        config.Llama.BackendMode == BackendMode.Process ? model.Binary : config.Router.Binary;

    private static string BuildOf(HotModelConfig config, ModelConfig model) => BuildOf(ProgramOf(config, model));

    /// <summary>Its file and, of a build in several files, the libraries beside it.</summary>
    private static string BuildOf(string binary)
    {
        try
        {
            if (Launcher.FindBinary(binary) is not { } path)
                return "";
            var real = Look(path)?.FullName ?? path;
            var folder = Path.GetDirectoryName(real)!;
            return Stamp([real, .. Directory.EnumerateFiles(folder).Where(IsLibrary).Order(StringComparer.Ordinal)]) ?? "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }

        static bool IsLibrary(string path) => Path.GetFileName(path) is var name
            && (name.Contains("ggml", StringComparison.Ordinal) || name.Contains("llama.", StringComparison.Ordinal));
    }

    /// <summary>
    /// By place, size and time only: another model of the same three is one of the same size, and takes about the same.
    /// </summary>
    private static string? Stamp(IEnumerable<string> paths)
    {
        var all = new HashInput();
        foreach (var path in paths)
        {
            if (Look(path) is not { } file)
                return null;
            all.Add(file.FullName).Add(file.Length).Add(file.LastWriteTimeUtc.Ticks);
        }
        return all.Hex();
    }

    /// <summary>Without opening it; of a link the file that it means.</summary>
    private static FileInfo? Look(string path)
    {
        try
        {
            var info = new FileInfo(path);
            if (info.ResolveLinkTarget(returnFinalTarget: true) is FileInfo target)
                info = target;
            return info.Exists ? info : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            return null;
        }
    }

    private readonly record struct FileShape(ModelShape? Shape, string? Error, bool IsNoModel);
}
