using HotModel.Llama;

namespace HotModel.Tests.Llama;

/// <summary>A model that dies while the router's events do not come through, or its answers do not.</summary>
[Trait("needs", "llama-server")]
public class UnnoticedLossTests
{
    [Fact]
    public async Task Child_killed_and_first_answers_lost_is_noticed_after_one_nudge()
    {
        await using var relay = new MuteRelay();
        await using var scene = new BackendScene();
        await LoadThroughAsync(scene, relay);
        var lost = scene.LostAsync(7);
        relay.LooksToLose = 4;

        _ = Libc.kill(scene.Router.ProcessIds[1], Libc.SIGKILL);
        scene.Router.Nudge();

        Assert.Equal(LoadFailureReason.Killed, (await lost).Failure.Reason);
        Assert.Single(scene.Losses);
    }

    [Fact]
    public async Task Child_killed_without_any_event_is_noticed_in_the_end()
    {
        await using var relay = new MuteRelay();
        await using var scene = new BackendScene();
        await LoadThroughAsync(scene, relay);
        var lost = scene.LostAsync(7);
        scene.Time.MakeHaste();
        var before = relay.Looks;
        scene.Router.Nudge();
        // The look at the nudge and the four after it: what comes then is the slow one.
        await Eventually.TrueAsync(() => relay.Looks >= before + 5, TimeSpan.FromSeconds(10));

        _ = Libc.kill(scene.Router.ProcessIds[1], Libc.SIGKILL);

        Assert.Equal(LoadFailureReason.Killed, (await lost).Failure.Reason);
    }

    private static async Task LoadThroughAsync(BackendScene scene, MuteRelay relay)
    {
        scene.Launch = relay.Launch(scene.Preset);
        var load = scene.LoadedAsync("a", 7);
        await Eventually.TrueAsync(() => scene.Router.ProcessIds.Count > 0, TimeSpan.FromSeconds(10));
        relay.Start();
        await load;
    }
}
