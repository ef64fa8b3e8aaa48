namespace HotModel.LoadTests.Scenarios;

/// <summary>Every scenario by its name.</summary>
internal static class Catalogue
{
    private const string SwitchName = "switch";
    private const string RoutesName = "routes";

    /// <summary>Together they fit hotmodel's default queue_limit of 64: during a switch all of them wait.</summary>
    public static readonly IReadOnlyDictionary<string, Load> DefaultLoads = new Dictionary<string, Load>
    {
        ["chat"] = new(6, null),
        ["stream"] = new(8, null),
        ["sessions"] = new(8, null),
        ["slow"] = new(4, null),
        ["hang-up"] = new(4, null),
        [RoutesName] = new(4, null),
        [SwitchName] = new(1, TimeSpan.FromSeconds(5)),
    };

    /// <exception cref="InvalidOperationException">They need what the server has not.</exception>
    public static async Task<IReadOnlyList<Scenario>> CreateAsync(
        IReadOnlyDictionary<string, Load> loads, Server server, TextWriter notes)
    {
        IReadOnlyList<string> models = await server.ModelsAsync();
        if (loads.ContainsKey(SwitchName) && models.Count < 2)
            throw new InvalidOperationException($"\"{SwitchName}\" needs two models; there is {string.Join(", ", models)}");
        bool canEmbed = !loads.ContainsKey(RoutesName) || await Routes.CanEmbedAsync(server.Client);
        if (!canEmbed)
            notes.WriteLine("The active model gives no embeddings: without /v1/embeddings.");
        return [.. loads.Select(l => new Scenario(l.Key, l.Value, Create(l.Key, server, models, canEmbed)))];
    }

    private static Func<Task<Outcome>> Create(
        string name, Server server, IReadOnlyList<string> models, bool canEmbed) => name switch
        {
            "chat" => new Chat(server.Client).RunAsync,
            "stream" => new StreamingChat(server.Client).RunAsync,
            "sessions" => new Sessions(server.Client).RunAsync,
            "slow" => new SlowReader(server.SlowClient).RunAsync,
            "hang-up" => new HangUp(server.Client).RunAsync,
            RoutesName => new Routes(server.Client, canEmbed).RunAsync,
            SwitchName => new Switch(server.Client, models).RunAsync,
            _ => throw new ArgumentOutOfRangeException(nameof(name), name, "no scenario"),
        };
}
