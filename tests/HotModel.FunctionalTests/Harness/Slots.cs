using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests.Harness;

/// <summary>What the active model's slots do.</summary>
internal static class Slots
{
    /// <summary>Of an answer that is asked for and then left.</summary>
    public const int EndlessTokens = 3900;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);
    // llama-server looks for the client of a whole answer only when nothing has happened for a second, and a look at its
    // slots is such a happening.
    private static readonly TimeSpan WholePause = TimeSpan.FromMilliseconds(1200);

    public static Task BusyAsync(HotModelProcess hotmodel) =>
        Until.True(async () => await DecodedAsync(hotmodel) is not null, Limit, "a slot generates");

    /// <summary>Waits until no slot generates any more, long before the answer would have come to its end.</summary>
    public static async Task IdleAsync(HotModelProcess hotmodel, bool isWhole = false)
    {
        var pause = isWhole ? WholePause : Pause;
        await Task.Delay(pause, TestContext.Current.CancellationToken);
        while (await DecodedAsync(hotmodel) is { } decoded)
        {
            Assert.True(decoded < EndlessTokens / 2, $"still generating after {decoded} tokens");
            await Task.Delay(pause, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Waits for answers that another test has begun and left.</summary>
    public static async Task FreeAsync(Api model)
    {
        while ((await model.GetAsync("slots")).Text.Contains("\"is_processing\":true", StringComparison.Ordinal))
            await Task.Delay(WholePause, TestContext.Current.CancellationToken);
    }

    /// <summary>How many tokens the answer that comes now has; null if none comes.</summary>
    private static async Task<int?> DecodedAsync(HotModelProcess hotmodel)
    {
        var reply = await hotmodel.Api.GetAsync("slots");
        Assert.Equal(200, reply.Status);
        return JsonNode.Parse(reply.Text)!.AsArray().Where(slot => (bool)slot!["is_processing"]!)
            .Max(slot => (int?)slot!["next_token"]![0]!["n_decoded"]);
    }
}
