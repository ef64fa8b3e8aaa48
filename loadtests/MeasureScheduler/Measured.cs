using System.Globalization;
using System.Net;

namespace MeasureScheduler;

/// <summary>What one server did with one workload.</summary>
internal sealed record Measured(IReadOnlyList<ClientResult> Clients, int Switches)
{
    private readonly double[] waits = [.. Clients.SelectMany(c => c.AllWaits).Select(w => w.TotalSeconds).Order()];

    public int Answers => Clients.Sum(c => c.Answered);
    public int Fewest => Clients.Min(c => c.Answered);
    public double SwitchesPerAnswer => Switches / Math.Max(1.0, Answers);
    public int Failed => Clients.Sum(c => c.Failed);

    /// <summary>Seconds; waits that had no end yet when time was up count as long as they had lasted.</summary>
    public double Wait(double quantile) => waits[(int)Math.Ceiling(quantile * waits.Length) - 1];

    public static async Task<Measured> RunAsync(Server server, Workload workload, int seconds)
    {
        // Connections of its own for each run, and no proxy of the environment.
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { Timeout = Timeout.InfiniteTimeSpan };
        using var timeIsUp = new CancellationTokenSource();
        var clients = workload.Clients
            .Select((plan, i) => new Client(http, server.Url, plan, seed: i).RunAsync(timeIsUp.Token)).ToArray();
        timeIsUp.CancelAfter(TimeSpan.FromSeconds(seconds));
        var results = await Task.WhenAll(clients);
        // The first load is none.
        return new Measured(results, Math.Max(0, server.Loads - 1));
    }

    public string Row(string side) => string.Create(CultureInfo.InvariantCulture,
        $"| {side} | {Answers} | {Fewest} | {Wait(0.5):0.00} | {Wait(0.99):0.0} | {waits[^1]:0.0} "
        + $"| {Switches} | {SwitchesPerAnswer * 100:0.0} | {Failed} |");
}
