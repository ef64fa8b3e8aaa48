using System.Globalization;
using HotModel.Llama;
using Microsoft.Extensions.Logging.Abstractions;

namespace HotModel.Tests.Llama;

/// <summary>Processes that SIGKILL does not end, as one that hangs in the kernel.</summary>
[Trait("needs", "llama-server")]
public class UnendableTests
{
    private const int SigStop = 19;

    [Fact]
    public async Task Router_that_stays_lets_stop_return_and_fails_loads_until_it_is_gone()
    {
        await using var scene = new BackendScene();
        await scene.LoadedAsync("a");
        var pids = scene.Router.ProcessIds;
        scene.Time.MakeHaste();
        scene.KillsAreLost = true;

        await scene.Router.StopAsync(TimeSpan.Zero);
        var failed = await scene.LoadAsync("b", 2);

        AssertNames(failed, pids[0]);
        Assert.Equal(pids, scene.Router.ProcessIds);
        await AssertLoadsOnceGoneAsync(scene, pids);
    }

    [Fact]
    public async Task Router_that_stays_lets_unload_return_and_fails_loads_until_it_is_gone()
    {
        await using var scene = new BackendScene();
        await scene.LoadedAsync("a");
        var pids = scene.Router.ProcessIds;
        _ = Libc.kill(pids[0], SigStop);
        scene.Time.MakeHaste();
        scene.KillsAreLost = true;

        await scene.UnloadAsync("a");
        var failed = await scene.LoadAsync("b", 2);

        AssertNames(failed, pids[1]);
        await AssertLoadsOnceGoneAsync(scene, pids);
    }

    [Fact]
    public async Task Process_that_stays_lets_unload_return_and_fails_loads_until_it_is_gone()
    {
        await using var scene = new BackendScene();
        var a = LlamaServer.Model("a", null, TestPorts.Next());
        var b = LlamaServer.Model("b", LlamaServer.ModelB, TestPorts.Next());
        await scene.Process.LoadAsync(a, 1, _ => { }, BackendScene.Soon);
        var pid = Assert.Single(scene.Process.ProcessIds);
        scene.Time.MakeHaste();
        scene.KillsAreLost = true;

        await scene.Process.UnloadAsync(a, BackendScene.Soon);
        var failed = await scene.Process.LoadAsync(b, 2, _ => { }, BackendScene.Soon);

        AssertNames(failed, pid);
        scene.KillsAreLost = false;
        _ = Libc.kill(pid, Libc.SIGKILL);
        await Eventually.TrueAsync(() => scene.Process.ProcessIds.Count == 0, TimeSpan.FromSeconds(10));
        Assert.NotNull((await scene.Process.LoadAsync(b, 3, _ => { }, BackendScene.Soon)).Upstream);
    }

    [Fact]
    public async Task Group_members_of_a_dead_child_count_until_they_are_gone()
    {
        await using var log = new ChildLog(null);
        using var launcher = new Launcher(SelfHosting.Self, log, null, NullLogger.Instance) { Kill = (_, _) => 0 };
        var clock = new HasteClock();
        clock.MakeHaste();
        string[] script = ["-c", "sleep 1000 & exit 3"];
        var (child, _) = await launcher.StartAsync("sh", script, new Dictionary<string, string>());

        Assert.Equal(3, await child!.Exited);
        Assert.False(await launcher.EndAsync(child, clock));
        var left = Assert.Single(launcher.Pids);
        Assert.Contains(left.ToString(CultureInfo.InvariantCulture), launcher.Unended()!.Error);

        _ = Libc.kill(left, Libc.SIGKILL);
        Assert.True(await launcher.EndAsync(child, TimeProvider.System));
        Assert.Null(launcher.Unended());
    }

    private static void AssertNames(LoadResult result, int pid)
    {
        Assert.Equal(LoadFailureReason.Killed, result.Failure!.Reason);
        Assert.Contains(pid.ToString(CultureInfo.InvariantCulture), result.Failure.Error);
        Assert.Contains("cannot be ended", result.Failure.Error);
    }

    private static async Task AssertLoadsOnceGoneAsync(BackendScene scene, IReadOnlyList<int> pids)
    {
        scene.KillsAreLost = false;
        _ = Libc.kill(-pids[0], Libc.SIGKILL);
        await Eventually.TrueAsync(() => scene.Router.ProcessIds.Count == 0, TimeSpan.FromSeconds(10));
        await scene.LoadedAsync("b", 3);
    }
}
