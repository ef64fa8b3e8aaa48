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

    public static string Quote(string text)
    {
        var quoted = new StringBuilder(text.Length + 2).Append('"');
        foreach (var c in text)
        {
            _ = c switch
            {
                '"' => quoted.Append("\\\""),
                '\\' => quoted.Append("\\\\"),
                '\n' => quoted.Append("\\n"),
                '\t' => quoted.Append("\\t"),
                '\r' => quoted.Append("\\r"),
                _ when char.IsControl(c) => quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}"),
                _ => quoted.Append(c),
            };
        }
        return quoted.Append('"').ToString();
    }

    /// <summary>A key as it stands in a header or before "=": bare where TOML allows it.</summary>
    public static string Key(string name) =>
        name.Length > 0 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-') ? name : Quote(name);
}
