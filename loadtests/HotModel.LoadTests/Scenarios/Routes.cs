using System.Text.Json;
using System.Text.Json.Nodes;

namespace HotModel.LoadTests.Scenarios;

/// <summary>The other routes, one after another.</summary>
internal sealed class Routes
{
    private readonly Client client;
    private readonly IReadOnlyList<Route> routes;
    private int runs;

    /// <param name="client">Of hotmodel.</param>
    /// <param name="canEmbed">The models can.</param>
    public Routes(Client client, bool canEmbed)
    {
        this.client = client;
        routes = [.. All.Where(r => canEmbed || r != Embeddings)];
    }

    private static readonly Route Embeddings = new("v1/embeddings", "data",
        () => new() { ["model"] = "active", ["input"] = "A text." });

    private static readonly Route[] All =
    [
        new("v1/completions", "choices",
            () => new() { ["model"] = "active", ["prompt"] = "Once upon a time", ["max_tokens"] = 16 }),
        Embeddings,
        new("tokenize", "tokens", () => new() { ["content"] = "A text of a few words." }),
        new("props", "default_generation_settings", null),
        new("v1/models", "data", null),
        new("health", "status", null),
    ];

    /// <summary>What one model cannot, none of those that are tested can.</summary>
    public static async Task<bool> CanEmbedAsync(Client client)
    {
        using var limit = new CancellationTokenSource(Client.Limit);
        using HttpResponseMessage response = await Embeddings.SendAsync(client, limit.Token);
        return response.StatusCode != System.Net.HttpStatusCode.NotImplemented;
    }

    public async Task<Outcome> RunAsync()
    {
        Route route = routes[(int)((uint)Interlocked.Increment(ref runs) % routes.Count)];
        using var limit = new CancellationTokenSource(Client.Limit);
        using HttpResponseMessage response = await route.SendAsync(client, limit.Token);
        return await JsonReply.ReadAsync(response, route.Problem, limit.Token);
    }

    /// <param name="Path">Without a slash before it.</param>
    /// <param name="Member">What its answer must have.</param>
    /// <param name="Body">Null: a GET.</param>
    private sealed record Route(string Path, string Member, Func<JsonObject>? Body)
    {
        public Task<HttpResponseMessage> SendAsync(Client client, CancellationToken cancellation) => Body is { } body
            ? client.PostAsync(Path, body(), null, cancellation)
            : client.GetAsync(Path, cancellation);

        public string? Problem(JsonElement answer) =>
            answer.TryGetProperty(Member, out _) ? null : $"{Path}: an answer without \"{Member}\": {answer}";
    }
}
