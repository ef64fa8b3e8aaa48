namespace HotModel.Api;

/// <summary>Where llama-server's router looks for the model's name, and so where ours is put.</summary>
internal enum ModelPlace
{
    /// <summary>"model" of a JSON object.</summary>
    Body,
    /// <summary>The field "model" of a form with files.</summary>
    FormField,
    /// <summary>The parameter "model" of the query.</summary>
    Query,
}

/// <summary>The member of the body that carries the instructions, and so where the preset prompt goes.</summary>
internal enum PresetPlace { None, Messages, Instructions, System }

/// <summary>How clients of a route read errors.</summary>
internal enum ErrorShape { OpenAi, Anthropic, Responses }

/// <summary>A route of llama-server that is passed on, and how.</summary>
/// <param name="Method">GET or POST. What answers GET answers HEAD.</param>
/// <param name="Path">As llama-server has it.</param>
internal sealed record RelayedRoute(string Method, string Path)
{
    /// <summary>Other paths of llama-server for the same.</summary>
    public IReadOnlyList<string> Aliases { get; init; } = [];
    public ModelPlace Model { get; init; } = ModelPlace.Body;
    /// <summary>For the documentation: it is the answer that decides.</summary>
    public bool MayStream { get; init; }
    /// <summary>A whole answer of it shows that the model works; others do not ask the model itself.</summary>
    public bool RunsModel { get; init; }
    /// <summary>Afterwards the model computes something else than its command line says.</summary>
    public bool ChangesModel { get; init; }
    public PresetPlace Preset { get; init; } = PresetPlace.None;
    /// <summary>Belongs to a stored conversation.</summary>
    public bool HasSession { get; init; }
    public ErrorShape Errors { get; init; } = ErrorShape.OpenAi;

    public IEnumerable<string> Paths => Aliases.Prepend(Path);
    public bool HasBody => Method == HttpMethods.Post;
    /// <summary>Never makes a model come or go: it reads something, or is about an answer that runs.</summary>
    public bool IsLook { get; init; } = Method == HttpMethods.Get;
    /// <summary>Is about an answer that runs: for the model that gives it, also while that is about to leave.</summary>
    public bool JoinsAnswer { get; init; }
}
