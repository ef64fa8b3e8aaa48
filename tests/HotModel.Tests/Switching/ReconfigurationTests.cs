using HotModel.Configuration;
using HotModel.Scheduling;
using HotModel.Switching;

namespace HotModel.Tests.Switching;

/// <summary>Another configuration while models are loaded and answer.</summary>
public sealed class ReconfigurationTests
{
    private readonly HotModelConfig config = TestConfig.Create("a", "b");

    private static (LiveConfig Live, SwitchSimulation Simulation) Ready(HotModelConfig config)
    {
        var live = new LiveConfig(config);
        var s = new SwitchSimulation(live, "a");
        s.Finish();
        Assert.Equal(SwitchPhase.Ready, s.Loop.State.Phase);
        return (live, s);
    }

    private static HotModelConfig With(HotModelConfig config, string name, Func<ModelConfig, ModelConfig> change) => config with
    {
        Models = config.Models.ToDictionary(
            model => model.Key, model => model.Key == name ? change(model.Value) : model.Value),
    };

    private static HotModelConfig Larger(HotModelConfig config, string name) =>
        With(config, name, model => model with { CtxSize = 512 });

    private static RequestAsk For(string model) => new() { Model = model };

    [Fact]
    public void Untouched_model_stays_and_its_answers_run_on()
    {
        var (live, s) = Ready(config);
        var running = s.Arrive();
        var before = s.Loop.State;
        s.Reconfigure(live, Larger(TestConfig.Create("a", "b", "c"), "b"));
        Assert.Equal(before, s.Loop.State);
        Assert.False(running.Lease!.Aborted.IsCancellationRequested);
        Assert.False(s.Backend.IsBusy);
    }

    [Fact]
    public void Changed_model_that_is_idle_is_loaded_anew_at_once()
    {
        var (live, s) = Ready(config);
        s.Reconfigure(live, Larger(config, "a"));
        Assert.Equal(SwitchPhase.Unloading, s.Loop.State.Phase);
        var meanwhile = s.Arrive();
        s.Finish();
        s.Finish();
        Assert.Equal((SwitchPhase.Ready, "a"), (s.Loop.State.Phase, s.Loop.State.Active));
        Assert.Equal("a", meanwhile.Lease!.Model);
        Assert.False(s.Loop.IsOutdated);
    }

    [Fact]
    public void Changed_model_that_answers_is_loaded_anew_when_its_answers_have_ended()
    {
        var (live, s) = Ready(config);
        var running = s.Arrive();
        s.Reconfigure(live, Larger(config, "a"));
        var meanwhile = s.Arrive(For("a"));
        s.Advance(config.Server.DrainTimeout * 0.9);
        Assert.Equal(SwitchPhase.Draining, s.Loop.State.Phase);
        Assert.False(running.Lease!.Aborted.IsCancellationRequested);
        Assert.Null(meanwhile.Lease);
        s.Do(() => running.Return());
        s.Finish();
        s.Finish();
        Assert.Equal("a", meanwhile.Lease!.Model);
        Assert.Equal(SwitchPhase.Ready, s.Loop.State.Phase);
    }

    [Fact]
    public void Removed_model_leaves_and_is_not_brought_back()
    {
        var (live, s) = Ready(config);
        var running = s.Arrive();
        s.Reconfigure(live, config.Without("a"));
        var active = s.Arrive();
        var other = s.Arrive(For("a"));
        Assert.Equal(RefusalKind.Removed, other.Refusal!.Kind);
        Assert.Contains("Configured are: b", other.Refusal.Message);
        Assert.Null(active.Refusal);
        s.Do(() => running.Return());
        s.Finish();
        Assert.Equal((SwitchPhase.Idle, null), (s.Loop.State.Phase, s.Loop.State.Active));
        Assert.Equal(RefusalKind.NoActiveModel, active.Refusal!.Kind);
        Assert.Equal(RefusalKind.NoActiveModel, s.Arrive().Refusal!.Kind);
        var next = s.Arrive(For("b"));
        s.Finish();
        Assert.Equal("b", next.Lease!.Model);
    }

    [Fact]
    public void Request_that_waits_for_a_model_is_refused_when_it_is_removed()
    {
        var (live, s) = Ready(config);
        var running = s.Arrive();
        var waiting = s.Arrive(For("b"));
        s.Reconfigure(live, config.Without("b"));
        Assert.Equal(RefusalKind.Removed, waiting.Refusal!.Kind);
        Assert.Equal((SwitchPhase.Ready, "a"), (s.Loop.State.Phase, s.Loop.State.Active));
        Assert.False(running.Lease!.Aborted.IsCancellationRequested);
    }

