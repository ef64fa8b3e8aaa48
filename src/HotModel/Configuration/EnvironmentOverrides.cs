namespace HotModel.Configuration;

/// <summary>HOTMODEL_SERVER__PORT and the like: they win over the file. An empty variable counts as not set.</summary>
internal static class EnvironmentOverrides
{
    private const string Prefix = "HOTMODEL_";
    private const string Separator = "__";

    public static string NameOf(string section, string key) => $"{Prefix}{Fold(section)}{Separator}{Fold(key)}";

    public static string NameOf(string section, string model, string key) =>
        $"{Prefix}{Fold(section)}{Separator}{Fold(model)}{Separator}{Fold(key)}";

    public static void Apply(
        IReadOnlyDictionary<string, string> environment, ConfigValues values, List<ConfigError> errors)
    {
        foreach (var (variable, text) in environment.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            // Without "__" it is no key of the file: HOTMODEL_CONFIG, variables of scripts.
            if (variable.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase)
                && variable.Contains(Separator, StringComparison.Ordinal) && text.Length > 0)
                ApplyOne(variable, text, values, errors);
        }
    }

    private static ConfigError NoSuchKey(ConfigOrigin variable, ConfigValues values) =>
        variable.Error("no such key" + NearestName.Hint(variable.Source.ToUpperInvariant(), Known(values)));

    private static void ApplyOne(string variable, string text, ConfigValues values, List<ConfigError> errors)
    {
        var origin = new ConfigOrigin(variable, 0, 0);
        var rest = variable[Prefix.Length..];
        var split = rest.IndexOf(Separator, StringComparison.Ordinal);
        if (split < 0)
        {
            // The prefix's own "_" is one of the two.
            errors.Add(NoSuchKey(origin, values));
            return;
        }
        var section = ConfigSchema.Sections.FirstOrDefault(known => Same(known, rest[..split]));
        var target = section is null ? null : values[section];
        var key = rest[(split + Separator.Length)..];
        if (section is not null && ConfigSchema.Named.Contains(section))
        {
            // A name may hold "__" itself; a key never does.
            var last = Math.Max(0, key.LastIndexOf(Separator, StringComparison.Ordinal));
            var found = values.Named(section).Where(model => Same(model.Key, key[..last])).ToArray();
            if (found.Length > 1)
            {
                errors.Add(origin.Error($"fits more than one [{section}.NAME]: "
                    + string.Join(", ", found.Select(model => TomlText.Quote(model.Key)))));
                return;
            }
            target = found.Length == 0 ? null : found[0].Value;
            key = last == 0 ? key : key[(last + Separator.Length)..];
        }
        var schema = section is null
            ? null
            : ConfigSchema.Keys.FirstOrDefault(known => known.Section == section && Same(known.Name, key));
        if (target is null || schema is null)
        {
            errors.Add(NoSuchKey(origin, values));
            return;
        }
        if (schema.Type.FromEnvironment(text, out var wrong) is { } value)
            target.Set(schema.Name, value, origin);
        else
            errors.Add(origin.Error($"{wrong}; allowed is {AllowedIn(schema.Type)}"));
    }

    private static IEnumerable<string> Known(ConfigValues values) => ConfigSchema.Keys.SelectMany(key =>
        ConfigSchema.Named.Contains(key.Section)
            ? values.Named(key.Section).Keys.Select(name => NameOf(key.Section, name, key.Name))
            : [NameOf(key.Section, key.Name)]);

    private static string AllowedIn(KeyType type) => type.Kind switch
    {
        KeyKind.TextList => "a JSON list of texts, such as [\"--metrics\"]",
        KeyKind.Choice => string.Join(" or ", type.Choices),
        _ => type.Allowed,
    };

    /// <summary>Upper case, and "_" for what a variable's name cannot hold.</summary>
    private static string Fold(string name) =>
        string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) ? char.ToUpperInvariant(c) : '_'));

    private static bool Same(string name, string folded) => Fold(name) == Fold(folded);
}
