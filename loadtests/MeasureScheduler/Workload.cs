namespace MeasureScheduler;

/// <param name="Model">The model that the client names.</param>
/// <param name="Pause">Between an answer and the next request, on average; from half of it to one and a half.</param>
internal sealed record ClientPlan(string Model, TimeSpan Pause);

/// <param name="Name">Of the table.</param>
/// <param name="Clients">All start at once.</param>
internal sealed record Workload(string Name, IReadOnlyList<ClientPlan> Clients)
{
    public static readonly IReadOnlyList<Workload> All =
    [
        new("two clients without a pause on one model, four others now and then",
            [Client("a", 0), Client("a", 0), Client("b", 1), Client("b", 3), Client("c", 2), Client("c", 5)]),
        new("two agents for each model, which think between their calls",
            [Client("a", 0.2), Client("a", 1), Client("b", 0.2), Client("b", 1), Client("c", 0.2), Client("c", 1)]),
    ];

    private static ClientPlan Client(string model, double pauseSeconds) => new(model, TimeSpan.FromSeconds(pauseSeconds));
}
