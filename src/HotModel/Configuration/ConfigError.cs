namespace HotModel.Configuration;

/// <summary>One thing wrong with the configuration: what is wrong, and what is allowed.</summary>
/// <param name="Source">The file as the user named it, or the name of an environment variable.</param>
/// <param name="Line">From 1; 0 where there is no position.</param>
/// <param name="Column">From 1; 0 where there is no position.</param>
/// <param name="Message">What is wrong, what is allowed.</param>
internal sealed record ConfigError(string Source, int Line, int Column, string Message)
{
    public override string ToString() => Line == 0 ? $"{Source}: {Message}" : $"{Source}:{Line}:{Column}: {Message}";

    /// <summary>By place within a file, files in the order of their names, what has no position last.</summary>
    public static int Compare(ConfigError a, ConfigError b)
    {
        var byKind = (a.Line == 0).CompareTo(b.Line == 0);
        if (byKind != 0)
            return byKind;
        var bySource = string.CompareOrdinal(a.Source, b.Source);
        return bySource != 0 ? bySource : (a.Line, a.Column).CompareTo((b.Line, b.Column));
    }
}

/// <summary>A configuration, or every reason why there is none.</summary>
internal sealed record ConfigResult(
    HotModelConfig? Config, IReadOnlyList<ConfigError> Errors, IReadOnlyList<string> Warnings);

/// <summary>Where a value was written.</summary>
internal readonly record struct ConfigOrigin(string Source, int Line, int Column)
{
    public ConfigError Error(string message) => new(Source, Line, Column, message);

    public override string ToString() => Line == 0 ? Source : $"{Source}:{Line}:{Column}";
}
