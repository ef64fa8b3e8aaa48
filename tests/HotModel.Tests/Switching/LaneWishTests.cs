using HotModel.Configuration;
using HotModel.Switching;
using static HotModel.Tests.Switching.LaneSimulation;

namespace HotModel.Tests.Switching;

/// <summary>Explicit switches that meet others, models that leave, come back or are lost.</summary>
public sealed class LaneWishTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private static bool IsCut(LaneSimulation.Client client) =>
        SpinWait.SpinUntil(() => client.Lease!.Aborted.IsCancellationRequested, Second);

    /// <summary>Of two places; a is the active model and was unloaded, b is loaded.</summary>
    private static LaneSimulation Unloaded(SwitchOnRequest onRequest = SwitchOnRequest.Switch)
    {
        var config = LaneSimulation.Config(modelsMax: 2);
        var s = new LaneSimulation(config with
        {
            Server = config.Server with { SwitchOnRequest = onRequest },
            Models = config.Models.ToDictionary(model => model.Key,
                model => model.Value with { IdleUnload = model.Key == "a" ? TimeSpan.FromMinutes(1) : null }),
        });
        s.Switch("b");
        s.Finish();
        s.Switch("a");
        s.Advance(TimeSpan.FromMinutes(2));
        s.Finish();
        Assert.Equal(("b", "a", "idle"), (Assert.Single(s.Loaded), s.ActiveModel, s.Lanes.Status.Phase));
        return s;
    }

    [Fact]
    public void Look_at_memory_sees_the_lanes_as_they_are()
    {
        var s = new LaneSimulation(LaneSimulation.Config(modelsMax: 2));
        using var looked = new ManualResetEventSlim();
        IReadOnlyList<string> seen = [];
        s.Place = model =>
        {
            if (model == "c")
            {
                seen = s.Loaded;
                looked.Set();
            }
            return Beside;
        };
        s.Remembering = _ => looked.Wait(10 * Second);
        s.Switch("b");
        s.Switch("c");
        s.Finish();
        Assert.Equal(["b", "a"], seen);
    }

    [Fact]
    public void Active_model_that_was_unloaded_does_not_come_back_while_another_one_is_loaded()
    {
        var s = Unloaded();
        var c = s.Arrive("c");
        Assert.Equal("c", Assert.Single(s.Backends, backend => backend.IsLoading).Holds);
        var active = s.Arrive();
        Assert.Equal("c", Assert.Single(s.Backends, backend => backend.IsLoading).Holds);
        s.Finish();
        s.Advance(TimeSpan.FromMinutes(1));
        s.Finish();
        Assert.Equal(("c", "a"), (c.Lease!.Model, active.Lease!.Model));
    }

    [Fact]
    public void Switch_that_has_a_place_waits_for_the_load_that_has_begun_since()
    {
        var s = Unloaded(SwitchOnRequest.Reject);
        LaneSimulation.Client? active = null;
        s.Place = _ =>
        {
            active ??= s.Come(RequestAsk.Active);
            return Beside;
        };
        var report = s.Switch("c");
        Assert.Equal("a", Assert.Single(s.Backends, backend => backend.IsLoading).Holds);
        s.Finish();
        Assert.Equal(SwitchOutcome.Switched, ReportOf(report).Outcome);
        Assert.Equal("a", active!.Lease!.Model);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Force_counts_though_the_model_is_being_loaded_already(bool isAskedFor)
    {
        var s = new LaneSimulation(LaneSimulation.Config());
        var running = s.Arrive();
        if (isAskedFor)
        {
            s.Switch("b");
        }
        else
        {
            s.Arrive("b");
            s.Advance(TimeSpan.FromMinutes(2));
        }
        Assert.Equal("b", Assert.Single(s.Backends, backend => backend.IsLoading).Holds);
        s.Switch("b", force: true, drainTimeout: 5 * Second);
        s.Finish();
        Assert.Equal("b", s.ActiveModel);
        Assert.False(running.Lease!.Aborted.IsCancellationRequested);
        s.Advance(5 * Second);
        Assert.True(IsCut(running));
    }

    [Fact]
    public void Force_counts_though_a_place_is_being_looked_for_already()
    {
        var s = new LaneSimulation(LaneSimulation.Config());
        var running = s.Arrive();
        s.Arrive("b");
        Task<SwitchReport>? report = null;
        s.Place = _ =>
        {
            report ??= s.Lanes.SwitchAsync("b", force: true, 5 * Second);
            return Beside;
        };
        s.Advance(TimeSpan.FromMinutes(2));
        s.Finish();
        Assert.Equal("b", s.ActiveModel);
        s.Advance(5 * Second);
        Assert.True(IsCut(running));
        Assert.Equal("b", ReportOf(report!).ActiveModel);
    }

    [Fact]
    public void What_was_asked_for_last_stays_though_requests_had_waited_for_the_model_before()
    {
        var s = new LaneSimulation(LaneSimulation.Config(modelsMax: 2));
        s.Arrive();
        var hasAsked = false;
        s.Place = _ =>
        {
            if (!hasAsked)
            {
                hasAsked = true;
                s.Lanes.SwitchAsync("b", force: false, null);
                s.Lanes.SwitchAsync("c", force: false, null);
            }
            return Beside;
        };
        var b = s.Arrive("b");
        s.Finish();
        Assert.Equal(("b", "c"), (b.Lease!.Model, s.ActiveModel));
    }

    [Fact]
    public void Forced_switch_takes_the_place_of_one_to_the_same_model_that_waits_for_answers()
    {
        var s = new LaneSimulation(LaneSimulation.Config());
        var running = s.Arrive();
        s.Switch("b");
        s.Finish();
        var patient = s.Switch("c");
        var forced = s.Switch("c", force: true, drainTimeout: 5 * Second);
        s.Advance(5 * Second);
        Assert.True(IsCut(running));
        s.Do(running.Return);
        s.Finish();
        Assert.Equal((SwitchOutcome.Switched, SwitchOutcome.AlreadyActive),
            (ReportOf(forced).Outcome, ReportOf(patient).Outcome));
    }

    [Fact]
    public void Switch_that_waits_for_no_answers_does_not_time_out()
    {
        var s = new LaneSimulation(LaneSimulation.Config());
        var report = s.Switch("b", drainTimeout: TimeSpan.Zero);
        s.Finish();
        Assert.Equal(SwitchOutcome.Switched, ReportOf(report).Outcome);
    }

    [Fact]
    public void Force_has_a_bound_also_for_the_answers_of_a_model_that_leaves_later()
    {
        var config = LaneSimulation.Config(modelsMax: 2);
        var live = new LiveConfig(config);
        var s = new LaneSimulation(live);
        s.Switch("b");
        s.Finish();
        var (a, b) = (s.Arrive("a"), s.Arrive("b"));
        s.Switch("c");
        s.Finish();
        var report = s.Switch("d", force: true, drainTimeout: 5 * Second);
        s.Advance(5 * Second);
        Assert.True(IsCut(a));
        s.Reconfigure(live, config.Without("b"));
        s.Do(a.Return);
        s.Finish();
        Assert.False(b.Lease!.Aborted.IsCancellationRequested);
        s.Advance(5 * Second);
        Assert.True(IsCut(b));
        s.Do(b.Return);
        s.Finish();
        Assert.Equal((SwitchOutcome.Switched, "d"), (ReportOf(report).Outcome, s.ActiveModel));
    }

    [Fact]
    public void Where_the_active_model_was_lost_nothing_is_loaded_beside_one_that_leaves()
    {
        var s = new LaneSimulation(LaneSimulation.Config());
        var running = s.Arrive();
        s.Switch("b");
        s.Finish();
        s.Do(s.Backends[1].Lose);
        var report = s.Switch("d");
        s.Finish();
        Assert.DoesNotContain("d", s.Loaded);
        s.Do(running.Return);
        s.Finish();
        Assert.Equal((SwitchOutcome.Switched, "d"), (ReportOf(report).Outcome, s.ActiveModel));
    }

    [Fact]
    public void Where_the_active_model_was_lost_one_that_leaves_is_taken_back_for_those_who_wait_for_it()
    {
        var s = new LaneSimulation(LaneSimulation.Config());
        var running = s.Arrive();
        s.Switch("b");
        s.Finish();
        var again = s.Arrive("a");
        Assert.True(again.Waits);
        s.Do(s.Backends[1].Lose);
        Assert.Equal(("a", "a"), (again.Lease?.Model, s.ActiveModel));
        s.Finish();
        Assert.Equal(("a", 2), (Assert.Single(s.Loaded), s.Loads));
        Assert.False(running.Lease!.Aborted.IsCancellationRequested);
    }

    [Fact]
    public void Switch_to_the_active_model_that_did_not_come_back_has_it_tried_when_nothing_is_in_the_way_any_more()
    {
        var s = new LaneSimulation(LaneSimulation.Config(SwitchPolicy.Auto, modelsMax: 2));
        s.Switch("b");
        s.Finish();
        s.Place = _ => InPlace;
        s.Arrive("a");
        var b = s.Arrive("b");
        var c = s.Arrive("c");
        s.Advance(45 * Second);
        // In the place of a, whose answer has no end.
        Assert.Contains(s.Lanes.Loops, loop => loop.State.Phase == SwitchPhase.Draining);
        s.Do(s.Backends[1].Lose);
        s.Do(b.Return);
        s.Finish(succeed: false);
        Assert.Equal(("b", "backing_off"), (s.ActiveModel, s.Lanes.Active.Status.Phase));
        var report = s.Switch("b", drainTimeout: 100 * Second);
        s.Do(c.Leave);
        Assert.Equal("b", Assert.Single(s.Backends, backend => backend.IsLoading).Holds);
        s.Finish();
        Assert.Equal((SwitchOutcome.Switched, "b"), (ReportOf(report).Outcome, s.ActiveModel));
    }
}
