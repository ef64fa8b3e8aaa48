using HotModel.Configuration;
using HotModel.Switching;
using static HotModel.Tests.Switching.LaneSimulation;

namespace HotModel.Tests.Switching;

/// <summary>A reload removes a model that a switch is on its way to, or would go back to.</summary>
public sealed class LaneRemovalTests
{
    private static readonly HotModelConfig Config = TestConfig.Create("a", "b", "c");

    private readonly LiveConfig live = new(Config);
    private readonly SwitchSimulation simulation;

    public LaneRemovalTests()
    {
        simulation = new SwitchSimulation(live, "a");
        simulation.Finish();
        Assert.Equal((SwitchPhase.Ready, "a"), Now);
    }

    private (SwitchPhase, string?) Now => (simulation.Loop.State.Phase, simulation.Loop.State.Active);

    [Fact]
    public void Load_of_a_model_that_is_removed_fails_and_the_model_before_comes_back()
    {
        var s = simulation;
        var report = s.Switch("b");
        s.Finish();
        Assert.True(s.Backend.IsLoading);
        s.Reconfigure(live, Config.Without("b"));
        Assert.False(s.Backend.IsLoading);
        s.Finish();
        s.Finish();
        Assert.Equal((SwitchOutcome.RolledBack, "removed", "a"),
            (ReportOf(report).Outcome, ReportOf(report).Reason, ReportOf(report).RolledBackTo));
        Assert.Contains("Configured are: a, c", ReportOf(report).Error, StringComparison.Ordinal);
        Assert.Equal((SwitchPhase.Ready, "a"), Now);
    }

    [Fact]
    public void Model_that_is_removed_before_its_load_begins_is_not_loaded()
    {
        var s = simulation;
        var report = s.Switch("b");
        s.Reconfigure(live, Config.Without("b"));
        s.Finish();
        Assert.False(s.Backend.IsLoading);
        s.Finish();
        s.Finish();
        Assert.Equal((SwitchOutcome.RolledBack, "removed"), (ReportOf(report).Outcome, ReportOf(report).Reason));
        Assert.Equal((SwitchPhase.Ready, "a"), Now);
    }

    [Fact]
    public void Model_that_is_removed_is_not_what_a_failed_switch_goes_back_to()
    {
        var s = simulation;
        var report = s.Switch("b");
        s.Finish();
        s.Reconfigure(live, Config.Without("a"));
        Assert.True(s.Backend.IsLoading);
        s.Finish(succeed: false);
        s.Finish();
        Assert.False(s.Backend.IsLoading);
        s.Finish();
        Assert.Equal((SwitchOutcome.RollbackFailed, "exited"), (ReportOf(report).Outcome, ReportOf(report).Reason));
        Assert.Equal((SwitchPhase.Idle, null), Now);
    }

    [Fact]
    public void Switch_that_waits_for_running_answers_is_given_up_when_its_target_is_removed()
    {
        var s = simulation;
        var running = s.Arrive();
        var report = s.Switch("b");
        var behind = s.Switch("c");
        var waiting = s.Arrive();
        s.Reconfigure(live, Config.Without("b").Without("c"));
        Assert.All(new[] { report, behind }, one =>
        {
            Assert.Equal((SwitchOutcome.Withdrawn, "a"), (ReportOf(one).Outcome, ReportOf(one).ActiveModel));
            Assert.Contains("Configured are: a", ReportOf(one).Error, StringComparison.Ordinal);
        });
        Assert.Equal((SwitchPhase.Ready, "a"), Now);
        Assert.Equal("a", waiting.Lease!.Model);
        Assert.False(running.Lease!.Aborted.IsCancellationRequested);
    }

    [Fact]
    public void Switch_that_waits_its_turn_is_given_up_when_its_target_is_removed()
    {
        var s = simulation;
        var report = s.Switch("b");
        var behind = s.Switch("c");
        s.Finish();
        s.Reconfigure(live, Config.Without("c"));
        Assert.Equal(SwitchOutcome.Withdrawn, ReportOf(behind).Outcome);
        s.Finish();
        Assert.Equal(SwitchOutcome.Switched, ReportOf(report).Outcome);
        Assert.Equal((SwitchPhase.Ready, "b"), Now);
    }

    [Fact]
    public void Switch_to_a_model_that_was_removed_since_its_name_was_looked_up_begins_nothing()
    {
        var s = simulation;
        live.Replace(ConfigDifference.Between(Config, Config.Without("b")).Effective);
        Assert.Equal(SwitchOutcome.Withdrawn, ReportOf(s.Switch("b")).Outcome);
        Assert.Equal((SwitchPhase.Ready, "a"), Now);
    }

    [Fact]
    public void Load_beside_the_active_model_fails_when_its_model_is_removed()
    {
        var config = LaneSimulation.Config();
        var lanesLive = new LiveConfig(config);
        var s = new LaneSimulation(lanesLive);
        var running = s.Arrive();
        var report = s.Switch("b");
        s.Reconfigure(lanesLive, config.Without("b"));
        s.Finish();
        Assert.Equal((SwitchOutcome.LoadFailed, "removed", "a"),
            (ReportOf(report).Outcome, ReportOf(report).Reason, ReportOf(report).ActiveModel));
        Assert.Equal(("a", "a"), (Assert.Single(s.Loaded), s.ActiveModel));
        Assert.Single(s.Lanes.Loops);
        Assert.False(running.Lease!.Aborted.IsCancellationRequested);
    }

    [Fact]
    public void Removed_model_is_forgotten_though_its_time_without_use_ends_at_the_same_moment()
    {
        var config = Config with
        {
            Models = Config.Models.ToDictionary(
                model => model.Key, model => model.Value with { IdleUnload = TimeSpan.FromMinutes(1) }),
        };
        var idleLive = new LiveConfig(config);
        var s = new SwitchSimulation(idleLive, "a");
        s.Finish();
        // The lanes see that it has gone before they hear of the reload, and before the timer wakes the scheduler.
        idleLive.Replace(ConfigDifference.Between(config, config.Without("a")).Effective);
        _ = s.Lanes.PassAsync();
        s.Advance(TimeSpan.FromMinutes(1));
        s.Finish();
        Assert.Equal((SwitchPhase.Idle, null), (s.Loop.State.Phase, s.Loop.State.Active));
    }
}
