namespace HotModel.FunctionalTests;

/// <summary>The kernel kills a model for want of memory.</summary>
public sealed class OutOfMemoryTests
{
    // Its cache takes some 500 MB: a million tokens, three layers.
    private const string Large = "extra_args = [\"--ctx-size\", \"1000000\"]";

    [Fact]
    public async Task Model_that_the_kernel_kills_while_it_loads_is_rolled_back_and_said_to_lack_memory()
    {
        await using var group = await MemoryGroup.CreateAsync();
        await using var hotmodel = await HotModelProcess.StartAsync(
            new Setup { Router = "cache_type_k = \"f16\"\ncache_type_v = \"f16\"" }.Tiny("a").Tiny("c", lines: Large));
        await group.TakeAsync(hotmodel.Server.Pid);
        await group.LimitAsync(150);

        var report = await hotmodel.Api.SwitchAsync("c");
        Assert.True(report.Status == 502, report.Text);
        Assert.Equal(("killed", "a"), ((string?)report.Json["reason"], (string?)report.Json["rolled_back_to"]));
        Assert.Contains("lack of memory", (string?)report.Json["error"], StringComparison.Ordinal);
        Assert.Equal(1, await group.KillsAsync());
        var chat = await hotmodel.Api.ChatAsync("hello");
        Assert.Equal((200, "a"), (chat.Status, chat.Model));

        await group.LimitAsync(2000);
        Assert.Equal(200, (await hotmodel.Api.SwitchAsync("c")).Status);
        Assert.Equal("c", (await hotmodel.Api.ChatAsync("hello")).Model);
    }

    [Fact]
    public async Task Model_that_gets_no_memory_is_rolled_back_and_said_to_lack_it()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(
            new Setup { ServerLimit = "-v 2000000" }.Tiny("a").Tiny("c", lines: Large.Replace("1000000", "20000000", StringComparison.Ordinal)));
        var report = await hotmodel.Api.SwitchAsync("c", force: true);
        Assert.True(report.Status == 502, report.Text);
        Assert.Equal(("out_of_memory", "a"), ((string?)report.Json["reason"], (string?)report.Json["rolled_back_to"]));
        Assert.Equal("a", (await hotmodel.Api.ChatAsync("hello")).Model);
    }
}
