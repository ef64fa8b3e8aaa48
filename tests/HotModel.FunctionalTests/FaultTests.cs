using System.Globalization;

namespace HotModel.FunctionalTests;

/// <summary>A llama-server that misbehaves in ways the real one cannot be made to.</summary>
public sealed class FaultTests
{
    [Theory]
    [InlineData("")]
    [InlineData("no-sse")]
    [InlineData("sse-stalls")]
    [InlineData("sse-old-shape")]
    [InlineData("reports-failed-after-clean-unload")]
    public async Task Switch_works_whatever_the_servers_events_are_like(string fault)
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { FakeFaults = fault });
        foreach (var model in (string[])["b", "a", "b"])
        {
            var reply = await hotmodel.Api.SwitchAsync(model);
            Assert.True(reply.Status == 200 && (string?)reply.Json["active_model"] == model, reply.Text);
            Assert.InRange((double)reply.Json["elapsed_seconds"]!, 0, 4);
            Assert.StartsWith($" {model}0 {model}1", (await hotmodel.Api.ChatAsync("hello")).Content!, StringComparison.Ordinal);
        }
        await NeverTwoAtOnceAsync(hotmodel.Setup);
    }

    [Fact]
    public async Task Unload_that_hangs_is_ended_by_force()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { FakeFaults = "unload-hangs@a" });
        var reply = await hotmodel.Api.SwitchAsync("b");
        Assert.True(reply.Status == 200 && (string?)reply.Json["active_model"] == "b", reply.Text);
        Assert.Equal("b", (await hotmodel.Api.ChatAsync("hello")).Model);
    }

    [Fact]
    public async Task Router_that_dies_while_unloading_is_started_again_with_the_target()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { FakeFaults = "dies-while-unloading@a" });
        var reply = await hotmodel.Api.SwitchAsync("b");
        Assert.True(reply.Status == 200 && (string?)reply.Json["active_model"] == "b", reply.Text);
        Assert.Equal("b", (await hotmodel.Api.ChatAsync("hello")).Model);
    }

    [Fact]
    public async Task Server_that_ignores_SIGTERM_is_killed_at_the_stop()
    {
        var hotmodel = await HotModelProcess.StartAsync(new Setup { FakeFaults = "ignore-sigterm" });
        Assert.Equal(0, await hotmodel.StopAsync());
        await hotmodel.DisposeAsync();
    }

    [Theory]
    [InlineData("proxy-error-in-stream#1")]
    [InlineData("stream-reset-after=3#1")]
    [InlineData("die-on-chat#1")]
    public async Task Broken_stream_ends_with_a_well_formed_error_and_the_next_works(string fault)
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { FakeFaults = fault });
        using var answer = await hotmodel.Api.StreamAsync("hello", session: "s");
        await answer.EndedAsync();
        // A reset may overtake what was sent before it: then nothing of the stream has come, and the error is the answer.
        if (answer.Status != 502)
            Assert.NotNull((string?)answer.Error?["message"]);
        Assert.All(answer.Events, e => Assert.True(e.StartsWith('{') || e == "[DONE]", e));
        Assert.Equal(404, (await hotmodel.Api.GetAsync("admin/sessions/s")).Status);
        Assert.Equal(200, (await hotmodel.Api.ChatAsync("hello", session: "s")).Status);
    }

    [Fact]
    public async Task Stream_that_stalls_is_released_when_its_client_leaves()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { FakeFaults = "stream-stalls#1" });
        using (var answer = await hotmodel.Api.StreamAsync("hello"))
            await answer.BegunAsync();
        Assert.Equal(200, (await hotmodel.Api.SwitchAsync("b")).Status);
    }

    [Fact]
    public async Task Stream_that_stalls_is_cut_by_a_forced_switch()
    {
        var setup = new Setup { FakeFaults = "stream-stalls#1", Server = "switch_drain_timeout_seconds = 0.2" };
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        using var answer = await hotmodel.Api.StreamAsync("hello");
        await answer.BegunAsync();
        var reply = await hotmodel.Api.SwitchAsync("b", force: true);
        await answer.EndedAsync();
        Assert.Equal((200, "b"), (reply.Status, (string?)reply.Json["active_model"]));
        Assert.NotNull(answer.Error);
    }

    [Fact]
    public async Task Old_model_is_unloaded_only_after_its_last_answer_has_ended()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { FakeFaults = "stream-delay=20" });
        using var answer = await hotmodel.Api.StreamAsync("hello", maxTokens: 20);
        await answer.BegunAsync();
        var switching = hotmodel.Api.SwitchAsync("b");
        await answer.WholeAsync();
        await switching;
        var words = await LogAsync(hotmodel.Setup);
        Assert.True(words.IndexOf("unload a") > words.IndexOf("chat-end a"), string.Join('\n', words));
        await NeverTwoAtOnceAsync(hotmodel.Setup);
    }

    [Fact]
    public async Task Progress_of_a_slow_load_is_told()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { FakeFaults = "load-slow=500@b" });
        using var events = await hotmodel.Api.ListenAsync("admin/events");
        await events.NextAsync();
        await hotmodel.Api.SwitchAsync("b");
        string? news;
        var fractions = 0;
        do
        {
            news = await events.NextAsync();
            if (news!.Contains("\"fraction\":", StringComparison.Ordinal))
                fractions++;
        }
        while (!news.Contains("previous_model", StringComparison.Ordinal));
        Assert.True(fractions >= 5, $"{fractions} progress events");
    }

    [Fact]
    public async Task Process_mode_switches_between_servers_one_at_a_time()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { ProcessMode = true, FakeFaults = "" });
        foreach (var model in (string[])["b", "a"])
        {
            Assert.Equal(200, (await hotmodel.Api.SwitchAsync(model)).Status);
            Assert.Equal(model, (await hotmodel.Api.ChatAsync("hello")).Model);
        }
        Assert.Equal("process", (string?)(await hotmodel.StateAsync())["backend_mode"]);
        Assert.False((bool?)(await hotmodel.StateAsync())["router_running"]);
        Assert.Single(
            ProcessTree.Descendants(hotmodel.Pid),
            e => e.CommandLine.StartsWith(Programs.FakeLlamaServer, StringComparison.Ordinal));
        var words = await LogAsync(hotmodel.Setup);
        Assert.Equal(["load a", "loaded a", "stop -", "load b", "loaded b", "chat b", "chat-end b", "stop -", "load a"],
            words.Take(9));
    }

    private static async Task<List<string>> LogAsync(Setup setup) =>
        [.. (await File.ReadAllLinesAsync(setup.FakeLogPath)).Select(l => l[(l.IndexOf(' ', StringComparison.Ordinal) + 1)..])];

    private static async Task NeverTwoAtOnceAsync(Setup setup)
    {
        var running = new HashSet<string>();
        foreach (var words in (await LogAsync(setup)).Select(l => l.Split(' ')))
        {
            if (words[0] == "load")
                running.Add(words[1]);
            else if (words[0] == "unloaded")
                running.Remove(words[1]);
            Assert.True(running.Count <= 1, string.Create(CultureInfo.InvariantCulture, $"{running.Count} models at once"));
        }
    }
}
