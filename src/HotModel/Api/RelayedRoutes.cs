namespace HotModel.Api;

/// <summary>Every route of llama-server that hotmodel passes on, those of 0.7.0.</summary>
internal static class RelayedRoutes
{
    public static readonly IReadOnlyList<RelayedRoute> All =
    [
        new("POST", "/v1/chat/completions")
        {
            Aliases = ["/chat/completions"],
            MayStream = true,
            RunsModel = true,
            Preset = PresetPlace.Messages,
            HasSession = true,
        },
        new("POST", "/v1/chat/completions/control") { IsLook = true, JoinsAnswer = true },
        new("POST", "/v1/chat/completions/input_tokens")
        {
            Aliases = ["/chat/completions/input_tokens"],
            Preset = PresetPlace.Messages,
        },
        new("POST", "/v1/completions") { MayStream = true, RunsModel = true },
        new("POST", "/v1/responses")
        {
            Aliases = ["/responses"],
            MayStream = true,
            RunsModel = true,
            Preset = PresetPlace.Instructions,
            Errors = ErrorShape.Responses,
        },
        new("POST", "/v1/responses/input_tokens")
        {
            Aliases = ["/responses/input_tokens"],
            Preset = PresetPlace.Instructions,
            Errors = ErrorShape.Responses,
        },
        new("POST", "/v1/messages")
        {
            MayStream = true,
            RunsModel = true,
            Preset = PresetPlace.System,
            Errors = ErrorShape.Anthropic,
        },
        new("POST", "/v1/messages/count_tokens") { Preset = PresetPlace.System, Errors = ErrorShape.Anthropic },
        new("POST", "/v1/embeddings") { RunsModel = true },
        new("POST", "/v1/rerank") { Aliases = ["/rerank", "/reranking", "/v1/reranking"], RunsModel = true },
        new("POST", "/v1/audio/transcriptions")
        {
            Aliases = ["/audio/transcriptions"],
            Model = ModelPlace.FormField,
            MayStream = true,
            RunsModel = true,
        },
        new("POST", "/v1/systemone") { RunsModel = true },
        new("POST", "/completion") { Aliases = ["/completions"], MayStream = true, RunsModel = true },
        new("POST", "/infill") { MayStream = true, RunsModel = true },
        new("POST", "/embedding") { Aliases = ["/embeddings"], RunsModel = true },
        new("POST", "/tokenize"),
        new("POST", "/detokenize"),
        new("POST", "/apply-template"),
        new("GET", "/props") { Model = ModelPlace.Query },
        new("POST", "/props"),
        new("GET", "/slots") { Model = ModelPlace.Query },
        new("GET", "/lora-adapters") { Model = ModelPlace.Query },
        new("POST", "/lora-adapters") { ChangesModel = true },
        new("GET", "/metrics") { Model = ModelPlace.Query },
    ];

    /// <summary>The first one of a path, whatever the method; as routing compares.</summary>
    public static RelayedRoute? At(PathString path) => All.FirstOrDefault(
        route => route.Paths.Any(own => own.Equals(path.Value?.TrimEnd('/'), StringComparison.OrdinalIgnoreCase)));
}
