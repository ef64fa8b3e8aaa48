using System.Globalization;
using System.Text;

namespace HotModel.Configuration;

/// <summary>Values as TOML writes them.</summary>
internal static class TomlText
{
    public static string Value(object value) => value switch
    {
        string text => Quote(text),
        bool boolean => boolean ? "true" : "false",
        double number => number.ToString("0.################", CultureInfo.InvariantCulture),
        IReadOnlyList<string> texts => $"[{string.Join(", ", texts.Select(Quote))}]",
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => throw new InvalidOperationException($"no TOML form for a {value.GetType().Name}"),
    };

    public static string Quote(string text) => $"\"{OneLine(text
        .Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal))}\"";

    /// <summary>
    /// Control characters as TOML writes them, so that a message stays in its line and does nothing to a terminal.
    /// </summary>
    public static string OneLine(string text)
    {
        if (!text.Any(char.IsControl))
            return text;
        var line = new StringBuilder(text.Length + 8);
        foreach (var c in text)
        {
            _ = c switch
            {
                '\n' => line.Append("\\n"),
                '\t' => line.Append("\\t"),
                '\r' => line.Append("\\r"),
                _ when char.IsControl(c) => line.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}"),
                _ => line.Append(c),
            };
        }
        return line.ToString();
    }

    /// <summary>A key as it stands in a header or before "=": bare where TOML allows it.</summary>
    public static string Key(string name) =>
        name.Length > 0 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-') ? name : Quote(name);
}
