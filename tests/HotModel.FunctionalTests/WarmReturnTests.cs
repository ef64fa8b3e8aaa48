namespace HotModel.FunctionalTests;

/// <summary>Coming back to a model with a conversation, with the real llama-server.</summary>
public sealed class WarmReturnTests
{
    // More than snapshots.min_tokens.
    private static readonly string LongText = string.Concat(Enumerable.Repeat("some words of a long history ", 40));

    [Theory]
    [InlineData("f16", 1, false)]
    [InlineData("f16", 1, true)]
    [InlineData("f16", 4, false)]
    [InlineData("f16", 4, true)]
    [InlineData("q8_0", 1, false)]
    [InlineData("q8_0", 1, true)]
    [InlineData("q8_0", 4, false)]
    [InlineData("q8_0", 4, true)]
    public async Task Answers_after_a_warm_return_and_after_a_restart_are_those_without_a_switch(
        string cache, int parallel, bool streams)
    {
        var stayed = await TalkAsync(SetupOf(cache, parallel), streams, leaves: false);
        var returned = await TalkAsync(SetupOf(cache, parallel), streams, leaves: true);
        Assert.Equal(stayed.Answers, returned.Answers);
        Assert.Equal([0, 0], stayed.ReusedTokens);
        Assert.All(returned.ReusedTokens, tokens => Assert.True(tokens > 500, $"{tokens} tokens were reused"));
    }

    [Fact]
    public async Task Report_and_state_tell_what_was_saved_and_restored()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(SetupOf("q8_0", 1));
        await hotmodel.Api.ChatAsync(LongText, session: "talk");
        var away = (await hotmodel.Api.SwitchAsync("b")).Json;
        Assert.Equal(1, (int?)away["saved"]!["count"]);
        Assert.True((int?)away["saved"]!["tokens"] > 500);
        Assert.Null(away["restored"]);
        var back = (await hotmodel.Api.SwitchAsync("a")).Json;
        Assert.Equal((int?)away["saved"]!["tokens"], (int?)back["restored"]!["tokens"]);
        Assert.True((double?)back["restored"]!["saved_seconds"] > 0);
        var counts = (await hotmodel.StateAsync())["snapshots"]!;
        Assert.Equal((1, 1, 1), ((int?)counts["count"], (int?)counts["saved"], (int?)counts["restored"]));
        Assert.Equal((long?)away["saved"]!["bytes"], (long?)counts["bytes"]);
        Assert.True(await IsCurrentAsync());
        await hotmodel.Api.ChatAsync("and then?", session: "talk");
        Assert.False(await IsCurrentAsync());
        Assert.True((double?)(await hotmodel.StateAsync())["snapshots"]!["saved_seconds"] > 0);
        var session = (await hotmodel.Api.GetAsync("admin/sessions/talk")).Json;
        Assert.Equal((int?)away["saved"]!["tokens"], (int?)session["reused_tokens"]);
        Assert.True((double?)session["saved_seconds"] > 0);
        var metrics = await hotmodel.Api.RawAsync(HttpMethod.Get, "admin/metrics");
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", metrics.ContentType);
        Assert.Contains($"hotmodel_reused_tokens_total{{source=\"snapshot\"}} {session["reused_tokens"]}\n", metrics.Text,
            StringComparison.Ordinal);
        Assert.Contains("hotmodel_switches_total{outcome=\"switched\"} 2\n", metrics.Text, StringComparison.Ordinal);

