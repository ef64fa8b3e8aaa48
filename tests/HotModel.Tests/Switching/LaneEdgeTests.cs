using HotModel.Configuration;
using HotModel.Scheduling;
using HotModel.Switching;
using static HotModel.Tests.Switching.LaneSimulation;

namespace HotModel.Tests.Switching;

/// <summary>Lanes where several things come together: who waits where, what is in whose way, what a reload takes away.</summary>
public sealed class LaneEdgeTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private static HotModelConfig With(HotModelConfig config, Func<ServerConfig, ServerConfig> change) =>
        config with { Server = change(config.Server) };

    private static HotModelConfig With(HotModelConfig config, string name, Func<ModelConfig, ModelConfig> change) => config with
    {
        Models = config.Models.ToDictionary(one => one.Key, one => one.Key == name ? change(one.Value) : one.Value),
    };

    /// <summary>a and b are loaded, b is the active one; whatever comes later has no place beside them.</summary>
    private static LaneSimulation Two(HotModelConfig? config = null)
    {
        var s = new LaneSimulation(config ?? LaneSimulation.Config(SwitchPolicy.Auto, modelsMax: 2));
        s.Switch("b");
        s.Finish();
        Assert.Equal(["b", "a"], s.Loaded);
        s.Place = _ => InPlace;
        return s;
    }

    [Fact]
    public void Forced_switch_cuts_no_answer_of_a_model_that_was_taken_back_meanwhile()
    {
        var s = new LaneSimulation(LaneSimulation.Config());
        var running = s.Arrive();
        s.Switch("b", force: true, drainTimeout: 100 * Second);
        s.Finish();
        s.Advance(10 * Second);
        s.Switch("a");
        s.Finish();
        s.Advance(10 * Second);
        s.Switch("b");
        s.Finish();
        s.Advance(90 * Second);
        Assert.Equal(["b", "a"], s.Loaded);
        Assert.False(running.Lease!.Aborted.IsCancellationRequested);
    }

    [Fact]
    public void Model_that_was_taken_back_has_its_turn_anew()
    {
        var s = new LaneSimulation(LaneSimulation.Config());
        var running = s.Arrive();
        s.Advance(TimeSpan.FromHours(1));
        s.Switch("b");
        s.Finish();
        s.Switch("a");
        s.Finish();
        Assert.Equal(("a", 2), (Assert.Single(s.Loaded), s.Loads));
        var other = s.Arrive("b");
        s.Advance(20 * Second);
        Assert.Equal(2, s.Loads);
        s.Advance(40 * Second);
        s.Finish();
        Assert.Equal("b", other.Lease!.Model);
        Assert.False(running.Lease!.Aborted.IsCancellationRequested);
    }

    [Fact]
    public void Whoever_waits_for_a_model_is_let_in_with_it_though_nobody_may_wait_during_a_switch()
    {
        var s = new LaneSimulation(With(LaneSimulation.Config(), server => server with { DuringSwitch = DuringSwitch.Reject }));
        var running = s.Arrive();
        var waiting = Enumerable.Range(0, 3).Select(_ => s.Arrive("b")).ToList();
        s.Advance(TimeSpan.FromMinutes(2));
        s.Finish();
        Assert.All(waiting, client => Assert.Equal("b", client.Lease?.Model));
        Assert.NotNull(running.Lease);
    }

    [Fact]
    public void Bound_on_all_who_wait_holds_for_all_lanes_together()
    {
        var s = new LaneSimulation(With(LaneSimulation.Config(modelsMax: 2), server => server with { QueueLimit = 3 }));
        s.Arrive();
        // In the lane in which b is being loaded, and where those wait who come after.
        var first = s.Arrive("b");
        var second = s.Arrive("c");
        var third = s.Arrive("b");
        Assert.True(first.Waits && second.Waits && third.Waits);
        Assert.Equal(RefusalKind.QueueFull, s.Arrive("c").Refusal!.Kind);
        s.Finish();
        s.Advance(45 * Second);
        s.Finish();
        Assert.Equal(("b", "c", "b"), (first.Lease!.Model, second.Lease!.Model, third.Lease!.Model));
    }

    [Fact]
    public void Model_in_the_place_of_another_one_is_the_active_one_when_it_has_come()
    {
        var s = Two();
        var (a, b) = (s.Arrive("a"), s.Arrive("b"));
        var other = s.Arrive("c");
        s.Advance(45 * Second);
        Assert.Equal("b", s.Arrive().Lease!.Model);
        s.Do(a.Return);
        s.Finish();
        Assert.Equal(("c", "c"), (other.Lease!.Model, s.ActiveModel));
        Assert.Equal(["c", "b"], s.Loaded);
        Assert.False(b.Lease!.Aborted.IsCancellationRequested);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Explicit_switch_waits_no_longer_for_answers_in_another_lane_than_for_any(bool force)
    {
        var s = Two();
        var (a, b) = (s.Arrive("a"), s.Arrive("b"));
        var c = s.Arrive("c");
        s.Advance(45 * Second);
        // In the place of a, whose answer has no end.
        Assert.Contains(s.Lanes.Loops, loop => loop.State.Phase == SwitchPhase.Draining);
        var report = s.Switch("d", force, drainTimeout: 5 * Second);
        s.Advance(4 * Second);
        Assert.False(a.Lease!.Aborted.IsCancellationRequested || report.IsCompleted);
        s.Advance(Second);
        Assert.Equal(force, a.Lease.Aborted.IsCancellationRequested);
        if (!force)
        {
            Assert.Equal(SwitchOutcome.DrainTimedOut, ReportOf(report).Outcome);
            return;
        }
        s.Do(a.Return);
        s.Finish();
        s.Do(c.Return);
        s.Finish();
        Assert.Equal("b", b.Lease!.Model);
        Assert.Equal((SwitchOutcome.Switched, "d"), (ReportOf(report).Outcome, s.ActiveModel));
    }

    [Fact]
    public void Explicit_switch_to_a_loaded_model_waits_for_nobody()
    {
        var s = Two();
        s.Arrive("a");
        s.Arrive("b");
        s.Arrive("c");
        s.Advance(45 * Second);
        Assert.Contains(s.Lanes.Loops, loop => loop.State.Phase == SwitchPhase.Draining);
        Assert.Equal(SwitchOutcome.AlreadyActive, ReportOf(s.Switch("b")).Outcome);
    }

    [Fact]
    public void Model_that_stays_after_all_lets_those_in_who_waited_for_it_elsewhere()
    {
        var s = Two();
        var (a, b) = (s.Arrive("a"), s.Arrive("b"));
        var other = s.Arrive("c");
        s.Advance(45 * Second);
        Assert.Contains(s.Lanes.Loops, loop => loop.State.Phase == SwitchPhase.Draining);
        var waiting = s.Arrive("a");
        Assert.True(waiting.Waits);
        s.Do(other.Leave);
        Assert.Equal(("a", "a", "b"), (waiting.Lease!.Model, a.Lease!.Model, b.Lease!.Model));
    }

    [Fact]
    public void Where_the_active_model_was_unloaded_another_one_makes_room_for_what_is_asked_for()
    {
        foreach (var isRequest in (bool[])[true, false])
        {
            var s = Two(With(LaneSimulation.Config(SwitchPolicy.Auto, modelsMax: 2), "b",
                model => model with { IdleUnload = TimeSpan.FromMinutes(1) }));
            s.Advance(TimeSpan.FromMinutes(2));
            s.Finish();
            Assert.Equal(("a", "b", "idle"), (Assert.Single(s.Loaded), s.ActiveModel, s.Lanes.Status.Phase));
            if (isRequest)
                s.Arrive("c");
            else
                s.Switch("c");
            s.Finish();
            Assert.Equal(("c", "c"), (Assert.Single(s.Loaded), s.ActiveModel));
            Assert.Single(s.Lanes.Loops);
        }
    }

    [Fact]
    public void Model_that_nobody_uses_by_now_makes_room_instead_of_one_in_use()
    {
        var s = Two();
        s.Do(s.Arrive("a").Return);
        var b = s.Arrive("b");
        // a was used least recently, and comes into use.
        var other = s.Arrive("c");
        var a = s.Arrive("a");
        s.Do(b.Return);
        s.Advance(30 * Second);
        s.Finish();
        Assert.Equal("c", other.Lease!.Model);
        Assert.Equal(["c", "a"], s.Loaded);
        Assert.False(a.Lease!.Aborted.IsCancellationRequested);
    }

    [Fact]
    public void Whoever_waits_for_a_model_to_go_that_is_pinned_meanwhile_waits_for_another_one_or_is_refused()
    {
        var config = LaneSimulation.Config(SwitchPolicy.Auto, modelsMax: 2);
        var live = new LiveConfig(config);
        var s = new LaneSimulation(live);
        s.Switch("b");
        s.Finish();
        s.Place = _ => InPlace;
        var (a, b) = (s.Arrive("a"), s.Arrive("b"));
        var other = s.Arrive("c");
        s.Reconfigure(live, With(config, "a", model => model with { Pin = true }));
        Assert.True(other.Waits);
        s.Reconfigure(live, With(live.Current, "b", model => model with { Pin = true }));
        Assert.Equal(RefusalKind.Pinned, other.Refusal!.Kind);
        Assert.Equal(RefusalKind.Pinned, s.Arrive("c").Refusal!.Kind);
        s.Reconfigure(live, With(live.Current, "a", model => model with { Pin = false }));
        var again = s.Arrive("c");
        s.Advance(45 * Second);
        s.Do(a.Return);
        s.Finish();
        Assert.Equal("c", again.Lease!.Model);
        Assert.Equal(["c", "b"], s.Loaded);
        Assert.NotNull(b.Lease);
    }

    [Fact]
    public void Model_that_a_reload_takes_away_while_it_is_loaded_for_requests_does_not_push_out_the_active_one()
    {
        var config = LaneSimulation.Config();
        var live = new LiveConfig(config);
        var s = new LaneSimulation(live);
        var running = s.Arrive();
        var other = s.Arrive("b");
        s.Advance(45 * Second);
        Assert.Equal(2, s.Lanes.Loops.Count);
        s.Reconfigure(live, config.Without("b"));
        Assert.Equal(RefusalKind.Removed, other.Refusal!.Kind);
        s.Finish();
        Assert.Equal(("a", "a"), (Assert.Single(s.Loaded), s.ActiveModel));
        Assert.Single(s.Lanes.Loops);
        Assert.False(running.Lease!.Aborted.IsCancellationRequested);
    }

    [Fact]
    public void Switch_that_waits_for_its_place_to_a_model_that_a_reload_takes_away_is_given_up()
    {
        var config = LaneSimulation.Config();
        var live = new LiveConfig(config);
        var s = new LaneSimulation(live);
        s.Arrive();
        s.Switch("b");
        s.Finish();
        var waiting = s.Switch("c");
        var behind = s.Switch("d");
        s.Reconfigure(live, config.Without("c").Without("d"));
        foreach (var report in new[] { ReportOf(waiting), ReportOf(behind) })
        {
            Assert.Equal((SwitchOutcome.Withdrawn, "b"), (report.Outcome, report.ActiveModel));
            Assert.Contains("Configured are: a, b", report.Error, StringComparison.Ordinal);
        }
        Assert.Equal(["b", "a"], s.Loaded);
    }

    [Fact]
    public void Lane_that_breaks_while_it_ends_ends_all_instead_of_being_waited_for()
    {
        var s = new LaneSimulation(LaneSimulation.Config());
        s.Backends[0].BreaksAtEnd = true;
        s.Switch("b");
        Assert.Throws<InvalidOperationException>(() => s.Finish());
    }

    [Fact]
    public void What_was_measured_is_kept_and_known_at_the_next_start()
    {
        var s = new LaneSimulation(LaneSimulation.Config());
        s.Switch("b");
        s.Advance(7 * Second);
        s.Finish();
        Assert.Equal(7 * Second, s.Kept["b"].Load!.Value.Mean);
        Assert.NotNull(s.Kept["a"].Unload);
        var next = new LaneSimulation(LaneSimulation.Config(), "b", s.Kept);
        Assert.Equal(s.Lanes.UsualTimes("a").Unload, next.Lanes.UsualTimes("a").Unload);
        // Its own load counts as one more.
        Assert.Equal(7 * Second * 0.75, next.Lanes.UsualTimes("b").Load);
    }
}
