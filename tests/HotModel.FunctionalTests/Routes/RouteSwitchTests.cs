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

    [Fact]
    public async Task Control_of_a_running_answer_reaches_it_while_its_model_drains()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(Slow());
        using var running = await hotmodel.Api.BeginAsync("v1/chat/completions", """
            {"messages": [{"role": "user", "content": "tell me"}], "max_tokens": 3000, "stream": true, "reasoning_control": true}
            """);
        await running.BegunAsync();
        var switching = hotmodel.Api.SwitchAsync("b");
        await Until.True(
            async () => (string?)(await hotmodel.StateAsync())["phase"] == "draining", Soon, "the switch waits");
        var id = (string?)JsonNode.Parse(running.Events[^1])!["id"];
        var control = await hotmodel.Api.PostAsync(
            "v1/chat/completions/control", new JsonObject { ["id"] = id, ["action"] = "reasoning_end" });
        Assert.Equal((200, "slow"), (control.Status, control.Model));
        Assert.DoesNotContain("no active completion", control.Text);
        Assert.False(switching.IsCompleted);
        running.Dispose();
        Assert.Equal("b", (string?)(await switching).Json["active_model"]);
    }

    private static Setup Slow() =>
        new Setup { ActiveModel = "slow", Router = "parallel = 1" }.Tiny("slow", "slow-coder").Tiny("b");

    private static byte[] Any() => System.Text.Encoding.UTF8.GetBytes(Prompts.ForAll(2, isStreamed: false));
}
