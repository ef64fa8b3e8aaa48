namespace HotModel.Configuration;

/// <summary>What the names in requests mean.</summary>
internal sealed class ModelNames
{
    /// <summary>The name of whichever model answers.</summary>
    public const string Active = "active";

    /// <summary>More names do not help whoever reads the message.</summary>
    private const int ListLimit = 40;
    /// <summary>
    /// Names of models are shorter. A request's may be as long as its body, and looking for the nearest costs that length
    /// once for each letter of each model's name.
    /// </summary>
    private const int NameLimit = 200;

    private readonly Dictionary<string, string> models = new(StringComparer.Ordinal);
    private readonly string[] configured;

    public ModelNames(IReadOnlyDictionary<string, ModelConfig> models)
    {
        configured = [.. models.Keys.Order(StringComparer.Ordinal)];
        foreach (var model in models.Values)
        {
            this.models[model.Name] = model.Name;
            foreach (var alias in model.Aliases)
                this.models[alias] = model.Name;
        }
    }

    /// <param name="name">Of a request; null where it names none.</param>
    /// <param name="model">The configured name; null: the active model.</param>
    /// <returns>False where there is no such model.</returns>
    public bool TryResolve(string? name, out string? model)
    {
        model = null;
        return name is null or "" or Active || models.TryGetValue(name, out model);
    }

    /// <summary>Says that there is no such model, and which there are.</summary>
    public string Unknown(string name)
    {
        var listed = string.Join(", ", configured.Take(ListLimit));
        var more = configured.Length > ListLimit ? $" and {configured.Length - ListLimit} more" : "";
        var hint = name.Length <= NameLimit ? NearestName.Hint(name, models.Keys) : "";
        return $"There is no model {TomlText.Quote(Shown(name))}{hint}. Configured are: {listed}{more}. "
            + $"\"{Active}\" is the one that answers now.";
    }

    private static string Shown(string name) => name.Length <= NameLimit
        ? name
        : name[..(char.IsHighSurrogate(name[NameLimit - 1]) ? NameLimit - 1 : NameLimit)] + "...";
}
