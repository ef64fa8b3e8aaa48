namespace HotModel.Configuration;

/// <summary>File and environment to a checked configuration; all that is wrong is found in one go.</summary>
internal static class ConfigLoader
{
    /// <param name="path">As the user wrote it: errors name it so.</param>
    public static ConfigResult Load(string path, IReadOnlyDictionary<string, string> environment)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return new ConfigResult(null, [new ConfigError(path, 0, 0, CannotRead(e, path))], []);
        }
        return Parse(text, path, environment);
    }

    /// <param name="text">What stands in the file.</param>
    /// <param name="path">Where it lies.</param>
    /// <param name="environment">Its variables win over the file.</param>
    public static ConfigResult Parse(string text, string path, IReadOnlyDictionary<string, string> environment)
    {
        var errors = new List<ConfigError>();
        var warnings = new List<string>();
        var config = Read(text, path, environment, errors, warnings);
        errors.Sort(ConfigError.Compare);
        // They quote files, and what a file holds may be made for the terminal that shows it.
        return new ConfigResult(
            errors.Count == 0 ? config : null,
            errors.ConvertAll(error => error with { Message = TomlText.OneLine(error.Message) }),
            warnings.ConvertAll(TomlText.OneLine));
    }

    private static HotModelConfig? Read(
        string text, string path, IReadOnlyDictionary<string, string> environment,
        List<ConfigError> errors, List<string> warnings)
    {
        var values = TomlReader.Read(text, path, errors);
        if (values is null)
            return null;
        EnvironmentOverrides.Apply(environment, values, errors);
        ConfigChecks.CheckValues(values, errors);
        // The checks below need a whole configuration, and one can be built only where what it needs is there.
        if (values.Models.Count == 0 || values.Models.Values.Any(model => !model.Has("path"))
            || values.Keys.Values.Any(key => !AccessChecks.HasKnownScopes(key)))
            return null;
        var config = new ConfigBuilder(values, Path.GetFullPath(path), environment).Build();
        warnings.AddRange(AccessChecks.Doubts(config, values));
        ConfigChecks.CheckLlama(config, values, errors, warnings);
        return config;
    }

    private static string CannotRead(Exception e, string path) => e switch
    {
        FileNotFoundException or DirectoryNotFoundException =>
            "no such file; name one with --config FILE or HOTMODEL_CONFIG",
        _ when Directory.Exists(path) => "is a folder; name a TOML file",
        _ => $"cannot be read: {e.Message}",
    };
}
