using System.Globalization;
using System.Text;

namespace HotModel.Configuration;

/// <summary>A checked configuration as TOML: every key that has a value, in the order of the schema.</summary>
internal static class EffectiveToml
{
    public static string Write(HotModelConfig config)
    {
        var text = new StringBuilder();
        foreach (var section in ConfigSchema.Sections.Except(ConfigSchema.Named))
            Section(text, section, section, config, null);
        foreach (var name in config.Models.Keys)
            Section(text, $"models.{TomlText.Key(name)}", ConfigSchema.Models, config, name);
        foreach (var name in config.Keys.Keys)
            Section(text, $"keys.{TomlText.Key(name)}", ConfigSchema.ApiKeys, config, name);
        return text.ToString();
    }

    private static void Section(
        StringBuilder text, string header, string section, HotModelConfig config, string? name)
    {
        text.Append(CultureInfo.InvariantCulture, $"{(text.Length == 0 ? "" : "\n")}[{header}]\n");
        foreach (var key in ConfigSchema.Keys.Where(key => key.Section == section))
        {
            if (key.Read(config, name) is { } value)
                text.Append(CultureInfo.InvariantCulture, $"{key.Name} = {TomlText.Value(value)}\n");
        }
    }
}
