using System.Collections;
using System.CommandLine;
using HotModel.Configuration;

namespace HotModel.Cli;

/// <summary>--config FILE, and the loading that every command does with it.</summary>
internal static class ConfigOption
{
    public const string DefaultFile = "hotmodel.toml";
    public const string Variable = "HOTMODEL_CONFIG";
    /// <summary>Exit status of a command whose configuration is wrong.</summary>
    public const int BadConfigStatus = 2;

    public static Option<string> Create() => new("--config", "-c")
    {
        Description = $"The configuration file; without it {Variable}, then {DefaultFile} in this folder.",
        HelpName = "FILE",
        DefaultValueFactory = _ => Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } path
            ? path
            : DefaultFile,
    };

    /// <summary>
    /// The configuration, or null after all errors were written: then return <see cref="BadConfigStatus"/>.
    /// </summary>
    public static HotModelConfig? Load(ParseResult parsed, Option<string> option) =>
        Load(parsed, option, ProcessEnvironment(), out _);

    public static HotModelConfig? Load(
        ParseResult parsed, Option<string> option, IReadOnlyDictionary<string, string> environment,
        out IReadOnlyList<string> warnings)
    {
        var result = ConfigLoader.Load(parsed.GetRequiredValue(option), environment);
        foreach (var error in result.Errors)
            parsed.InvocationConfiguration.Error.WriteLine(error);
        warnings = result.Warnings;
        return result.Config;
    }

    public static IReadOnlyDictionary<string, string> ProcessEnvironment() =>
        Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
            .ToDictionary(pair => (string)pair.Key, pair => (string?)pair.Value ?? "");
}
