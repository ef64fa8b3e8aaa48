namespace HotModel.FunctionalTests;

/// <summary>A target that does not load: the old model answers again, and the report says why.</summary>
public sealed class LoadFailureTests
{
    private const double Bound = 10;

    [Fact]
    public async Task Missing_file_is_refused_before_anything_is_unloaded_and_with_force_rolls_back()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup().Tiny("a").Model("b"));
        await RefusedThenRolledBackAsync(hotmodel, "b.gguf does not exist", "missing_file", "b.gguf");
        // It is there now.
        File.Copy(TinyModels.File("b"), hotmodel.Setup.ModelPath("b"));
        Assert.Equal(200, (await hotmodel.Api.SwitchAsync("b")).Status);
    }

    [Fact]
    public async Task Corrupt_file_rolls_back_and_says_so()
    {
        var setup = new Setup().Tiny("a").Model("b");
        setup.Write();
        var whole = await File.ReadAllBytesAsync(TinyModels.File("b"));
        await File.WriteAllBytesAsync(setup.ModelPath("b"), whole[..(whole.Length / 2)]);
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        await FailsAsync(hotmodel, "corrupt_file", "b");
    }

    [Fact]
    public async Task File_that_is_no_model_is_refused_before_anything_is_unloaded_and_with_force_rolls_back()
    {
        var setup = new Setup().Tiny("a").Model("b");
        setup.Write();
        await File.WriteAllTextAsync(setup.ModelPath("b"), new string('x', 100_000));
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        await RefusedThenRolledBackAsync(hotmodel, "b.gguf does not begin with GGUF", "corrupt_file", "b");
    }

    [Fact]
    public async Task Unknown_flag_rolls_back_and_names_it()
    {
        var setup = new Setup().Tiny("a").Tiny("b", lines: "extra_args = [\"--no-such-flag\"]");
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        await FailsAsync(hotmodel, "unknown_flag", "no-such-flag");
    }

    [Fact]
    public async Task Options_that_do_not_go_together_roll_back_and_the_report_says_which()
    {
        var setup = new Setup().Tiny("a").Tiny("b", lines: "extra_args = [\"--cache-type-v\", \"q8_0\", \"--flash-attn\", \"off\"]");
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        // Without force it is refused, because it is known not to load.
        await RolledBackAsync(
            hotmodel, await hotmodel.Api.SwitchAsync("b", force: true), ["exited"], "V cache requires flash_attn");
    }

    [Fact]
    public async Task Unknown_flag_in_process_mode_rolls_back_and_names_it()
    {
        var setup = new Setup { ProcessMode = true };
        setup.Tiny("a").Tiny("b", lines: "extra_args = [\"--no-such-flag\"]");
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        await FailsAsync(hotmodel, "unknown_flag", "no-such-flag");
    }

    [Fact]
    public async Task Model_process_killed_while_loading_rolls_back()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup().Tiny("a").Tiny("b", "slow"));
        var router = hotmodel.Server.Pid;
        var old = hotmodel.ModelChild.Pid;
        var switching = hotmodel.Api.SwitchAsync("b");
        // The new process is killed within the milliseconds that it needs to read its model.
        await Task.Run(() =>
        {
            while (!switching.IsCompleted)
            {
                foreach (var child in ProcessTree.Descendants(router).Where(c => c.Pid != old))
                {
                    ProcessTree.Send(child.Pid, Signal.Kill);
                    return;
                }
            }
        });
        await RolledBackAsync(hotmodel, await switching, ["killed", "exited"], null);
    }

    [Fact]
    public async Task Load_that_hangs_rolls_back_at_its_time_limit()
    {
        var setup = new Setup { FakeFaults = "load-hangs@b", Server = "load_timeout_seconds = 1" };
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        var report = await FailsAsync(hotmodel, "timed_out", "load_timeout_seconds");
        Assert.InRange((double)report.Json["elapsed_seconds"]!, 1, 6);
    }

    [Fact]
    public async Task Load_that_hangs_in_process_mode_rolls_back_at_its_time_limit()
    {
        var setup = new Setup { ProcessMode = true, FakeFaults = "load-hangs@b", Server = "load_timeout_seconds = 1" };
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        var report = await FailsAsync(hotmodel, "timed_out", "load_timeout_seconds");
        Assert.InRange((double)report.Json["elapsed_seconds"]!, 1, 8);
    }

    [Fact]
    public async Task Model_too_large_for_the_device_rolls_back_and_says_so()
    {
        const string Cause = "0.01.2 E ggml_backend_cuda_buffer_type_alloc_buffer: allocating 48128.00 MiB on device 0: "
            + "cudaMalloc failed: out of memory";
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { FakeFaults = $"load-fails={Cause}@b" });
        await FailsAsync(hotmodel, "out_of_memory", "memory");
    }

    [Fact]
    public async Task Model_process_that_dies_while_loading_rolls_back()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { FakeFaults = "dies-while-loading@b" });
        await FailsAsync(hotmodel, null, null);
    }

    [Fact]
    public async Task Router_that_dies_while_loading_rolls_back()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(
            new Setup { FakeFaults = "router-dies-while-loading@b" });
        await FailsAsync(hotmodel, null, null);
    }

    [Fact]
    public async Task First_model_that_does_not_load_leaves_the_server_up_and_a_switch_possible()
    {
        await using var hotmodel = await HotModelProcess.StartWithoutModelAsync(
            new Setup { ActiveModel = "a" }.Model("a").Tiny("b"));
        await Until.True(
            async () => (string?)(await hotmodel.StateAsync())["last_error"] is not null, TimeSpan.FromSeconds(10));
        var refused = await hotmodel.Api.ChatAsync("hello");
        Assert.Equal(503, refused.Status);
        Assert.Contains("a.gguf", refused.Text, StringComparison.Ordinal);
        Assert.Equal(200, (await hotmodel.Api.SwitchAsync("b")).Status);
        Assert.Equal("b", (await hotmodel.Api.ChatAsync("hello")).Model);
    }

    [Fact]
    public async Task Request_that_waits_through_a_rollback_is_answered_by_the_old_model()
    {
        var setup = new Setup { FakeFaults = "load-hangs@b", Server = "load_timeout_seconds = 1" };
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        var switching = hotmodel.Api.SwitchAsync("b");
        await Until.True(
            async () => (string?)(await hotmodel.StateAsync())["phase"] == "loading", TimeSpan.FromSeconds(5));
        var reply = await hotmodel.Api.ChatAsync("hello");
        Assert.Equal((200, "a"), (reply.Status, reply.Model));
        await switching;
    }

    private static async Task RefusedThenRolledBackAsync(
        HotModelProcess hotmodel, string inRefusal, string reason, string inError)
    {
        var child = hotmodel.ModelChild.Pid;
        var refused = await hotmodel.Api.SwitchAsync("b");
        Assert.Equal((409, "does_not_fit"), (refused.Status, (string?)refused.Json["error"]!["code"]));
        Assert.Contains(inRefusal, refused.Text, StringComparison.Ordinal);
        Assert.Equal(child, hotmodel.ModelChild.Pid);
        await RolledBackAsync(hotmodel, await hotmodel.Api.SwitchAsync("b", force: true), [reason], inError);
    }

    private static async Task<Reply> FailsAsync(HotModelProcess hotmodel, string? reason, string? inError) =>
        await RolledBackAsync(hotmodel, await hotmodel.Api.SwitchAsync("b"), reason is null ? null : [reason], inError);

    private static async Task<Reply> RolledBackAsync(
        HotModelProcess hotmodel, Reply reply, string[]? reasons, string? inError)
    {
        var report = reply.Json;
        Assert.True(reply.Status >= 400, reply.Text);
        Assert.Equal(("a", "a"), ((string?)report["active_model"], (string?)report["rolled_back_to"]));
        Assert.NotNull((string?)report["error"]);
        Assert.NotNull(report["log_tail"]);
        if (reasons is not null)
            Assert.Contains((string?)report["reason"], reasons);
        if (inError is not null)
            Assert.Contains(inError, (string?)report["error"], StringComparison.OrdinalIgnoreCase);
        Assert.InRange((double)report["elapsed_seconds"]!, 0, Bound);
        var chat = await hotmodel.Api.ChatAsync("hello");
        Assert.Equal((200, "a"), (chat.Status, chat.Model));
        return reply;
    }
}
