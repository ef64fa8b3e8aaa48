namespace HotModel.FunctionalTests;

/// <summary>Somebody sets the machine's clock while everything runs: what waits, waits as long as it should.</summary>
public sealed class ClockJumpTests
{
    private static readonly TimeSpan Ahead = TimeSpan.FromDays(30);
    private static readonly TimeSpan Behind = TimeSpan.FromDays(-60);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task Answers_drains_waits_and_unused_models_do_not_feel_it()
    {
        using var clock = new WrongClock();
        await using var hotmodel = await HotModelProcess.StartAsync(Setup(clock, "idle_unload_seconds = 3600"));
        using var answer = await hotmodel.Api.StreamAsync("tell me", session: "talk", maxTokens: 600);
        await answer.BegunAsync();
        clock.SetWrongBy(Ahead);
        var switching = hotmodel.Api.SwitchAsync("b");
        await Until.True(
            async () => (string?)(await hotmodel.StateAsync())["phase"] == "draining", Limit, "it drains");
        var waiting = hotmodel.Api.ChatAsync("hello");
        await Until.True(async () => (int)(await hotmodel.StateAsync())["waiting_chats"]! == 1, Limit, "a chat waits");
        clock.SetWrongBy(Behind);

        await answer.WholeAsync();
        var report = await switching;
        Assert.True(report.Status == 200 && (string?)report.Json["active_model"] == "b", report.Text);
        Assert.InRange((double)report.Json["elapsed_seconds"]!, 0, 60);
        Assert.Equal((200, "b"), ((await waiting).Status, (await waiting).Model));

        // What was saved when the clock was behind is found again.
        clock.SetWrongBy(Ahead);
        Assert.Equal(200, (await hotmodel.Api.SwitchAsync("slow")).Status);
        Assert.Equal("slow", (await hotmodel.Api.ChatAsync("and then?", session: "talk")).Model);
        Assert.Equal(1, (int)(await hotmodel.StateAsync())["snapshots"]!["restored"]!);
        Assert.DoesNotContain("UnloadRequested", hotmodel.Log, StringComparison.Ordinal);

        using var last = await hotmodel.Api.StreamAsync("tell me", maxTokens: 600);
        await last.BegunAsync();
        var stopping = hotmodel.StopAsync();
        clock.SetWrongBy(Behind);
        Assert.Equal(0, await stopping);
    }

    [Fact]
    public async Task Model_is_unloaded_when_it_was_unused_for_its_time_although_the_clock_went_back()
    {
        using var clock = new WrongClock();
        await using var hotmodel = await HotModelProcess.StartAsync(Setup(clock, "idle_unload_seconds = 2"));
        clock.SetWrongBy(Behind);
        await Until.True(
            async () => ((await hotmodel.StateAsync())["loaded"]!.AsArray()).Count == 0, Limit, "it is unloaded");
        Assert.Equal("slow", (await hotmodel.Api.ChatAsync("hello")).Model);
    }

    [Fact]
    public async Task No_conversation_expires_by_it()
    {
        using var clock = new WrongClock();
        await using var hotmodel = await HotModelProcess.StartAsync(Setup(clock, ""));
        foreach (var (error, session) in ((TimeSpan, string)[])[
            (TimeSpan.Zero, "before"), (Ahead, "ahead"), (Behind, "behind"), (TimeSpan.Zero, "after")])
        {
            clock.SetWrongBy(error);
            Assert.Equal(200, (await hotmodel.Api.ChatAsync("hello", session: session)).Status);
        }
        Assert.Equal(4, (int)(await hotmodel.Api.GetAsync("admin/sessions")).Json["total"]!);
        var again = await hotmodel.Api.ChatAsync("and then?", session: "behind");
        Assert.Equal(200, again.Status);
        Assert.Equal(4, (int)(await hotmodel.Api.GetAsync("admin/sessions/behind")).Json["messages"]!);
    }

    private static Setup Setup(WrongClock clock, string lines) => new Setup
    {
        ActiveModel = "slow",
        Server = "stop_timeout_seconds = 2",
        Session = "expire_days = 7",
        Snapshots = "min_tokens = 1\nprefill_ahead_seconds = 0",
        Environment = clock.Environment,
    }.Tiny("slow", lines: "threads = 1\n" + lines).Tiny("b");
}
