using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests.Routes;

/// <summary>Routes other than chat while models change, and clients that leave them.</summary>
public sealed class RouteSwitchTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(5);

    [Fact]
    public async Task Running_completion_ends_whole_before_its_model_is_unloaded_and_others_wait()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(Slow());
        using var running = await hotmodel.Api.BeginAsync("completion", Prompt(150));
        Assert.NotNull(await running.NextAsync());
        var switching = hotmodel.Api.SwitchAsync("b");
        await Until.True(
            async () => (string?)(await hotmodel.StateAsync())["phase"] == "draining", Soon, "the switch waits");
        string[] paths = ["completion", "v1/completions", "tokenize", "v1/messages", "v1/responses/input_tokens"];
        var waiting = paths.Select(path => hotmodel.Api.RawAsync(HttpMethod.Post, path, Any())).ToArray();
        var query = hotmodel.Api.RawAsync(HttpMethod.Get, "props");
        await running.EndedAsync();
        Assert.Equal("slow", running.Model);
        Assert.Equal(151, running.Events.Count);
        Assert.Contains("\"stop\":true", running.Events[^1]);
        Assert.Equal("b", (string?)(await switching).Json["active_model"]);
        foreach (var reply in await Task.WhenAll([.. waiting, query]))
            Assert.True((200, "b") == (reply.Status, reply.Model), reply.Text);
        Assert.Contains("b.gguf", (await query).Text);
    }

    [Theory]
    [InlineData("completion", true)]
    [InlineData("completion", false)]
    [InlineData("v1/completions", false)]
    [InlineData("v1/messages", true)]
    [InlineData("v1/messages", false)]
    [InlineData("v1/responses", true)]
    [InlineData("infill", true)]
    public async Task Client_that_leaves_frees_the_slot(string path, bool isStreamed)
    {
        await using var hotmodel = await HotModelProcess.StartAsync(Slow());
        using var direct = await hotmodel.OpenModelAsync();
        using var leaving = new CancellationTokenSource();
        var body = Prompt(3000, isStreamed);
        if (isStreamed)
        {
            using var answer = await hotmodel.Api.BeginAsync(path, body);
            Assert.Equal(200, answer.Status);
            Assert.NotNull(await answer.NextAsync());
            Assert.True(await IsBusyAsync(direct));
        }
        else
        {
            var asked = hotmodel.Api.BeginAsync(path, body, leaving.Token);
            await Until.True(() => IsBusyAsync(direct), Soon, "the model works");
            await leaving.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
        }
        await Until.True(async () => !await IsBusyAsync(direct), Soon, "the slot is idle");
        await Until.True(
            async () => (int?)(await hotmodel.StateAsync())["inflight_chats"] == 0, Soon, "the lease is back");
    }

    private static Setup Slow() =>
        new Setup { ActiveModel = "slow", Router = "parallel = 1" }.Tiny("slow", "slow-coder").Tiny("b");

    /// <summary>A body that every route understands.</summary>
    private static string Prompt(int tokens, bool isStreamed = true) => new JsonObject
    {
        ["prompt"] = "tell me",
        ["input"] = "tell me",
        ["messages"] = new JsonArray(Chats.Message("user", "tell me")),
        ["input_prefix"] = "tell",
        ["input_suffix"] = "me",
        ["content"] = "tell me",
        ["n_predict"] = tokens,
        ["max_tokens"] = tokens,
        ["max_output_tokens"] = tokens,
        ["stream"] = isStreamed,
    }.ToJsonString();

    private static byte[] Any() => System.Text.Encoding.UTF8.GetBytes(Prompt(2, isStreamed: false));

    private static async Task<bool> IsBusyAsync(Api direct) =>
        (await direct.GetAsync("slots")).Text.Contains("\"is_processing\":true", StringComparison.Ordinal);
}
