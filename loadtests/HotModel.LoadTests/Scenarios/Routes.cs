using System.Text.Json;
using System.Text.Json.Nodes;

namespace HotModel.LoadTests.Scenarios;

/// <summary>Requests of some routes, one after another, each with an answer in one piece.</summary>
internal sealed class Routes(Client client, IReadOnlyList<Route> routes)
{
    private int runs;

    public async Task<Outcome> RunAsync()
    {
        Route route = routes[(int)((uint)Interlocked.Increment(ref runs) % routes.Count)];
        using var limit = new CancellationTokenSource(Client.Limit);
        using HttpResponseMessage response = await route.SendAsync(client, limit.Token);
        return await JsonReply.ReadAsync(response, route.Problem, limit.Token);
    }
}

/// <param name="Path">Without a slash before it.</param>
/// <param name="Member">What its answer must have.</param>
/// <param name="Body">Null: a GET.</param>
internal sealed record Route(string Path, string Member, Func<JsonObject>? Body)
{
    public static readonly Route Embeddings = new("v1/embeddings", "data",
        () => new() { ["model"] = "active", ["input"] = "A text." });

    public static readonly IReadOnlyList<Route> Others =
    [
        new("v1/completions", "choices",
            () => new() { ["model"] = "active", ["prompt"] = "Once upon a time", ["max_tokens"] = 16 }),
        new("tokenize", "tokens", () => new() { ["content"] = "A text of a few words." }),
        new("props", "default_generation_settings", null),
        new("v1/models", "data", null),
        new("health", "status", null),
    ];

    public Task<HttpResponseMessage> SendAsync(Client client, CancellationToken cancellation) => Body is { } body
        ? client.PostAsync(Path, body(), null, cancellation)
        : client.GetAsync(Path, cancellation);

    public string? Problem(JsonElement answer) =>
        answer.TryGetProperty(Member, out _) ? null : $"{Path}: an answer without \"{Member}\": {answer}";
}
