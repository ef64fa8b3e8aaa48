using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests;

/// <summary>SIGSTOP: a llama-server that lives and does nothing any more. Everything about it ends within a bound.</summary>
public sealed class SuspendedServerTests
{
    private static readonly TimeSpan StateLimit = TimeSpan.FromSeconds(5);
    // Asking its slots takes 5 s, its end the stop-timeout of 1 s; the rest is for a busy machine.
    private const double ModelLimit = 20;
    // Asking its slots 5 s, unloading 5 s, the last of these questions 5 s; the rest is for a busy machine.
    private const double RouterLimit = 40;

    [Fact]
    public async Task Suspended_model_holds_its_answer_and_a_switch_away_until_it_is_forced()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(Setup());
        using var answer = await BeginAsync(hotmodel);
        Suspend(hotmodel.ModelChild.Pid);
        var state = await hotmodel.StateAsync().WaitAsync(StateLimit);
        Assert.Equal((1, "ready"), ((int)state["inflight_chats"]!, (string?)state["phase"]));

        var refused = await SwitchAsync(hotmodel, force: false);
        Assert.True(refused.Status == 409 && (string?)refused.Json["reason"] == "drain_timed_out", refused.Text);
        var waiting = hotmodel.Api.PostAsync("v1/chat/completions", With(Chats.Request("hello"), "b"));
        var forced = await SwitchAsync(hotmodel, force: true);
        Assert.True(forced.Status == 200 && (string?)forced.Json["active_model"] == "b", forced.Text);
        Assert.InRange((double)forced.Json["elapsed_seconds"]!, 1, ModelLimit);
        await answer.EndedAsync();
        Assert.Equal("answer_aborted", (string?)answer.Error?["code"]);
        Assert.Equal((200, "b"), ((await waiting).Status, (await waiting).Model));
        Assert.Equal("slow", (string?)(await hotmodel.Api.SwitchAsync("slow")).Json["active_model"]);
    }

    [Fact]
    public async Task Model_that_was_suspended_for_a_while_goes_on_with_its_answer()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(Setup());
        using var answer = await BeginAsync(hotmodel);
        var model = hotmodel.ModelChild.Pid;
        Suspend(model);
        var switching = hotmodel.Api.SwitchAsync("b");
        await Until.True(
            async () => (string?)(await hotmodel.StateAsync())["phase"] == "draining", StateLimit, "it drains");
        ProcessTree.Send(model, Signal.Continue);
        await answer.WholeAsync();
        Assert.Equal("b", (string?)(await switching).Json["active_model"]);
    }

    [Fact]
    public async Task Stop_ends_a_suspended_model()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(Setup());
        using var answer = await BeginAsync(hotmodel);
        Suspend(hotmodel.ModelChild.Pid);
        Assert.Equal(0, await hotmodel.StopAsync());
        await answer.EndedAsync();
        Assert.Equal("answer_aborted", (string?)answer.Error?["code"]);
    }

    [Fact]
    public async Task Suspended_router_holds_no_answer_and_is_replaced_by_a_switch()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(Setup());
        var router = hotmodel.Server.Pid;
        Suspend(router);
        Assert.Equal(200, (await hotmodel.Api.ChatAsync("hello")).Status);
        var report = await hotmodel.Api.SwitchAsync("b");
        Assert.True(report.Status == 200 && (string?)report.Json["active_model"] == "b", report.Text);
        Assert.InRange((double)report.Json["elapsed_seconds"]!, 0, RouterLimit);
        Assert.Equal("b", (await hotmodel.Api.ChatAsync("hello")).Model);
        Assert.NotEqual(router, hotmodel.Server.Pid);
        Assert.False(ProcessTree.IsAlive(router));
    }

    [Fact]
    public async Task Stop_ends_a_suspended_router()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(Setup());
        Suspend(hotmodel.Server.Pid);
        Assert.Equal(0, await hotmodel.StopAsync());
    }

    private static Setup Setup() => new Setup { ActiveModel = "slow", Server = "stop_timeout_seconds = 1" }
        .Tiny("slow", lines: "threads = 1\nextra_args = [\"--stop-timeout\", \"1\"]").Tiny("b");

    private static async Task<StreamedAnswer> BeginAsync(HotModelProcess hotmodel) =>
        await (await hotmodel.Api.StreamAsync("tell me", maxTokens: 600)).BegunAsync();

    private static void Suspend(int pid)
    {
        ProcessTree.Send(pid, Signal.Stop);
        SpinWait.SpinUntil(() => ProcessTree.IsStopped(pid));
    }

    private static Task<Reply> SwitchAsync(HotModelProcess hotmodel, bool force) => hotmodel.Api.PostAsync(
        "admin/switch", new JsonObject { ["model"] = "b", ["force"] = force, ["drain_timeout_seconds"] = 1 });

    private static JsonObject With(JsonObject request, string model)
    {
        request["model"] = model;
        return request;
    }
}
