using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using HotModel.Configuration;

namespace HotModel.Tests.Configuration;

/// <summary>What users read and copy is what the program does.</summary>
public class DocumentationTests
{
    private static readonly Dictionary<string, string> NoEnvironment = [];

    private static string Root([CallerFilePath] string path = "") =>
        Path.GetFullPath(Path.Join(Path.GetDirectoryName(path), "..", "..", ".."));

    [Fact]
    public void Tables_of_the_documentation_are_those_of_the_schema()
    {
        var text = File.ReadAllText(Path.Join(Root(), "docs", "configuration.md")).ReplaceLineEndings("\n");
        var start = text.IndexOf("### `[server]`", StringComparison.Ordinal);
        var end = text.IndexOf("\n## ", Math.Max(start, 0), StringComparison.Ordinal);

        var areRight = start > 0 && text[start..end].Trim() == Tables().Trim();
        Assert.True(areRight, $"docs/configuration.md should have:\n{Tables()}");
    }

    [Fact]
    public void Examples_load_without_errors_and_warn_only_of_missing_models()
    {
        var result = ConfigLoader.Load(Path.Join(Root(), "configs", "models.example.toml"), NoEnvironment);

        Assert.Empty(result.Errors);
        Assert.Equal(["qwen-large", "qwen-small"], result.Config!.Models.Keys);
        Assert.All(result.Warnings, warning => Assert.Contains("there is no file", warning, StringComparison.Ordinal));
    }

    [Fact]
    public void Example_with_its_preset_loads_without_errors_and_warns_only_of_missing_models()
    {
        using var folder = new ConfigFolder();
        var ini = Path.Join(Root(), "configs", "llama-models.example.ini");
        var toml = File.ReadAllText(Path.Join(Root(), "configs", "models.example.toml"))
            .Replace("# models_preset = \"llama-models.example.ini\"", $"models_preset = '{ini}'",
                StringComparison.Ordinal);

        var result = folder.Load(toml);

        Assert.Empty(result.Errors);
        Assert.Equal(ini, result.Config!.Router.ModelsPreset);
        Assert.All(result.Warnings, warning => Assert.Contains("there is no file", warning, StringComparison.Ordinal));
    }

    [Fact]
    public void Every_key_can_be_given_and_every_default_is_allowed()
    {
        using var folder = new ConfigFolder();
        foreach (var key in ConfigSchema.Keys.Where(key => key.Default is not null && key.NowCalled is null))
        {
            var set = $"{key.Name} = {TomlText.Value(key.Default!)}\n";
            folder.LoadGood(key.Section switch
            {
                ConfigSchema.Models => $"[models.a]\npath = 'x'\n{set}",
                ConfigSchema.ApiKeys => $"[models.a]\npath = 'x'\n[keys.a]\nenv = 'X'\n{set}",
                var section => $"[{section}]\n{set}[models.a]\npath = 'x'\n",
            });
        }
        Assert.Equal(ConfigSchema.Keys.Count, ConfigSchema.Keys.DistinctBy(key => (key.Section, key.Name)).Count());
    }

    private static string Tables()
    {
        var text = new StringBuilder();
        foreach (var section in ConfigSchema.Sections)
        {
            text.Append(CultureInfo.InvariantCulture, $"### `[{ConfigSchema.HeaderOf(section)}]`\n\n")
                .Append("| key | type | default | meaning |\n|---|---|---|---|\n");
            foreach (var key in ConfigSchema.Keys.Where(key => key.Section == section))
                text.Append($"| `{key.Name}` | {Type(key.Type)} | {Default(key)} | {key.Doc} |\n");
            text.Append('\n');
        }
        return text.ToString();
    }

    private static string Default(ConfigKey key) => key switch
    {
        { Required: true } => "required",
        { DefaultDoc: { } words } => words,
        { Default: { } value } => $"`{TomlText.Value(value)}`",
        _ => "not set",
    };

    private static string Type(KeyType type) => type.Kind switch
    {
        KeyKind.Integer when type.Max >= int.MaxValue => $"integer, ≥ {type.Min}",
        KeyKind.Integer or KeyKind.Number => string.Create(
            CultureInfo.InvariantCulture, $"{type.Name}, {type.Min} to {type.Max}"),
        KeyKind.Choice => string.Join(", ", type.Choices.Select(choice => $"`\"{choice}\"`")),
        _ => type.Name,
    };
}
