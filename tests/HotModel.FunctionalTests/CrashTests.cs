namespace HotModel.FunctionalTests;

/// <summary>kill -9 in mid-answer, again and again.</summary>
public sealed class CrashTests
{
    private const int Times = 20;
    private static readonly TimeSpan LeftLimit = TimeSpan.FromSeconds(2);

    [Fact]
    public async Task Killed_model_ends_the_answer_with_an_error_and_is_loaded_again()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(Slow());
        for (var i = 0; i < Times; i++)
        {
            using var answer = await hotmodel.Api.StreamAsync("tell me", session: $"cut{i}", maxTokens: 3000);
            await answer.BegunAsync();
            ProcessTree.Send(hotmodel.ModelChild.Pid, Signal.Kill);
            await EndsWithErrorAsync(hotmodel, answer, $"cut{i}");
            await AnswersAsync(hotmodel);
        }
        await IsWholeAsync(hotmodel, Times);
    }

    [Fact]
    public async Task Killed_router_ends_the_answer_with_an_error_and_is_started_again()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(Slow());
        for (var i = 0; i < Times; i++)
        {
            var router = hotmodel.Server.Pid;
            var model = hotmodel.ModelChild.Pid;
            using var answer = await hotmodel.Api.StreamAsync("tell me", session: $"cut{i}", maxTokens: 3000);
            await answer.BegunAsync();
            ProcessTree.Send(router, Signal.Kill);
            await EndsWithErrorAsync(hotmodel, answer, $"cut{i}");
            await AnswersAsync(hotmodel);
            Assert.NotEqual(router, hotmodel.Server.Pid);
            Assert.False(ProcessTree.IsAlive(model), "the killed router's model runs on");
        }
        await IsWholeAsync(hotmodel, Times);
    }

    [Fact]
    public async Task Killed_hotmodel_leaves_no_process_and_a_whole_store()
    {
        var setup = Slow();
        setup.Write();
        for (var i = 0; i < Times; i++)
        {
            var hotmodel = await HotModelProcess.StartAsync(setup);
            await AnswersAsync(hotmodel);
            using var answer = await hotmodel.Api.StreamAsync("tell me", session: $"cut{i}", maxTokens: 3000);
            await answer.BegunAsync();
            await hotmodel.KillAsync();
            await Until.True(() => ProcessTree.Marked(setup.Folder).Count == 0, LeftLimit, "nothing is left running");
            Assert.Equal("ok", Store.CheckIntegrity(setup.DatabaseFolder));
        }
        await using var last = await HotModelProcess.StartAsync(setup);
        await IsWholeAsync(last, Times);
    }

    [Fact]
    public async Task Killed_hotmodel_in_process_mode_leaves_no_process()
    {
        var hotmodel = await HotModelProcess.StartAsync(new Setup { ProcessMode = true });
        await AnswersAsync(hotmodel);
        await hotmodel.KillAsync();
        await Until.True(() => ProcessTree.Marked(hotmodel.Setup.Folder).Count == 0, LeftLimit, "nothing is left running");
        await hotmodel.DisposeAsync();
    }

    [Fact]
    public async Task Killed_model_in_process_mode_is_started_again()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { ProcessMode = true });
        var model = hotmodel.Server.Pid;
        ProcessTree.Send(model, Signal.Kill);
        await Until.True(() => !ProcessTree.IsAlive(model), LeftLimit);
        await AnswersAsync(hotmodel);
        Assert.NotEqual(model, hotmodel.Server.Pid);
    }

    [Fact]
    public async Task Requests_of_others_wait_until_the_killed_model_is_back()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(Slow());
        using var answer = await hotmodel.Api.StreamAsync("tell me", maxTokens: 3000);
        await answer.BegunAsync();
        ProcessTree.Send(hotmodel.ModelChild.Pid, Signal.Kill);
        // Some come while the death is not known yet: nothing of an answer was theirs, so nothing is lost by waiting.
        var replies = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => hotmodel.Api.ChatAsync($"hello {i}")));
        Assert.All(replies, r => Assert.True(r.Status == 200, r.Text));
    }

    private static Setup Slow() => new Setup { ActiveModel = "slow" }.Tiny("slow").Tiny("b");

    private static async Task EndsWithErrorAsync(HotModelProcess hotmodel, StreamedAnswer answer, string session)
    {
        await answer.EndedAsync();
        Assert.NotNull(answer.Error);
        Assert.NotNull((string?)answer.Error["message"]);
        Assert.Equal(404, (await hotmodel.Api.GetAsync($"admin/sessions/{session}")).Status);
    }

    private static async Task AnswersAsync(HotModelProcess hotmodel)
    {
        var reply = await hotmodel.Api.ChatAsync("hello", session: "steady", maxTokens: 4);
        Assert.True(reply.Status == 200, reply.Text + "\n" + hotmodel.Log);
    }

    /// <summary>The turns that were answered, all of them, each once.</summary>
    private static async Task IsWholeAsync(HotModelProcess hotmodel, int turns)
    {
        var steady = (await hotmodel.Api.GetAsync("admin/sessions/steady")).Json["history"]!.AsArray();
        Assert.Equal(Enumerable.Repeat<string[]>(["user", "assistant"], turns).SelectMany(r => r),
            steady.Select(m => (string?)m!["role"]));
        Assert.Equal("ok", Store.CheckIntegrity(hotmodel.Setup.DatabaseFolder));
    }
}
