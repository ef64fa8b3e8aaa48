namespace HotModel.Configuration;

/// <summary>A value of the right type and where it was written.</summary>
internal readonly record struct ConfigValue(object Value, ConfigOrigin Origin);

/// <summary>
/// What one section sets, defaults behind it. Every key asked for stands in <see cref="ConfigSchema"/>.
/// </summary>
/// <param name="Section">"server" and so on; "models" for each model, "keys" for each key.</param>
/// <param name="Origin">Where the section begins.</param>
internal sealed class ConfigSection(string section, ConfigOrigin origin)
{
    private readonly Dictionary<string, ConfigValue> set = [];
    private readonly HashSet<string> refused = [];

    public string Section { get; } = section;
    public ConfigOrigin Origin { get; } = origin;

    public void Set(string key, object value, ConfigOrigin at) => set[key] = new ConfigValue(value, at);

    public bool Has(string key) => set.ContainsKey(key);

    /// <summary>Remembers a key whose value was refused, so that it is not called missing as well.</summary>
    public void MarkRefused(string key) => refused.Add(key);

    public bool IsMissing(string key) => !set.ContainsKey(key) && !refused.Contains(key);

    /// <summary>Where the key is set, else where its section begins.</summary>
    public ConfigOrigin OriginOf(string key) => set.TryGetValue(key, out var value) ? value.Origin : Origin;

    public bool Flag(string key) => (bool)Required(key);
    public int Whole(string key) => (int)(long)Required(key);
    public int? WholeOrNull(string key) => (int?)(long?)Get(key);
    public long? LongOrNull(string key) => (long?)Get(key);
    public double Number(string key) => (double)Required(key);
    public TimeSpan Seconds(string key) => TimeSpan.FromSeconds(Number(key));
    public TimeSpan? SecondsOrNull(string key) => Get(key) is double seconds ? TimeSpan.FromSeconds(seconds) : null;
    public string Text(string key) => (string)Required(key);
    public string? TextOrNull(string key) => (string?)Get(key);
    public IReadOnlyList<string> Texts(string key) => (string[])Required(key);

    public T Choice<T>(string key) where T : struct, Enum =>
        Enum.Parse<T>(Text(key).Replace("_", "", StringComparison.Ordinal), ignoreCase: true);

    private object Required(string key) =>
        Get(key) ?? throw new InvalidOperationException($"{Section}.{key} has neither a value nor a default");

    private object? Get(string key)
    {
        if (set.TryGetValue(key, out var value))
            return value.Value;
        var schema = ConfigSchema.Find(Section, key)
            ?? throw new InvalidOperationException($"{Section}.{key} is not in the schema");
        return schema.Default;
    }
}

/// <summary>Everything that file and environment set, before it is checked as a whole.</summary>
internal sealed class ConfigValues(ConfigOrigin fileStart)
{
    private readonly Dictionary<string, ConfigSection> sections = [];
    private readonly Dictionary<string, SortedDictionary<string, ConfigSection>> named =
        ConfigSchema.Named.ToDictionary(section => section,
            _ => new SortedDictionary<string, ConfigSection>(StringComparer.Ordinal));

    public ConfigOrigin FileStart { get; } = fileStart;
    public SortedDictionary<string, ConfigSection> Models => named[ConfigSchema.Models];
    public SortedDictionary<string, ConfigSection> Keys => named[ConfigSchema.ApiKeys];

    public ConfigSection this[string section] =>
        sections.TryGetValue(section, out var found) ? found : Open(section, FileStart);

    public ConfigSection Open(string section, ConfigOrigin origin)
    {
        if (!sections.TryGetValue(section, out var opened))
            sections[section] = opened = new ConfigSection(section, origin);
        return opened;
    }

    /// <param name="section">One of <see cref="ConfigSchema.Named"/>.</param>
    /// <param name="name">Of the model or key.</param>
    /// <param name="origin">Where it begins.</param>
    public ConfigSection Open(string section, string name, ConfigOrigin origin)
    {
        if (!named[section].TryGetValue(name, out var opened))
            named[section][name] = opened = new ConfigSection(section, origin);
        return opened;
    }

    public SortedDictionary<string, ConfigSection> Named(string section) => named[section];
}
