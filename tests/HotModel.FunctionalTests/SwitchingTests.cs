using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests;

/// <summary>Switches between models of the real llama-server.</summary>
public sealed class SwitchingTests
{
    [Fact]
    public async Task Switch_reports_what_it_did()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var reply = await hotmodel.Api.SwitchAsync("b");
        var report = reply.Json;
        Assert.Equal(200, reply.Status);
        Assert.Equal(("a", "b"), ((string?)report["previous_model"], (string?)report["active_model"]));
        Assert.True((double?)report["elapsed_seconds"] > 0);
        Assert.Contains("gpu_settled", report);
        Assert.Contains("peak_mb", report);
        foreach (var moment in (string[])["before_unload", "after_unload", "after_settle", "after_load"])
        {
            var reading = report["gpu_memory"]![moment]!.AsObject();
            Assert.Contains("total_mb", reading);
            Assert.Contains("per_gpu_mb", reading);
            Assert.True(DateTimeOffset.TryParse((string?)reading["captured_at"], out _));
        }
        var phases = report["phases"]!.AsArray();
        Assert.Contains("unload", phases.Select(p => (string?)p!["name"]));
        Assert.Contains("load", phases.Select(p => (string?)p!["name"]));
        var sum = phases.Sum(p => (double)p!["seconds"]!);
        Assert.InRange(sum, 0, (double)report["elapsed_seconds"]! + 0.01);
        Assert.DoesNotContain("error", report);
        Assert.Equal("b", (await hotmodel.Api.ChatAsync("hello")).Model);
    }

    [Fact]
    public async Task Switch_to_the_active_model_does_nothing()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var child = hotmodel.ModelChild.Pid;
        var reply = await hotmodel.Api.SwitchAsync("a");
        Assert.Equal((200, "a"), (reply.Status, (string?)reply.Json["active_model"]));
        Assert.Empty(reply.Json["phases"]!.AsArray());
        Assert.Equal(child, hotmodel.ModelChild.Pid);
    }

    [Fact]
    public async Task Switch_to_an_unknown_model_is_404_and_changes_nothing()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var reply = await hotmodel.Api.SwitchAsync("nope");
        Assert.Equal(404, reply.Status);
        Assert.NotNull(reply.Json["error"]?["message"]);
        Assert.Equal("a", (string?)(await hotmodel.StateAsync())["active_model"]);
    }

    [Fact]
    public async Task Running_answer_ends_whole_before_its_model_is_unloaded()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(Slow());
        using var answer = await hotmodel.Api.StreamAsync("tell me", maxTokens: 200);
        await answer.BegunAsync();
        var switching = hotmodel.Api.SwitchAsync("b");
        await PhaseAsync(hotmodel, "draining");
        Assert.True((await hotmodel.StateAsync())["inflight_chats"]!.GetValue<int>() == 1);
        await answer.WholeAsync();
        Assert.Equal(200, answer.Events.Count(e => e.Contains("\"delta\":{\"content\"", StringComparison.Ordinal)));
        Assert.Equal("b", (string?)(await switching).Json["active_model"]);
    }

    [Fact]
    public async Task Request_during_a_switch_waits_and_is_answered_by_the_new_model()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(Slow());
        using var running = await hotmodel.Api.StreamAsync("tell me", maxTokens: 100);
        await running.BegunAsync();
        var switching = hotmodel.Api.SwitchAsync("b");
        await PhaseAsync(hotmodel, "draining");
        var waiting = hotmodel.Api.ChatAsync("and me?");
        await running.WholeAsync();
        Assert.Equal(200, (await switching).Status);
        Assert.Equal((200, "b"), ((await waiting).Status, (await waiting).Model));
    }

    [Fact]
    public async Task Request_during_a_switch_is_rejected_where_so_configured()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(Slow("during_switch = \"reject\""));
        using var running = await hotmodel.Api.StreamAsync("tell me", maxTokens: 100);
        await running.BegunAsync();
        var switching = hotmodel.Api.SwitchAsync("b");
        await PhaseAsync(hotmodel, "draining");
        var rejected = await hotmodel.Api.ChatAsync("and me?");
        Assert.Equal(503, rejected.Status);
        Assert.True(int.Parse(rejected.Header("Retry-After")!, null) >= 1);
        await running.WholeAsync();
        Assert.Equal(200, (await switching).Status);
    }

    [Fact]
    public async Task Drain_that_takes_too_long_fails_the_switch_and_unloads_nothing()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(Slow("switch_drain_timeout_seconds = 0.2"));
        var child = hotmodel.ModelChild.Pid;
        using var answer = await hotmodel.Api.StreamAsync("tell me", maxTokens: 400);
        await answer.BegunAsync();
        var reply = await hotmodel.Api.SwitchAsync("b");
        Assert.InRange(reply.Status, 400, 599);
        Assert.NotNull(reply.Json["error"]);
        Assert.Equal("slow", (string?)(await hotmodel.StateAsync())["active_model"]);
        await answer.WholeAsync();
        Assert.Equal(child, hotmodel.ModelChild.Pid);
        Assert.Equal("slow", (await hotmodel.Api.ChatAsync("hello")).Model);
    }

    [Fact]
    public async Task Forced_switch_cuts_the_answer_at_the_deadline_with_a_well_formed_error()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(Slow("switch_drain_timeout_seconds = 0.2"));
        using var answer = await hotmodel.Api.StreamAsync("tell me", session: "s", maxTokens: 2000);
        await answer.BegunAsync();
        var reply = await hotmodel.Api.SwitchAsync("b", force: true);
        await answer.EndedAsync();
        Assert.Equal((200, "b"), (reply.Status, (string?)reply.Json["active_model"]));
        Assert.NotNull(answer.Error);
        // Nothing of a cut answer is stored.
        Assert.Equal(404, (await hotmodel.Api.GetAsync("admin/sessions/s")).Status);
        Assert.Equal("b", (await hotmodel.Api.ChatAsync("hello")).Model);
    }

    [Fact]
    public async Task Client_that_leaves_in_mid_answer_releases_the_drain()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(Slow());
        using (var answer = await hotmodel.Api.StreamAsync("tell me", session: "s", maxTokens: 3000))
            await answer.BegunAsync();
        var reply = await hotmodel.Api.SwitchAsync("b");
        Assert.Equal(200, reply.Status);
        Assert.True((double)reply.Json["elapsed_seconds"]! < 5);
        Assert.Equal(404, (await hotmodel.Api.GetAsync("admin/sessions/s")).Status);
    }

    [Fact]
    public async Task Switches_asked_for_at_once_are_serialised_and_the_last_wins()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup().Tiny("a").Tiny("b").Tiny("c"));
        var replies = await Task.WhenAll(hotmodel.Api.SwitchAsync("b"), hotmodel.Api.SwitchAsync("b"));
        Assert.All(replies, r => Assert.Equal((200, "b"), (r.Status, (string?)r.Json["active_model"])));
        replies = await Task.WhenAll(hotmodel.Api.SwitchAsync("a"), hotmodel.Api.SwitchAsync("c"));
        Assert.All(replies, r => Assert.Equal(200, r.Status));
        var active = (string?)(await hotmodel.StateAsync())["active_model"];
        Assert.Contains(active, (string[])["a", "c"]);
    }

    [Fact]
    public async Task Last_active_model_is_loaded_at_the_next_start()
    {
        var setup = new Setup();
        setup.Write();
        var first = await HotModelProcess.StartAsync(setup);
        await first.Api.SwitchAsync("b");
        Assert.Equal(0, await first.StopAsync());
        await using var second = await HotModelProcess.StartWithoutModelAsync(setup);
        await second.ActiveAsync("b");
    }

    [Fact]
    public async Task Without_an_active_model_chats_are_refused_until_the_first_switch()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { ActiveModel = null });
        var refused = await hotmodel.Api.ChatAsync("hello");
        Assert.Equal(503, refused.Status);
        Assert.Null((string?)(await hotmodel.StateAsync())["active_model"]);
        // Whoever restarts what is not healthy must not restart what only waits to be told a model.
        var health = await hotmodel.Api.GetAsync("health");
        Assert.Equal(
            (200, "ok", "idle"), (health.Status, (string?)health.Json["status"], (string?)health.Json["phase"]));
        var report = (await hotmodel.Api.SwitchAsync("b")).Json;
        Assert.Null((string?)report["previous_model"]);
        Assert.Equal("b", (await hotmodel.Api.ChatAsync("hello")).Model);
    }

    [Fact]
    public async Task Events_tell_phases_progress_and_the_report()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        using var events = await hotmodel.Api.ListenAsync("admin/events");
        Assert.Equal("ready", (string?)JsonNode.Parse((await events.NextAsync())!)!["phase"]);
        await hotmodel.Api.SwitchAsync("b");
        var phases = new List<string>();
        JsonObject news;
        do
        {
            news = JsonNode.Parse((await events.NextAsync())!)!.AsObject();
            if ((string?)news["phase"] is { } phase && !phases.Contains(phase))
                phases.Add(phase);
        }
        while (!news.ContainsKey("previous_model"));
        Assert.Equal(["unloading", "settling", "loading"], phases.Where(p => p != "ready"));
        Assert.Equal("b", (string?)news["active_model"]);
    }

    [Fact]
    public async Task State_health_and_models_have_the_promised_shape()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup().Tiny("b").Tiny("a"));
        var state = await hotmodel.StateAsync();
        Assert.Equal("a", (string?)state["active_model"]);
        Assert.False((bool?)state["switching"]);
        Assert.Equal(["a", "b"], state["models"]!.AsArray().Select(m => (string?)m));
        Assert.Equal("router", (string?)state["backend_mode"]);
        Assert.True((bool?)state["process_running"]);
        Assert.True((bool?)state["router_running"]);
        Assert.Equal(0, (int?)state["inflight_chats"]);
        var health = await hotmodel.Api.GetAsync("health");
        Assert.Equal((200, "ok"), (health.Status, (string?)health.Json["status"]));
        Assert.Equal("a", (string?)health.Json["active_model"]);
        var models = (await hotmodel.Api.GetAsync("v1/models")).Json;
        Assert.Equal("list", (string?)models["object"]);
        Assert.Equal(["a", "b"], models["data"]!.AsArray().Select(m => (string?)m!["id"]));
        Assert.All(models["data"]!.AsArray(), m =>
            Assert.Equal(("model", "hotmodel"), ((string?)m!["object"], (string?)m["owned_by"])));
        var age = DateTimeOffset.UtcNow.ToUnixTimeSeconds() - (long)models["data"]![0]!["created"]!;
        Assert.InRange(age, 0, 600);
    }

    [Fact]
    public async Task Health_says_switching_while_a_switch_drains()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(Slow());
        using var running = await hotmodel.Api.StreamAsync("tell me", maxTokens: 100);
        await running.BegunAsync();
        var switching = hotmodel.Api.SwitchAsync("b");
        await PhaseAsync(hotmodel, "draining");
        var health = await hotmodel.Api.GetAsync("health");
        Assert.Equal("switching", (string?)health.Json["status"]);
        await running.WholeAsync();
        await switching;
    }

    [Fact]
    public async Task Stop_lets_a_running_answer_end_and_exits_0()
    {
        var hotmodel = await HotModelProcess.StartAsync(Slow());
        using var answer = await hotmodel.Api.StreamAsync("tell me", maxTokens: 100);
        await answer.BegunAsync();
        var stopping = hotmodel.StopAsync();
        await answer.WholeAsync();
        Assert.Equal(0, await stopping);
        await hotmodel.DisposeAsync();
    }

    [Fact]
    public async Task Web_page_of_another_origin_cannot_switch()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(hotmodel.Api.Address, "admin/switch"))
        {
            Content = new StringContent("""{"model":"b"}""", null, "application/json"),
        };
        request.Headers.Add("Origin", "https://evil.example");
        using var response = await client.SendAsync(request);
        Assert.Equal(403, (int)response.StatusCode);
        Assert.Equal("a", (string?)(await hotmodel.StateAsync())["active_model"]);
    }

    [Fact]
    public async Task Switch_request_that_is_too_long_is_refused_whether_it_says_so_or_not()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        foreach (var isChunked in (bool[])[false, true])
        {
            var body = System.Text.Encoding.ASCII.GetBytes($$"""{"model":"b"{{new string(' ', 20_000)}}}""");
            var reply = await hotmodel.Api.RawAsync(
                HttpMethod.Post, "admin/switch", body, edit: request => request.Headers.TransferEncodingChunked = isChunked);
            Assert.True(reply.Status == 400 && reply.Text.Contains("longer than 16 KiB", StringComparison.Ordinal), reply.Text);
        }
        Assert.Equal("a", (string?)(await hotmodel.StateAsync())["active_model"]);
    }

    [Theory]
    [InlineData("application/x-www-form-urlencoded", 415, "Content-Type: application/json")]
    [InlineData("text/plain", 415, "\\\"drain_timeout_seconds\\\": 300")]
    [InlineData("application/json", 400, "\\\"drain\\\" is not known here; allowed are")]
    public async Task Switch_request_that_is_wrong_is_told_what_to_send(string type, int status, string message)
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var reply = await hotmodel.Api.RawAsync(
            HttpMethod.Post, "admin/switch", """{"model":"b","drain":5}"""u8.ToArray(), type);
        Assert.Equal(status, reply.Status);
        Assert.Contains(message, reply.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Page_under_a_rebound_name_cannot_read_conversations()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(hotmodel.Api.Address, "admin/sessions"));
        request.Headers.Host = "evil.example";
        using var response = await client.SendAsync(request);
        Assert.Equal(403, (int)response.StatusCode);
    }

    [Fact]
    public async Task Unknown_route_and_wrong_method_are_told_in_words()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var unknown = await hotmodel.Api.GetAsync("v1/nothing");
        Assert.Equal((404, "unknown_route"), (unknown.Status, (string?)unknown.Json["error"]!["code"]));
        var wrong = await hotmodel.Api.GetAsync("v1/chat/completions");
        Assert.Equal((405, "wrong_method"), (wrong.Status, (string?)wrong.Json["error"]!["code"]));
    }

    private static Setup Slow(string server = "") =>
        new Setup { ActiveModel = "slow", Server = server }.Tiny("slow").Tiny("b");

    private static Task PhaseAsync(HotModelProcess hotmodel, string phase) => Until.True(
        async () => (string?)(await hotmodel.StateAsync())["phase"] == phase, TimeSpan.FromSeconds(10), $"phase {phase}");
}
