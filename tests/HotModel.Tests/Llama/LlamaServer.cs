using HotModel.Configuration;
using HotModel.Llama;
using TinyGguf;

namespace HotModel.Tests.Llama;

/// <summary>Where the real llama-server and the tiny models are.</summary>
internal static class LlamaServer
{
    public static string Binary { get; } = FindBinary();

    /// <summary>Two random-weight models, a.gguf and b.gguf.</summary>
    public static string ModelA { get; } = CreateModel("a.gguf", 1);

    public static string ModelB { get; } = CreateModel("b.gguf", 2);

    public static RouterLaunch Launch(string preset, int port, params string[] extra) => new(
        Binary,
        ["--host", "127.0.0.1", "--port", port.ToString(), "--models-max", "1", "--models-preset", preset,
            "--no-models-autoload", "--no-ui", .. extra],
        "127.0.0.1",
        port);

    public static ModelConfig Model(string id, string? path = null, int? port = null) => new()
    {
        Name = id,
        Aliases = [],
        IdleUnload = null,
        Pin = false,
        Path = path ?? ModelA,
        RouterId = id,
        Port = port,
        CtxSize = 512,
        GpuLayers = null,
        Threads = null,
        Parallel = null,
        ExtraArgs = [],
        Host = "127.0.0.1",
        Binary = Binary,
    };

    private static string FindBinary()
    {
        var told = Environment.GetEnvironmentVariable("HOTMODEL_LLAMA_SERVER");
        if (!string.IsNullOrEmpty(told))
            return told;
        if (Launcher.FindBinary("llama-server") is { } onPath)
            return onPath;
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            var own = Path.Combine(folder, ".tools", "llama", "bin", "llama-server");
            if (File.Exists(own))
                return own;
        }
        throw new InvalidOperationException("No llama-server: set HOTMODEL_LLAMA_SERVER, or run scripts/test.sh.");
    }

    // Written once for each build of the generator; a second process that writes the same file at once does no harm.
    private static string CreateModel(string name, int seed)
    {
        var folder = Path.Combine(Path.GetTempPath(), $"hotmodel-models-{typeof(TinyModel).Module.ModuleVersionId:N}");
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, name);
        if (File.Exists(path))
            return path;
        var fresh = $"{path}.{Environment.ProcessId}";
        new TinyModel { Seed = seed, Name = name }.Write(fresh);
        File.Move(fresh, path, overwrite: true);
        return path;
    }
}
