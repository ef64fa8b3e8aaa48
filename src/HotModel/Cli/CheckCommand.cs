using System.CommandLine;
using HotModel.Configuration;
using HotModel.Tls;

namespace HotModel.Cli;

/// <summary>hotmodel check: is the configuration right, and what does it come to.</summary>
/// <remarks>What goes to standard output is TOML as a whole: the command lines are comments.</remarks>
internal static class CheckCommand
{
    public static Command Create()
    {
        var config = ConfigOption.Create();
        var command = new Command(
            "check", "Check the configuration; show it with all defaults, and llama-server's command line.") { config };
        command.SetAction(parsed =>
        {
            var loaded = ConfigOption.Load(parsed, config, ConfigOption.ProcessEnvironment(), out var warnings);
            foreach (var warning in warnings)
                parsed.InvocationConfiguration.Error.WriteLine($"warning: {warning}");
            if (loaded is null)
                return ConfigOption.BadConfigStatus;
            foreach (var (name, key) in loaded.Keys.Where(key => !IsSet(key.Value.Env)))
                parsed.InvocationConfiguration.Error.WriteLine(
                    $"warning: [keys.{TomlText.Key(name)}]: the environment variable {key.Env} is not set here");
            foreach (var binary in Binaries(loaded).Distinct().Where(binary => !IsFound(binary)))
                parsed.InvocationConfiguration.Error.WriteLine($"warning: there is no program {binary}");
            if (loaded.Server.Tls is { } files)
            {
                if (!TlsCertificate.TryLoad(files, TimeProvider.System.GetUtcNow(), out var certificate, out var problem))
                {
                    parsed.InvocationConfiguration.Error.WriteLine($"{loaded.FilePath}: {problem}");
                    return ConfigOption.BadConfigStatus;
                }
                certificate.Dispose();
            }
            Show(loaded, parsed.InvocationConfiguration.Output);
            return 0;
        });
        return command;
    }

    private static IEnumerable<string> Binaries(HotModelConfig config) => config.Llama.BackendMode == BackendMode.Process
        ? config.Models.Values.Select(model => model.Binary)
        : [config.Router.Binary];

    /// <summary>Also where the key stands in no variable.</summary>
    private static bool IsSet(string? variable) =>
        variable is null || Environment.GetEnvironmentVariable(variable) is { Length: > 0 };

    /// <summary>A bare name is looked up on the PATH, as at the start.</summary>
    private static bool IsFound(string binary) => Path.IsPathRooted(binary)
        ? File.Exists(binary)
        : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .SelectMany(folder => new[] { Path.Combine(folder, binary), Path.Combine(folder, binary + ".exe") })
            .Any(File.Exists);

    private static void Show(HotModelConfig config, TextWriter output)
    {
        output.Write(EffectiveToml.Write(config));
        output.WriteLine();
        if (config.Llama.BackendMode == BackendMode.Process)
        {
            foreach (var model in config.Models.Values)
            {
                output.WriteLine($"# Command line for {Printable(model.Name)}:");
                WriteCommand(output, model.Binary, LlamaArguments.Process(config, model));
            }
            return;
        }
        var preset = config.Router.ModelsPreset ?? PresetWriter.PathOf(config);
        output.WriteLine("# Command line of the router:");
        WriteCommand(output, config.Router.Binary, LlamaArguments.Router(config, preset));
        if (config.Router.ModelsPreset is not null)
            return;
        output.WriteLine($"# Its presets, which HotModel writes to {Printable(preset)}:");
        foreach (var line in PresetWriter.Render(config).TrimEnd('\n').Split('\n'))
            output.WriteLine($"#   {line}".TrimEnd());
    }

    private static void WriteCommand(TextWriter output, string binary, IReadOnlyList<string> arguments) =>
        output.WriteLine($"#   {string.Join(' ', arguments.Prepend(binary).Select(ShellWord))}");

    /// <summary>Quoted for a POSIX shell where it has to be.</summary>
    private static string ShellWord(string word)
    {
        var plain = word.Length > 0 && word.All(c => char.IsLetterOrDigit(c) || "-_./:,=+@%".Contains(c));
        return plain ? word : $"'{Printable(word).Replace("'", "'\\''", StringComparison.Ordinal)}'";
    }

    /// <summary>A line break would end the comment.</summary>
    private static string Printable(string text) => text.ReplaceLineEndings("\\n");
}
