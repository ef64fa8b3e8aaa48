using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests;

/// <summary>Clients that name a model and never call an admin route, with the real llama-server.</summary>
public sealed class SwitchByNameTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Named_model_answers_and_stays_the_active_one()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup().Tiny("a").Tiny("b"));
        var other = await hotmodel.Api.PostAsync("v1/chat/completions", For("b"));
        Assert.Equal((200, "b"), (other.Status, other.Model));
        Assert.Equal("b", (await hotmodel.Api.ChatAsync("again")).Model);
        Assert.Equal("b", (string?)(await hotmodel.StateAsync())["active_model"]);
    }

    [Fact]
    public async Task Conversation_moves_with_the_name()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup().Tiny("a").Tiny("b"));
        foreach (var model in (string[])["a", "b", "a"])
        {
            var answer = await hotmodel.Api.PostAsync("v1/chat/completions", For(model), session: "talk");
            Assert.Equal((200, model), (answer.Status, answer.Model));
        }
        var history = (await hotmodel.Api.GetAsync("admin/sessions/talk")).Json["history"]!.AsArray();
        Assert.Equal(6, history.Count);
    }

    [Theory]
    [InlineData("v1/completions", """{"model":"b","prompt":"x","max_tokens":2}""")]
    [InlineData("v1/responses", """{"model":"b","input":"x","max_output_tokens":2}""")]
    [InlineData("v1/messages", """{"model":"b","max_tokens":2,"messages":[{"role":"user","content":"x"}]}""")]
    [InlineData("tokenize", """{"model":"b","content":"x"}""")]
    public async Task Other_routes_obey_the_name_too(string route, string body)
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup().Tiny("a").Tiny("b"));
        var answer = await hotmodel.Api.PostTextAsync(route, body);
        Assert.Equal((200, "b"), (answer.Status, answer.Model));
    }

    [Fact]
    public async Task Look_at_a_model_that_is_not_loaded_switches_nothing()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup().Tiny("a").Tiny("b"));
        var look = await hotmodel.Api.GetAsync("slots?model=b");
        Assert.Equal((409, "other_model_active"), (look.Status, (string?)look.Json["error"]!["code"]));
        Assert.Equal(200, (await hotmodel.Api.GetAsync("slots?model=a")).Status);
        Assert.Equal("a", (string?)(await hotmodel.StateAsync())["active_model"]);
    }

    [Fact]
    public async Task Client_that_keeps_one_model_busy_does_not_keep_others_from_theirs()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(
            new Setup { Server = "queue_max_wait_seconds = 3", Router = "parallel = 4" }.Tiny("a").Tiny("b"));
        using var done = new CancellationTokenSource();
        var busy = Enumerable.Range(0, 2).Select(_ => AskOnAsync(hotmodel.Api, "a", done.Token)).ToArray();
        for (var i = 0; i < 3; i++)
        {
            var answer = await hotmodel.Api.PostAsync("v1/chat/completions", For("b")).WaitAsync(Limit);
            Assert.Equal((200, "b"), (answer.Status, answer.Model));
        }
        await done.CancelAsync();
        Assert.All(await Task.WhenAll(busy), answers => Assert.True(answers > 1, "who keeps a model busy is starved"));
    }

    [Fact]
    public async Task Unused_model_is_unloaded_and_its_conversation_goes_on_later()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { Snapshots = "min_tokens = 1" }
            .Tiny("a", lines: "idle_unload_seconds = 0.5").Tiny("b"));
        await hotmodel.Api.ChatAsync("a question", session: "talk");
        await Until.True(async () => (string?)(await hotmodel.StateAsync())["phase"] == "idle", Limit);
        Assert.Equal("a", (string?)(await hotmodel.StateAsync())["active_model"]);
        var again = await hotmodel.Api.ChatAsync("and then?", session: "talk");
        Assert.Equal((200, "a"), (again.Status, again.Model));
        Assert.True((int?)again.Json["timings"]!["cache_n"] > 0, "what it had evaluated was kept");
    }

    [Fact]
    public async Task Clients_that_leave_at_any_moment_leave_nothing_behind()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(
            new Setup { Server = "queue_max_wait_seconds = 2", Router = "parallel = 4" }.Tiny("a").Tiny("b").Tiny("c"));
        var random = new Random(5);
        var plans = Enumerable.Range(0, 20).Select(i => (Model: "abc"[i % 3].ToString(), Milliseconds: random.Next(1, 6000)));
        await Task.WhenAll(plans.Select(plan => BeginAndLeaveAsync(hotmodel.Api, plan.Model, plan.Milliseconds)));
        await Until.True(async () =>
        {
            var state = await hotmodel.StateAsync();
            return (int?)state["inflight_chats"] == 0 && (int?)state["waiting_chats"] == 0 && (bool?)state["switching"] == false;
        }, Limit);
        await Slots.IdleAsync(hotmodel);
        foreach (var model in (string[])["a", "b", "c"])
            Assert.Equal(model, (await hotmodel.Api.PostAsync("v1/chat/completions", For(model))).Model);
    }

    private static JsonObject For(string model, int maxTokens = 4)
    {
        var body = Chats.Request("a question", maxTokens);
        body["model"] = model;
        return body;
    }

    private static async Task<int> AskOnAsync(Api api, string model, CancellationToken done)
    {
        var answers = 0;
        for (; !done.IsCancellationRequested; answers++)
        {
            var answer = await api.PostAsync("v1/chat/completions", For(model, maxTokens: 50));
            Assert.Equal((200, model), (answer.Status, answer.Model));
        }
        return answers;
    }

    /// <summary>Leaves an answer without an end after that time, wherever it stands then: waiting, or streaming.</summary>
    private static async Task BeginAndLeaveAsync(Api api, string model, int milliseconds)
    {
        using var leaving = new CancellationTokenSource(milliseconds);
        var body = For(model, Slots.EndlessTokens);
        body["stream"] = true;
        body["ignore_eos"] = true;
        try
        {
            using var answer = await api.BeginAsync("v1/chat/completions", body.ToJsonString(), leaving.Token);
            await Task.Delay(Timeout.Infinite, leaving.Token);
        }
        catch (OperationCanceledException) when (leaving.IsCancellationRequested)
        {
            // As meant.
        }
    }
}
