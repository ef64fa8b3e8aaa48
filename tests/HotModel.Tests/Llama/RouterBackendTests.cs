using System.Diagnostics;
using HotModel.Configuration;
using HotModel.Llama;

namespace HotModel.Tests.Llama;

[Trait("needs", "llama-server")]
public class RouterBackendTests
{
    private const int SigStop = 19;

    [Fact]
    public async Task Load_model_answers_and_has_one_child()
    {
        await using var scene = new BackendScene();

        var upstream = await scene.LoadedAsync("a");

        Assert.Contains("\"choices\"", await BackendScene.AskAsync(upstream));
        Assert.Equal("a", upstream.Model);
        Assert.Equal(2, scene.Router.ProcessIds.Count);
        Assert.True(scene.Router.IsRunning);
    }

    [Fact]
    public async Task Load_reports_progress_on_a_second_load()
    {
        await using var scene = new BackendScene();
        await scene.LoadedAsync("a");
        await scene.UnloadAsync("a");
        var stages = new List<LoadProgress>();

        await scene.LoadAsync("b", 2, step =>
        {
            lock (stages)
                stages.Add(step);
        });

        Assert.Contains(stages, step => step.Stage == "text_model");
    }

    [Fact]
    public async Task Unload_leaves_no_model_process()
    {
        await using var scene = new BackendScene();
        await scene.LoadedAsync("a");
        var child = scene.Router.ProcessIds[1];

        await scene.UnloadAsync("a");

        Assert.True(ProcessTree.Read(child) is not { IsLive: true });
        Assert.Single(scene.Router.ProcessIds);
        Assert.Empty(scene.Losses);
    }

    [Fact]
    public async Task Load_while_another_is_loaded_unloads_that_one_first()
    {
        await using var scene = new BackendScene();
        await scene.LoadedAsync("a", 1);

        var upstream = await scene.LoadedAsync("b", 2);

        Assert.Equal(2, scene.Router.ProcessIds.Count);
        Assert.Contains("\"choices\"", await BackendScene.AskAsync(upstream));
        Assert.Empty(scene.Losses);
    }

