namespace HotModel.FunctionalTests;

/// <summary>Coming back to a model with a conversation, with the real llama-server.</summary>
public sealed class WarmReturnTests
{
    // More than snapshots.min_tokens.
    private static readonly string LongText = string.Concat(Enumerable.Repeat("some words of a long history ", 40));

    public enum Between { Nothing, Switches, Restart }

    [Theory]
    [InlineData("f16", 1, false, Between.Switches)]
    [InlineData("f16", 4, true, Between.Switches)]
    [InlineData("q8_0", 1, true, Between.Switches)]
    [InlineData("q8_0", 4, false, Between.Switches)]
    [InlineData("q8_0", 1, false, Between.Restart)]
    [InlineData("f16", 4, true, Between.Restart)]
    public async Task Answer_after_a_warm_return_is_the_one_without_a_switch(
        string cache, int parallel, bool streams, Between between)
    {
        var stayed = await TalkAsync(SetupOf(cache, parallel), streams, Between.Nothing);
        var returned = await TalkAsync(SetupOf(cache, parallel), streams, between);
        Assert.Equal(stayed.Second, returned.Second);
        Assert.Equal(0, stayed.Restored);
        Assert.Equal(1, returned.Restored);
        Assert.True(returned.ReusedTokens > 500, $"{returned.ReusedTokens} tokens were reused");
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
        var counts = (await hotmodel.StateAsync())["snapshots"]!;
        Assert.Equal((1, 1, 1), ((int?)counts["count"], (int?)counts["saved"], (int?)counts["restored"]));
        Assert.Equal((long?)away["saved"]!["bytes"], (long?)counts["bytes"]);
        Assert.True(await IsCurrentAsync());
        await hotmodel.Api.ChatAsync("and then?", session: "talk");
        Assert.False(await IsCurrentAsync());
        Assert.True((double?)(await hotmodel.StateAsync())["snapshots"]!["saved_seconds"] > 0);

        async Task<bool?> IsCurrentAsync() =>
            (bool?)(await hotmodel.Api.GetAsync("admin/sessions/talk")).Json["snapshots"]![0]!["current"];
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

    private static async Task<Talk> TalkAsync(Setup setup, bool streams, Between between)
    {
        var hotmodel = await HotModelProcess.StartAsync(setup);
        try
        {
            await SayAsync(hotmodel, LongText, streams);
            if (between == Between.Switches)
            {
                await hotmodel.Api.SwitchAsync("b");
                await hotmodel.Api.SwitchAsync("a");
            }
            else if (between == Between.Restart)
            {
                Assert.Equal(0, await hotmodel.StopAsync());
                hotmodel = await HotModelProcess.StartAsync(setup);
            }
            var second = await SayAsync(hotmodel, "and then?", streams);
            var counts = (await hotmodel.StateAsync())["snapshots"]!;
            return new Talk(second, (int)counts["restored"]!, (int)counts["reused_tokens"]!);
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

    private sealed record Talk(string Second, int Restored, int ReusedTokens);
}