    [Fact]
    public void Explicit_switch_takes_the_place_of_a_reload_that_waits_and_keeps_its_own_bound()
    {
        var (live, s) = Ready(config);
        var running = s.Arrive();
        s.Reconfigure(live, Larger(config, "a"));
        var report = s.Switch("b", force: false, drainTimeout: TimeSpan.FromSeconds(5));
        s.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(SwitchOutcome.DrainTimedOut, report.Result.Outcome);
        // The reload is not forgotten for it.
        Assert.Equal((SwitchPhase.Draining, "a"), (s.Loop.State.Phase, s.Loop.State.Goal));
        Assert.False(running.Lease!.Aborted.IsCancellationRequested);
        var forced = s.Switch("b", force: true, drainTimeout: TimeSpan.FromSeconds(5));
        s.Advance(TimeSpan.FromSeconds(5));
        Assert.True(running.Lease.Aborted.IsCancellationRequested);
        s.Do(() => running.Return());
        s.Finish();
        s.Finish();
        Assert.Equal((SwitchOutcome.Switched, "b"), (forced.Result.Outcome, forced.Result.ActiveModel));
    }

    [Fact]
    public void Model_that_did_not_load_is_tried_at_once_when_it_is_configured_otherwise()
    {
        var live = new LiveConfig(config);
        var s = new SwitchSimulation(live, "a");
        while (s.Loop.State.Phase != SwitchPhase.BackingOff)
            s.Finish(succeed: false, permanent: true);
        s.Reconfigure(live, Larger(config, "a"));
        Assert.Equal(SwitchPhase.Loading, s.Loop.State.Phase);
        s.Finish();
        Assert.Equal(SwitchPhase.Ready, s.Loop.State.Phase);
    }

    [Fact]
    public void Model_that_did_not_load_is_given_up_when_it_is_removed()
    {
        var live = new LiveConfig(config);
        var s = new SwitchSimulation(live, "a");
        while (s.Loop.State.Phase != SwitchPhase.BackingOff)
            s.Finish(succeed: false, permanent: true);
        s.Reconfigure(live, config.Without("a"));
        Assert.Equal((SwitchPhase.Idle, null), (s.Loop.State.Phase, s.Loop.State.Active));
    }

    [Fact]
    public void Change_during_a_load_is_applied_after_it()
    {
        var live = new LiveConfig(config);
        var s = new SwitchSimulation(live, "a");
        Assert.Equal(SwitchPhase.Loading, s.Loop.State.Phase);
        s.Reconfigure(live, Larger(config, "a"));
        Assert.Equal(SwitchPhase.Loading, s.Loop.State.Phase);
        s.Finish();
        Assert.Equal((SwitchPhase.Unloading, "a"), (s.Loop.State.Phase, s.Loop.State.Goal));
        s.Finish();
        s.Finish();
        Assert.Equal(SwitchPhase.Ready, s.Loop.State.Phase);
    }

    [Fact]
    public void Rules_of_waiting_hold_at_once()
    {
        var (live, s) = Ready(config);
        s.Reconfigure(live, config with
        {
            Server = config.Server with { SwitchOnRequest = SwitchOnRequest.Reject },
        });
        Assert.Equal(RefusalKind.OtherModel, s.Arrive(For("b")).Refusal!.Kind);
        s.Reconfigure(live, With(config, "a", model => model with { Pin = true }));
        Assert.Equal(RefusalKind.Pinned, s.Arrive(For("b")).Refusal!.Kind);
        Assert.Equal(SwitchPhase.Ready, s.Loop.State.Phase);
    }

    [Fact]
    public void Changed_model_beside_the_active_one_leaves_and_is_loaded_anew_when_it_is_asked_for()
    {
        var config = LaneSimulation.Config(modelsMax: 2);
        var live = new LiveConfig(config);
        var s = new LaneSimulation(live);
        var report = s.Switch("b");
        s.Finish();
        Assert.Equal(SwitchOutcome.Switched, report.Result.Outcome);
        Assert.Equal(["b", "a"], s.Loaded);
        var running = s.Arrive("a");
        s.Reconfigure(live, Larger(config, "a"));
        s.Finish();
        Assert.False(running.Lease!.Aborted.IsCancellationRequested);
        Assert.Equal(["b", "a"], s.Loaded);
        s.Do(running.Return);
        s.Finish();
        Assert.Equal(["b"], s.Loaded);
        var again = s.Arrive("a");
        s.Finish();
        Assert.Equal("a", again.Lease!.Model);
    }

    [Fact]
    public void Removed_model_beside_the_active_one_that_is_idle_leaves_at_once()
    {
        var config = LaneSimulation.Config(modelsMax: 2);
        var live = new LiveConfig(config);
        var s = new LaneSimulation(live);
        s.Switch("b");
        s.Finish();
        s.Reconfigure(live, config.Without("a"));
        s.Finish();
        Assert.Equal(["b"], s.Loaded);
        Assert.Single(s.Lanes.Loops);
    }
}
