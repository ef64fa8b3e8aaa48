using System.Text.Json;

namespace HotModel.LoadTests.Scenarios;

/// <summary>A switch to the next of the models.</summary>
internal sealed class Switch(Client client, IReadOnlyList<string> models)
{
    private int switches;

    public async Task<Outcome> RunAsync()
    {
        // The first of them is active at the start of most runs: not a switch.
        string model = models[Interlocked.Increment(ref switches) % models.Count];
        using var limit = new CancellationTokenSource(Client.Limit);
        using HttpResponseMessage response = await client.PostAsync(
            "admin/switch", new() { ["model"] = model }, null, limit.Token);
        return await JsonReply.ReadAsync(response, report => Problem(report, model), limit.Token);
    }

    private static string? Problem(JsonElement report, string model)
    {
        string? active = report.GetProperty("active_model").GetString();
        return active == model ? null : $"the switch to {model} ended with {active}";
    }
}
