namespace HotModel.Configuration;

/// <summary>Command-line arguments as keys of a preset.</summary>
internal static class ExtraArgs
{
    /// <summary>
    /// A word that follows an option and is no option itself is its value; an option without one is a switch. "-1" is a
    /// value: no option of llama-server begins with a digit.
    /// </summary>
    public static List<(string Key, string Value)> ToPreset(IReadOnlyList<string> arguments, Action<string> refuse)
    {
        var entries = new List<(string Key, string Value)>();
        for (var i = 0; i < arguments.Count; i++)
        {
            var option = arguments[i];
            var value = i + 1 < arguments.Count && !IsOption(arguments[i + 1]) ? arguments[++i] : null;
            if (FaultOf(option, value, entries) is { } fault)
                refuse($"{fault}; needed for backend_mode = \"router\" without models_preset");
            else
                entries.Add((option.TrimStart('-'), value ?? "true"));
        }
        return entries;
    }

    private static bool IsOption(string argument) =>
        argument.Length > 1 && argument[0] == '-' && !char.IsAsciiDigit(argument[1]) && argument[1] != '.'
        && !argument.Contains(' ');

    private static string? FaultOf(string option, string? value, List<(string Key, string Value)> before)
    {
        var key = option.TrimStart('-');
        if (!IsOption(option))
        {
            return before.Count == 0
                ? $"{TomlText.Quote(option)} is no option; write \"--name\", or \"--name\", \"value\""
                : $"{TomlText.Quote(option)} would be a second value, and a preset holds one per option; write "
                    + "\"--name\", \"value\"";
        }
        if (option.Contains('='))
            return $"{TomlText.Quote(option)}: llama-server takes the value as an argument of its own, \"--name\", "
                + "\"value\"";
        if (!PresetSyntax.IsKey(key))
            return $"{TomlText.Quote(option)} is no option of llama-server";
        if (PresetSyntax.Canonical(key) is "model" or "host" or "port" or "alias" or "api-key")
            return $"{TomlText.Quote(option)} is set by HotModel or by llama-server's router; leave it out";
        if (before.Any(entry => PresetSyntax.Canonical(entry.Key) == PresetSyntax.Canonical(key)))
            return $"{TomlText.Quote(option)} is given twice, and a preset keeps only the last; join the values "
                + "with commas";
        return value is not null && PresetSyntax.FaultOfValue(value) is { } fault ? $"{option}: {fault}" : null;
    }
}
