using System.Globalization;

namespace FakeLlamaServer;

/// <summary>What the fake reads of llama-server's command line; every other flag is accepted and ignored.</summary>
internal sealed record FakeOptions
{
    public string Host { get; private init; } = "127.0.0.1";
    public int Port { get; private init; } = 8080;
    public string? Preset { get; private init; }
    public string? ModelsDir { get; private init; }
    /// <summary>Set in process mode (-m): one model, no router.</summary>
    public string? ModelPath { get; private init; }
    public string? Alias { get; private init; }
    public string? ApiKey { get; private init; } = Environment.GetEnvironmentVariable("LLAMA_API_KEY");
    /// <summary>Set where answers are bytes of files in this folder, see <see cref="Script"/>.</summary>
    public string? ScriptFolder { get; private init; }
    /// <summary>Where slots are saved; without it that is refused.</summary>
    public string? SlotFolder { get; private init; }
    public string? LogPath { get; private init; } = Environment.GetEnvironmentVariable("FAKE_LOG");
    public Faults Faults { get; private init; } = new(Environment.GetEnvironmentVariable("FAKE_FAULTS"));

    public static FakeOptions Parse(string[] args)
    {
        var options = new FakeOptions();
        for (var i = 0; i < args.Length - 1; i++)
        {
            var value = args[i + 1];
            options = args[i] switch
            {
                "--host" => options with { Host = value },
                "--port" => options with { Port = int.Parse(value, CultureInfo.InvariantCulture) },
                "--models-preset" => options with { Preset = value },
                "--models-dir" => options with { ModelsDir = value },
                "-m" or "--model" => options with { ModelPath = value },
                "-a" or "--alias" => options with { Alias = value },
                "--api-key" => options with { ApiKey = value },
                "--scripts" => options with { ScriptFolder = value },
                "--slot-save-path" => options with { SlotFolder = value },
                "--fault" => options with { Faults = new Faults(value) },
                "--fault-file" => options with { Faults = Faults.OfFile(value) },
                "--fake-log" => options with { LogPath = value },
                _ => options,
            };
        }
        return options;
    }

    /// <summary>Ids, files and presets of the models that a router with these options would list.</summary>
    public IEnumerable<FakeModel> ListModels()
    {
        var sections = new List<(string Id, List<string> Lines)>();
        foreach (var line in Preset is null ? [] : File.ReadLines(Preset).Select(l => l.Trim()))
        {
            if (line.StartsWith('[') && line.EndsWith(']'))
                sections.Add((line[1..^1], []));
            else if (sections.Count > 0)
                sections[^1].Lines.Add(line);
        }
        foreach (var (id, lines) in sections.Where(s => s.Id != "*"))
        {
            if (lines.Select(ModelFile).FirstOrDefault(path => path is not null) is { } path)
                yield return new FakeModel(id, path, $"[{id}]\n{string.Join('\n', lines)}\n");
        }
        foreach (var file in ModelsDir is null ? [] : Directory.GetFiles(ModelsDir, "*.gguf"))
            yield return new FakeModel(Path.GetFileNameWithoutExtension(file), file, "");
    }

    private static string? ModelFile(string line) =>
        line.Split('=', 2) is [var key, var path] && key.Trim() is "model" or "m" ? path.Trim() : null;
}