    [Fact]
    public async Task Unload_while_a_stream_was_just_closed_is_quick()
    {
        await using var scene = new BackendScene();
        var upstream = await scene.LoadedAsync("a");
        using (var response = await BackendScene.PostAsync(upstream, 400, stream: true))
        {
            var stream = await response.Content.ReadAsStreamAsync();
            Assert.True(await stream.ReadAsync(new byte[64]) > 0);
        }
        var began = Stopwatch.GetTimestamp();

        await scene.UnloadAsync("a");

        // The stop-timeout, after which a lingering child would be killed, is 20 s here.
        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalSeconds, 0, 5);
    }

    [Fact]
    public async Task Unload_of_a_stuck_model_ends_by_force()
    {
        var preset = BackendScene.TwoModels().Replace("stop-timeout = 20", "stop-timeout = 1");
        await using var scene = new BackendScene(preset);
        await scene.LoadedAsync("a");
        var child = scene.Router.ProcessIds[1];
        _ = Libc.kill(child, SigStop);

        await scene.UnloadAsync("a");

        Assert.True(ProcessTree.Read(child) is not { IsLive: true });
        await scene.LoadedAsync("b", 2);
    }

    [Fact]
    public async Task Child_killed_raises_model_lost_once_and_loads_again()
    {
        await using var scene = new BackendScene();
        await scene.LoadedAsync("a", 7);
        var lost = scene.LostAsync(7);

        KillOnly(scene.Router.ProcessIds[1]);

        Assert.Equal(LoadFailureReason.Killed, (await lost).Failure.Reason);
        await scene.LoadedAsync("a", 8);
        Assert.Equal([7], scene.Losses.Select(loss => loss.Instance));
    }

    [Fact]
    public async Task Router_killed_raises_model_lost_and_next_load_starts_it_again()
    {
        await using var scene = new BackendScene();
        await scene.LoadedAsync("a", 7);
        var (router, child) = (scene.Router.ProcessIds[0], scene.Router.ProcessIds[1]);
        var lost = scene.LostAsync(7);

        KillOnly(router);

        Assert.Equal(LoadFailureReason.Killed, (await lost).Failure.Reason);
        Assert.False(scene.Router.IsRunning);
        await scene.LoadedAsync("a", 8);
        Assert.True(ProcessTree.Read(child) is not { IsLive: true });
        Assert.Single(scene.Losses);
    }

    [Fact]
    public async Task Router_killed_on_a_fixed_port_starts_again_on_it()
    {
        var port = TestPorts.Next();
        await using var scene = new BackendScene(port: port);
        await scene.LoadedAsync("a", 7);
        var lost = scene.LostAsync(7);
        KillOnly(scene.Router.ProcessIds[0]);
        await lost;

        var upstream = await scene.LoadedAsync("a", 8);

        Assert.False(RouterLaunch.IsPortFree("127.0.0.1", port));
        // Requests go to the model's own port.
        Assert.NotEqual(port, upstream.BaseAddress.Port);
    }

    [Fact]
    public async Task Cancelled_load_is_cleared_by_unload()
    {
        await using var scene = new BackendScene();
        await scene.LoadedAsync("a", 1);
        await scene.UnloadAsync("a");
        using var cancel = new CancellationTokenSource();
        var load = scene.Router.LoadAsync(LlamaServer.Model("b"), 2, _ => cancel.Cancel(), cancel.Token);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => load);

        await scene.UnloadAsync("b");

        Assert.Single(scene.Router.ProcessIds);
        Assert.Empty(scene.Losses);
        await scene.LoadedAsync("a", 3);
    }

    [Fact]
    public async Task Stop_with_grace_leaves_nothing()
    {
        await using var scene = new BackendScene();
        await scene.LoadedAsync("a");
        var pids = scene.Router.ProcessIds;

        await scene.Router.StopAsync(TimeSpan.FromSeconds(10));

        Assert.False(scene.Router.IsRunning);
        Assert.All(pids, pid => Assert.True(ProcessTree.Read(pid) is not { IsLive: true }));
        Assert.Empty(scene.Losses);
    }

    [Fact]
    public async Task Stop_without_grace_kills_at_once()
    {
        await using var scene = new BackendScene();
        await scene.LoadedAsync("a");
        var pids = scene.Router.ProcessIds;

        await scene.Router.StopAsync(TimeSpan.Zero);

        Assert.Equal(pids.Count, pids.Count(pid => ProcessTree.Read(pid) is not { IsLive: true }));
        await scene.LoadedAsync("a", 2);
    }

    [Fact]
    public async Task Load_unknown_model_says_where_it_must_be()
    {
        await using var scene = new BackendScene();

        var result = await scene.LoadAsync("nope");

        Assert.Contains("no model 'nope'", result.Failure!.Error);
    }

    [Fact]
    public async Task Load_missing_binary_is_a_failure()
    {
        await using var scene = new BackendScene(binary: "/nowhere/llama-server");

        var result = await scene.LoadAsync("a");

        Assert.Equal(LoadFailureReason.BinaryMissing, result.Failure!.Reason);
        Assert.Contains("/nowhere/llama-server", result.Failure.Error);
    }

    [Fact]
    public async Task Load_with_a_preset_file_that_cannot_be_written_is_a_failure_until_it_can()
    {
        await using var scene = new BackendScene { DiskError = new IOException("No space left on device") };
        var result = await scene.LoadAsync("a");
        Assert.Contains("preset file cannot be written: No space left on device", result.Failure!.Error);
        Assert.Equal(LoadFailureReason.Unknown, result.Failure.Reason);
        scene.DiskError = null;
        await scene.LoadedAsync("a", 2);
    }

    [Fact]
    public async Task Load_port_in_use_is_a_failure_even_if_a_llama_server_answers_there()
    {
        await using var other = new BackendScene(port: TestPorts.Next());
        var upstream = await other.LoadedAsync("a");
        await using var scene = new BackendScene(port: upstream.BaseAddress.Port);

        var result = await scene.LoadAsync("a");

        Assert.Equal(LoadFailureReason.PortInUse, result.Failure!.Reason);
        Assert.Contains("\"choices\"", await BackendScene.AskAsync(upstream));
    }

    [Fact]
    public async Task Load_unknown_router_flag_names_it()
    {
        await using var scene = new BackendScene(extra: "--frobnicate");

        var result = await scene.LoadAsync("a");

        Assert.Equal(LoadFailureReason.UnknownFlag, result.Failure!.Reason);
        Assert.Contains("--frobnicate", result.Failure.Error);
    }

    [Fact]
    public async Task Bad_files_are_named_and_the_good_model_still_loads()
    {
        await using var scene = new BackendScene();
        var whole = await File.ReadAllBytesAsync(LlamaServer.ModelA);
        var truncated = scene.CreateFile("truncated.gguf", whole[..(whole.Length / 2)]);
        var wrong = scene.CreateFile("wrong.gguf", "this is not a model at all, whatever it is called"u8.ToArray());
        await File.AppendAllTextAsync(scene.Preset, $"""
            [missing]
            model = {scene.Folder}/none.gguf
            [truncated]
            model = {truncated}
            [wrong]
            model = {wrong}
            [badvalue]
            model = {LlamaServer.ModelA}
            split-mode = sideways

            """);

        async Task<LoadFailure> FailureOf(string id, string path) =>
            (await scene.Router.LoadAsync(LlamaServer.Model(id, path), 1, _ => { }, BackendScene.Soon)).Failure!;

        var failure = await FailureOf("missing", scene.Folder + "/none.gguf");
        Assert.Equal(LoadFailureReason.MissingFile, failure.Reason);
        Assert.Contains("none.gguf", failure.Error);
        Assert.NotEmpty(failure.LogTail);

        failure = await FailureOf("truncated", truncated);
        Assert.Equal(LoadFailureReason.CorruptFile, failure.Reason);
        Assert.Contains("truncated.gguf", failure.Error);
        Assert.DoesNotContain(failure.LogTail, line => line.Contains("none.gguf"));

        failure = await FailureOf("wrong", wrong);
        Assert.Equal(LoadFailureReason.CorruptFile, failure.Reason);
        Assert.Contains("not a GGUF", failure.Error);

        failure = await FailureOf("badvalue", LlamaServer.ModelA);
        Assert.Equal(LoadFailureReason.UnknownFlag, failure.Reason);
        Assert.Contains("--split-mode", failure.Error);

        await scene.LoadedAsync("a", 9);
        Assert.Empty(scene.Losses);
    }

    [Fact]
    public async Task Preset_section_with_an_unknown_key_fails_alone_until_it_is_mended()
    {
        await using var scene = new BackendScene(BackendScene.TwoModels().Replace("[b]", "[b]\nfrobnicate = 3"));
        await scene.LoadedAsync("a", 1);

        var failed = await scene.LoadAsync("b", 2);
        File.WriteAllText(scene.Preset, BackendScene.TwoModels());
        var mended = await scene.LoadAsync("b", 3);

        Assert.Equal(LoadFailureReason.UnknownFlag, failed.Failure!.Reason);
        Assert.Contains("'frobnicate'", failed.Failure.Error);
        Assert.NotNull(mended.Upstream);
    }

    [Fact]
    public async Task Keys_never_reach_the_log_or_the_command_line()
    {
        await using var scene = new BackendScene();
        var upstream = await scene.LoadedAsync("a");

        foreach (var pid in scene.Router.ProcessIds)
            Assert.DoesNotContain(upstream.ApiKey!, File.ReadAllText($"/proc/{pid}/cmdline"));
        Assert.DoesNotContain(scene.LlamaLog.Tail(200), line => line.Contains(upstream.ApiKey!));
    }

    [Fact]
    public async Task Twenty_switches_never_show_two_models()
    {
        await using var scene = new BackendScene();
        await scene.LoadedAsync("a", 0);
        for (var i = 1; i <= 20; i++)
        {
            var (old, next) = i % 2 == 1 ? ("a", "b") : ("b", "a");
            await scene.UnloadAsync(old);
            Assert.Single(scene.Router.ProcessIds);
            await scene.LoadedAsync(next, i);
            Assert.Equal(2, scene.Router.ProcessIds.Count);
        }
        Assert.Empty(scene.Losses);
    }

    private static void KillOnly(int pid) => Libc.kill(pid, Libc.SIGKILL);
}
