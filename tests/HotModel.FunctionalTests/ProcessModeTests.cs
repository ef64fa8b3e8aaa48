namespace HotModel.FunctionalTests;

/// <summary>One llama-server process for each model, for servers without a router.</summary>
public sealed class ProcessModeTests
{
    [Fact]
    public async Task Conversation_goes_on_under_another_process()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { ProcessMode = true });
        var first = hotmodel.Server.Pid;
        await hotmodel.Api.ChatAsync("one", session: "s");
        var report = await hotmodel.Api.SwitchAsync("b");
        Assert.Equal((200, "b"), (report.Status, (string?)report.Json["active_model"]));
        Assert.False(ProcessTree.IsAlive(first));
        using var answer = await hotmodel.Api.StreamAsync("two", session: "s");
        await answer.WholeAsync();
        Assert.Equal("b", answer.Model);
        var session = (await hotmodel.Api.GetAsync("admin/sessions/s")).Json;
        Assert.Equal(["a", "b"], session["models"]!.AsArray().Select(m => (string?)m));
        Assert.Equal(4, session["history"]!.AsArray().Count);
    }

    [Fact]
    public async Task Missing_binary_is_named_and_leaves_the_server_up()
    {
        var setup = new Setup { ProcessMode = true }.Tiny("a").Tiny("b", lines: "binary = \"/nowhere/llama-server\"");
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        var reply = await hotmodel.Api.SwitchAsync("b");
        Assert.Equal(("a", "binary_missing"), ((string?)reply.Json["active_model"], (string?)reply.Json["reason"]));
        Assert.Contains("/nowhere/llama-server", (string?)reply.Json["error"], StringComparison.Ordinal);
        Assert.Equal("a", (await hotmodel.Api.ChatAsync("hello")).Model);
    }
}
