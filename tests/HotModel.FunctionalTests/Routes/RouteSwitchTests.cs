using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests.Routes;

/// <summary>Routes other than chat while models change.</summary>
public sealed class RouteSwitchTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(5);

    [Fact]
    public async Task Running_completion_ends_whole_before_its_model_is_unloaded_and_others_wait()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(Slow());
        using var running = await hotmodel.Api.BeginAsync("completion", Prompts.ForAll(30));
        Assert.NotNull(await running.NextAsync());
        var switching = hotmodel.Api.SwitchAsync("b");
        await Until.True(
            async () => (string?)(await hotmodel.StateAsync())["phase"] == "draining", Soon, "the switch waits");
        string[] paths = ["completion", "v1/completions", "tokenize", "v1/messages", "v1/responses/input_tokens"];
        var waiting = paths.Select(path => hotmodel.Api.RawAsync(HttpMethod.Post, path, Any())).ToArray();
        var query = hotmodel.Api.RawAsync(HttpMethod.Get, "props");
        await running.EndedAsync();
        Assert.Equal("slow", running.Model);
        Assert.Equal(31, running.Events.Count);
        Assert.Contains("\"stop\":true", running.Events[^1]);
        Assert.Equal("b", (string?)(await switching).Json["active_model"]);
        foreach (var reply in await Task.WhenAll([.. waiting, query]))
            Assert.True((200, "b") == (reply.Status, reply.Model), reply.Text);
        Assert.Contains("b.gguf", (await query).Text);
    }

    private static Setup Slow() =>
        new Setup { ActiveModel = "slow", Router = "parallel = 1" }.Tiny("slow", "slow-coder").Tiny("b");

    private static byte[] Any() => System.Text.Encoding.UTF8.GetBytes(Prompts.ForAll(2, isStreamed: false));
}
