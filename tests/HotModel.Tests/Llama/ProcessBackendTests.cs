using HotModel.Llama;

namespace HotModel.Tests.Llama;

[Trait("needs", "llama-server")]
public class ProcessBackendTests
{
    [Fact]
    public async Task Load_switch_and_unload_leave_one_process_and_then_none()
    {
        await using var scene = new BackendScene();
        var a = LlamaServer.Model("a", null, TestPorts.Next());
        var b = LlamaServer.Model("b", LlamaServer.ModelB, TestPorts.Next());

        var first = await scene.Process.LoadAsync(a, 1, _ => { }, BackendScene.Soon);
        Assert.Contains("\"choices\"", await BackendScene.AskAsync(first.Upstream!));
        var second = await scene.Process.LoadAsync(b, 2, _ => { }, BackendScene.Soon);
        Assert.Contains("\"choices\"", await BackendScene.AskAsync(second.Upstream!));
        Assert.Single(scene.Process.ProcessIds);
        await scene.Process.UnloadAsync(b, BackendScene.Soon);

        Assert.False(scene.Process.IsRunning);
        Assert.Empty(scene.Process.ProcessIds);
        Assert.Empty(scene.Losses);
    }

    [Fact]
    public async Task Load_needs_the_key_to_answer()
    {
        await using var scene = new BackendScene();

        var model = LlamaServer.Model("a", null, TestPorts.Next());

        var result = await scene.Process.LoadAsync(model, 1, _ => { }, BackendScene.Soon);

        var reply = await BackendScene.AskAsync(result.Upstream! with { ApiKey = "wrong" });
        Assert.Contains("Invalid API Key", reply);
    }

    [Fact]
    public async Task Load_missing_file_is_named()
    {
        await using var scene = new BackendScene();

        var result = await scene.Process.LoadAsync(
            LlamaServer.Model("a", "/nowhere/x.gguf", TestPorts.Next()), 1, _ => { }, BackendScene.Soon);

        Assert.Equal(LoadFailureReason.MissingFile, result.Failure!.Reason);
        Assert.Contains("/nowhere/x.gguf", result.Failure.Error);
    }

    [Fact]
    public async Task Load_unknown_flag_is_named()
    {
        await using var scene = new BackendScene();
        var model = LlamaServer.Model("a", null, TestPorts.Next()) with { ExtraArgs = ["--frobnicate"] };

        var result = await scene.Process.LoadAsync(model, 1, _ => { }, BackendScene.Soon);

        Assert.Equal(LoadFailureReason.UnknownFlag, result.Failure!.Reason);
    }

    [Fact]
    public async Task Process_killed_raises_model_lost_once()
    {
        await using var scene = new BackendScene();
        await scene.Process.LoadAsync(LlamaServer.Model("a", null, TestPorts.Next()), 5, _ => { }, BackendScene.Soon);
        var lost = scene.LostAsync(5);

        _ = Libc.kill(scene.Process.ProcessIds[0], Libc.SIGKILL);

        Assert.Equal(LoadFailureReason.Killed, (await lost).Failure.Reason);
        await scene.Process.UnloadAsync(LlamaServer.Model("a"), BackendScene.Soon);
        Assert.Single(scene.Losses);
    }

    [Fact]
    public async Task Load_port_in_use_is_a_failure()
    {
        await using var scene = new BackendScene();
        await using var other = new BackendScene();
        var model = LlamaServer.Model("a", null, TestPorts.Next());
        await other.Process.LoadAsync(model, 1, _ => { }, BackendScene.Soon);

        var result = await scene.Process.LoadAsync(model, 1, _ => { }, BackendScene.Soon);

        Assert.Equal(LoadFailureReason.PortInUse, result.Failure!.Reason);
    }
}
