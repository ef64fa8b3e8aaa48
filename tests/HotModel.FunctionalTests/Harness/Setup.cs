using System.Globalization;
using System.Text;

namespace HotModel.FunctionalTests.Harness;

/// <summary>What a test's hotmodel.toml says beyond the defaults; lines are TOML.</summary>
internal sealed class Setup
{
    private readonly Dictionary<string, (string? File, string Lines)> models = [];
    private readonly Dictionary<string, int> modelPorts = [];
    private readonly string? scriptFolder;

    /// <summary>Its files; also the mark by which its processes are known.</summary>
    public string Folder { get; } = Directory.CreateTempSubdirectory("hotmodel-test-").FullName;
    public int Port { get; } = Ports.Next();
    public int RouterPort { get; } = Ports.Next();
    public string ConfigPath => Path.Combine(Folder, "hotmodel.toml");
    public string DatabaseFolder => Path.Combine(Folder, StateFolder);
    public string FakeLogPath => Path.Combine(Folder, "fake.log");

    /// <summary>Where the database is; below the test's own folder or elsewhere.</summary>
    public string StateFolder { get; init; } = "state";
    public string? ActiveModel { get; init; } = "a";
    public string Server { get; init; } = "";
    public string Session { get; init; } = "";
    public string Preset { get; init; } = "";
    public string Snapshots { get; init; } = "";
    public string Llama { get; init; } = "";
    public string Router { get; init; } = "";
    /// <summary>Sections of their own, such as those of keys.</summary>
    public string Sections { get; init; } = "";
    /// <summary>With which the test's own client comes.</summary>
    public string? ApiKey { get; init; }
    public int ContextTokens { get; init; } = 4096;
    public bool ProcessMode { get; init; }
    /// <summary>Null: the real llama-server. Else the fake one with these faults ("" for none).</summary>
    public string? FakeFaults { get; init; }
    /// <summary>The faults are in a file, which the test may replace while the fake runs: <see cref="SetFaults"/>.</summary>
    public bool HasFaultFile { get; init; }
    /// <summary>The fake llama-server with answers of files that <see cref="UpstreamScript"/> writes.</summary>
    public bool Scripted
    {
        get => scriptFolder is not null;
        init
        {
            if (!value)
                return;
            (ProcessMode, FakeFaults) = (true, "");
            scriptFolder = Directory.CreateDirectory(Path.Combine(Folder, "scripts")).FullName;
        }
    }
    public string? RouterExtraArgs { get; init; }
    /// <summary>The shell's ulimit under which hotmodel starts, such as "-S -n 256"; null: the tests' own.</summary>
    public string? Limit { get; init; }
    /// <summary>A file that hotmodel's standard error goes to; null: the test collects it.</summary>
    public string? StandardError { get; set; }

    /// <summary>What hotmodel finds in its environment beside what the tests have.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>The shell's ulimit under which llama-server starts, such as "-f 100" (50 kB, as on a full disk); null: any.</summary>
    public string? ServerLimit { get; init; }

    /// <summary>A model of <see cref="TinyModels"/>, under its own name or another.</summary>
    public Setup Tiny(string name, string? tiny = null, string lines = "") =>
        Add(name, FakeFaults is null ? TinyModels.File(tiny ?? name) : null, lines);

    /// <summary>A model whose file is what the test puts at <see cref="ModelPath"/>, or missing.</summary>
    public Setup Model(string name, string lines = "") => Add(name, null, lines);

    public string ModelPath(string name) => Path.Combine(Folder, name + ".gguf");

    /// <summary>Where the model's own server listens in process mode.</summary>
    public int ModelPort(string name) => modelPorts[name];

    /// <summary>From now on these, whatever the ones before have cost.</summary>
    public void SetFaults(string faults)
    {
        File.Delete(FaultFile + ".taken");
        File.WriteAllText(FaultFile + ".new", faults);
        File.Move(FaultFile + ".new", FaultFile, overwrite: true);
    }

    public string ScriptPath(string name) => Path.Combine(scriptFolder!, name);

    private Setup Add(string name, string? file, string lines)
    {
        models.Add(name, (file, lines));
        return this;
    }

    public void Write()
    {
        if (models.Count == 0)
            Tiny("a").Tiny("b");
        foreach (var (name, (file, _)) in models)
        {
            // A copy in the folder, so that the path on the model's command line names this test.
            if (file is not null)
                File.Copy(file, ModelPath(name));
            else if (FakeFaults is not null)
                File.WriteAllText(ModelPath(name), "GGUF of a version that is none");
        }
        if (HasFaultFile)
            SetFaults(FakeFaults!);
        File.WriteAllText(ConfigPath, Toml());
    }

    private string FaultFile => Path.Combine(Folder, "faults");

    private string Toml()
    {
        var toml = new StringBuilder();
        var active = ActiveModel is null ? "" : $"active_model = \"{ActiveModel}\"";
        Section("server", Line("port", Port), $"state_path = \"{StateFolder}/state.json\"", active, Server);
        Section("session", Session);
        Section("preset", Preset);
        Section("snapshots", Snapshots);
        var mode = ProcessMode ? "backend_mode = \"process\"" : "";
        Section("llama", $"binary = \"{Binary()}\"", mode, Llama);
        Section("router", Line("port", RouterPort), $"ctx_size = {ContextTokens}", ExtraArgs(RouterExtraArgs), Router);
        foreach (var (name, (_, lines)) in models)
        {
            var port = ProcessMode ? Line("port", modelPorts[name] = Ports.Next()) : "";
            var args = ProcessMode ? ExtraArgs(null) : "";
            Section($"models.{name}", $"path = \"{name}.gguf\"", $"ctx_size = {ContextTokens}", port, args, lines);
        }
        return toml.Append(Sections).ToString();

        void Section(string name, params ReadOnlySpan<string> lines)
        {
            toml.Append(CultureInfo.InvariantCulture, $"[{name}]\n");
            foreach (var line in lines)
                toml.Append(line).Append(line.Length > 0 ? "\n" : "");
            toml.Append('\n');
        }
    }

    private string Binary()
    {
        var binary = FakeFaults is null ? Programs.LlamaServer : Programs.FakeLlamaServer;
        if (ServerLimit is not { } limit)
            return binary;
        var script = Path.Combine(Folder, "llama-server");
        // Without the signal a write beyond the limit of files fails as one to a full disk does.
        File.WriteAllText(script, $"#!/bin/sh\ntrap '' XFSZ\nulimit {limit}\nexec {binary} \"$@\"\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        return script;
    }

    private string ExtraArgs(string? own)
    {
        var list = own is null ? new List<string>() : [own];
        if (FakeFaults is not null)
            list.Add($"\"--fake-log\", \"{FakeLogPath}\"");
        if (scriptFolder is not null)
            list.Add($"\"--scripts\", \"{scriptFolder}\"");
        if (HasFaultFile)
            list.Add($"\"--fault-file\", \"{FaultFile}\"");
        else if (FakeFaults is { Length: > 0 })
            list.Add($"\"--fault\", \"{FakeFaults}\"");
        return list.Count == 0 ? "" : $"extra_args = [{string.Join(", ", list)}]";
    }

    private static string Line(string key, int value) => string.Create(CultureInfo.InvariantCulture, $"{key} = {value}");
}