        async Task<bool?> IsCurrentAsync() =>
            (bool?)(await hotmodel.Api.GetAsync("admin/sessions/talk")).Json["snapshots"]![0]!["current"];
    }

    [Fact]
    public async Task Snapshot_that_the_model_cannot_use_any_more_is_not_said_to_be_usable()
    {
        var setup = SetupOf("q8_0", 1);
        var hotmodel = await HotModelProcess.StartAsync(setup);
        try
        {
            await hotmodel.Api.ChatAsync(LongText, session: "talk");
            await hotmodel.Api.SwitchAsync("b");
            Assert.Equal((true, "talk"), await LookAsync());
            Assert.Equal(0, await hotmodel.StopAsync());
            var toml = await File.ReadAllTextAsync(setup.ConfigPath);
            await File.WriteAllTextAsync(setup.ConfigPath, toml.Replace("\"q8_0\"", "\"f16\"", StringComparison.Ordinal));
            hotmodel = await HotModelProcess.StartWithoutModelAsync(setup);
            await hotmodel.ActiveAsync("b");
            Assert.Equal((false, null), await LookAsync());
        }
        finally
        {
            await hotmodel.DisposeAsync();
        }

        async Task<(bool?, string?)> LookAsync()
        {
            var plan = (await hotmodel.Api.PostTextAsync("admin/switch", """{"model":"a","dry_run":true}""")).Json;
            var session = (await hotmodel.Api.GetAsync("admin/sessions/talk")).Json;
            return ((bool?)session["snapshots"]![0]!["usable"], (string?)plan["warm"]!["snapshot"]?["session_id"]);
        }
    }

    [Fact]
    public async Task Conversation_displaced_from_the_only_slot_comes_back_to_it()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(SetupOf("q8_0", 1));
        await hotmodel.Api.ChatAsync(LongText, session: "one");
        await hotmodel.Api.ChatAsync("Another conversation. " + LongText, session: "two");
        var again = await hotmodel.Api.ChatAsync("and then?", session: "one");
        Assert.True((int?)again.Json["timings"]!["cache_n"] > 500, again.Text);
        Assert.Equal(1, (int?)(await hotmodel.StateAsync())["snapshots"]!["restored"]);
    }

    [Fact]
    public async Task Deleting_a_session_deletes_its_files()
    {
        var setup = SetupOf("q8_0", 1);
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        await hotmodel.Api.ChatAsync(LongText, session: "talk");
        await hotmodel.Api.SwitchAsync("b");
        var folder = Path.Combine(setup.DatabaseFolder, "snapshots");
        Assert.Single(Directory.GetFiles(folder));
        await hotmodel.Api.DeleteAsync("admin/sessions/talk");
        Assert.Empty(Directory.GetFiles(folder));
    }

    [Fact]
    public async Task Lost_file_costs_an_evaluation_and_nothing_else()
    {
        var setup = SetupOf("q8_0", 1);
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        var first = await hotmodel.Api.ChatAsync(LongText, session: "talk");
        await hotmodel.Api.SwitchAsync("b");
        foreach (var file in Directory.GetFiles(Path.Combine(setup.DatabaseFolder, "snapshots")))
            await File.WriteAllTextAsync(file, "torn");
        await hotmodel.Api.SwitchAsync("a");
        var second = await hotmodel.Api.ChatAsync("and then?", session: "talk");
        Assert.Equal((200, 200), (first.Status, second.Status));
        Assert.Equal(0, (int?)second.Json["timings"]!["cache_n"]);
    }

    [Fact]
    public async Task Switched_off_nothing_is_kept()
    {
        var setup = SetupOf("q8_0", 1, snapshots: "enabled = false");
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        await hotmodel.Api.ChatAsync(LongText, session: "talk");
        Assert.Null((await hotmodel.Api.SwitchAsync("b")).Json["saved"]);
        Assert.Null((await hotmodel.Api.SwitchAsync("a")).Json["restored"]);
        Assert.False(Directory.Exists(Path.Combine(setup.DatabaseFolder, "snapshots")));
    }

    private static Setup SetupOf(string cache, int parallel, string snapshots = "") => new Setup
    {
        Router = $"cache_type_k = \"{cache}\"\ncache_type_v = \"{cache}\"\nparallel = {parallel}",
        // So that b leaves nothing to save.
        Snapshots = snapshots + "\nprefill_ahead_seconds = 0",
    };

    /// <summary>Three questions; the model leaves and comes back after the first, and hotmodel after the second.</summary>
    private static async Task<Talk> TalkAsync(Setup setup, bool streams, bool leaves)
    {
        var hotmodel = await HotModelProcess.StartAsync(setup);
        try
        {
            List<string> answers = [await SayAsync(hotmodel, LongText, streams)];
            List<int> reused = [];
            foreach (var question in (string[])["and then?", "and what else?"])
            {
                if (leaves && reused.Count == 0)
                {
                    await hotmodel.Api.SwitchAsync("b");
                    await hotmodel.Api.SwitchAsync("a");
                }
                else if (leaves)
                {
                    Assert.Equal(0, await hotmodel.StopAsync());
                    hotmodel = await HotModelProcess.StartAsync(setup);
                }
                answers.Add(await SayAsync(hotmodel, question, streams));
                reused.Add((int)(await hotmodel.StateAsync())["snapshots"]!["reused_tokens"]!);
            }
            return new Talk(answers, reused);
        }
        finally
        {
            await hotmodel.DisposeAsync();
        }
    }

    private static async Task<string> SayAsync(HotModelProcess hotmodel, string text, bool streams)
    {
        if (!streams)
            return (await hotmodel.Api.ChatAsync(text, session: "talk", maxTokens: 16)).Content!;
        using var answer = await hotmodel.Api.StreamAsync(text, session: "talk", maxTokens: 16);
        return await answer.WholeAsync();
    }

    /// <param name="ReusedTokens">After the second and the third answer, each counted by its program.</param>
    private sealed record Talk(List<string> Answers, List<int> ReusedTokens);
}
