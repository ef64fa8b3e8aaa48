namespace HotModel.LoadTests.Scenarios;

/// <summary>Every scenario by its name.</summary>
internal static class Catalogue
{
    private const string EmbedName = "embed";
    private const string SwitchName = "switch";

    /// <summary>Together they fit hotmodel's default queue_limit of 64: during a switch all of them wait.</summary>
    public static readonly IReadOnlyDictionary<string, Load> DefaultLoads = new Dictionary<string, Load>
    {
        ["chat"] = new(6, null),
        ["stream"] = new(8, null),
        ["sessions"] = new(8, null),
        ["slow"] = new(4, null),
        ["hang-up"] = new(4, null),
        ["routes"] = new(3, null),
        [EmbedName] = new(1, null),
        [SwitchName] = new(1, TimeSpan.FromSeconds(5)),
    };

    /// <exception cref="InvalidOperationException">One needs what the server has not.</exception>
    public static async Task<IReadOnlyList<Scenario>> CreateAsync(
        IReadOnlyDictionary<string, Load> loads, Server server, TextWriter notes)
    {
        IReadOnlyList<string> models = await server.ModelsAsync();
        if (loads.ContainsKey(SwitchName) && models.Count < 2)
            throw new InvalidOperationException($"\"{SwitchName}\" needs two models; there is {string.Join(", ", models)}");
        var names = loads.Keys.ToList();
        if (names.Contains(EmbedName) && !await server.CanEmbedAsync())
        {
            notes.WriteLine($"The active model gives no embeddings: without \"{EmbedName}\".");
            names.Remove(EmbedName);
        }
        return [.. names.Select(n => new Scenario(n, loads[n], Create(n, server, models)))];
    }

    private static Func<Task<Outcome>> Create(string name, Server server, IReadOnlyList<string> models) => name switch
    {
        "chat" => new Chat(server.Client).RunAsync,
        "stream" => new StreamingChat(server.Client).RunAsync,
        "sessions" => new Sessions(server.Client).RunAsync,
        "slow" => new SlowReader(server.SlowClient).RunAsync,
        "hang-up" => new HangUp(server.Client).RunAsync,
        "routes" => new Routes(server.Client, Route.Others).RunAsync,
        EmbedName => new Routes(server.Client, [Route.Embeddings]).RunAsync,
        SwitchName => new Switch(server.Client, models).RunAsync,
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "no scenario"),
    };
}
