using System.Text;
using HotModel.Configuration;

namespace HotModel.Fuzz.Targets;

/// <summary>
/// A preset INI of llama-server. Claims: each error names a line of the file; and of a file without errors and warnings
/// every value is what llama-server takes for it, which is all between "=" and the first ";" or "#", without blanks.
/// </summary>
internal static class PresetTarget
{
    private const string Path = "/fuzz/preset.ini";

    public static void Run(byte[] input)
    {
        string text = Encoding.UTF8.GetString(input);
        PresetFile preset = new PresetReader(Path).Read(text);
        string[] lines = text.Split('\n');
        foreach (ConfigError error in preset.Errors)
        {
            Require.Equal(Path, error.Source);
            Require.IsOneLine(error.Message);
            Require.That(error.Line >= 1 && error.Line <= lines.Length && error.Column == 1);
        }
        foreach (string warning in preset.Warnings)
            Require.IsOneLine(warning);
        if (preset.Errors.Count > 0 || preset.Warnings.Count > 0)
            return;
        foreach (PresetSection section in preset.Sections)
        {
            string header = lines[section.Line - 1][1..].TrimStart(' ', '\t');
            Require.That(header.StartsWith($"{section.Name}]", StringComparison.Ordinal));
            foreach (PresetEntry entry in section.Entries)
                Entry(entry, lines[entry.Line - 1]);
        }
    }

    private static void Entry(PresetEntry entry, string line)
    {
        int equals = line.IndexOf('=', StringComparison.Ordinal);
        Require.Equal(line[..equals].Trim(), entry.Key);
        string value = line[(equals + 1)..];
        int comment = value.AsSpan().IndexOfAny(";#");
        Require.Equal((comment < 0 ? value : value[..comment]).Trim(), entry.Value);
        _ = PresetSyntax.Canonical(entry.Key);
    }
}
