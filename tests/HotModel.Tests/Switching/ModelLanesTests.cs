using HotModel.Configuration;
using HotModel.Scheduling;
using HotModel.Switching;
using static HotModel.Tests.Switching.LaneSimulation;

namespace HotModel.Tests.Switching;

/// <summary>Models beside each other: nobody waits where there is room.</summary>
public sealed class ModelLanesTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Fact]
    public void Requests_go_on_while_the_next_model_loads_and_move_over_when_it_answers()
    {
        var s = new LaneSimulation(LaneSimulation.Config());
        var running = s.Arrive();
        var report = s.Switch("b");
        Assert.Equal(["a"], s.Loaded);
        Assert.Equal(("loading", "b", true), (s.Lanes.Status.Phase, s.Lanes.Status.GoalModel, s.Lanes.Status.Switching));
        var meanwhile = s.Arrive();
        Assert.Equal("a", meanwhile.Lease!.Model);

        s.Finish();

        Assert.Equal((SwitchOutcome.Switched, "a", "b"),
            (ReportOf(report).Outcome, report.Result.PreviousModel, report.Result.ActiveModel));
        Assert.Equal(["load"], report.Result.Phases.Select(phase => phase.Name));
        Assert.Equal("b", s.Arrive().Lease!.Model);
        Assert.Equal(["b", "a"], s.Loaded);
        // What is about an answer of the model that leaves.
        Assert.Equal("a", s.Arrive(new RequestAsk { Model = "a", Intent = RequestIntent.Look, JoinsAnswer = true }).Lease!.Model);
        s.Do(running.Return);
        s.Finish();
        Assert.Equal(["b", "a"], s.Loaded);
        s.Do(meanwhile.Return);
        s.Finish();
        Assert.Equal(["b"], s.Loaded);
        Assert.Single(s.Lanes.Loops);
        Assert.Equal(["b"], s.Remembered);
    }

    [Fact]
    public void Load_that_fails_is_not_noticed_by_the_active_model()
    {
        var s = new LaneSimulation(LaneSimulation.Config());
        var running = s.Arrive();
        var report = s.Switch("b");
        s.Finish(succeed: false);
        Assert.Equal((SwitchOutcome.LoadFailed, "a", "exited"),
            (ReportOf(report).Outcome, report.Result.ActiveModel, report.Result.Reason));
        Assert.Equal("a", s.Arrive().Lease!.Model);
        Assert.False(running.Lease!.Aborted.IsCancellationRequested);
        s.Finish();
        Assert.Single(s.Lanes.Loops);
        Assert.Equal(("ready", "a"), (s.Lanes.Status.Phase, s.ActiveModel));
    }

    [Fact]
    public void Model_without_a_place_is_refused_with_the_reason_and_force_does_not_help()
    {
        var s = new LaneSimulation(LaneSimulation.Config()) { Place = _ => new LanePlace(true, "No room.") };
        Assert.Equal((SwitchOutcome.NoPlace, "No room.", "does_not_fit"),
            (ReportOf(s.Switch("b", force: true)) is var report ? report.Outcome : default, report.Error, report.Reason));
        var other = s.Arrive("b");
        s.Advance(Second);
        Assert.Equal(RefusalKind.ModelFailed, other.Refusal!.Kind);
        Assert.Contains("No room.", other.Refusal.Message, StringComparison.Ordinal);
        Assert.Equal("a", s.Arrive().Lease!.Model);
    }

    [Fact]
    public void Auto_without_proof_switches_as_ever()
    {
        var s = new LaneSimulation(LaneSimulation.Config(SwitchPolicy.Auto)) { Place = _ => InPlace };
        var report = s.Switch("b");
        Assert.Equal("unloading", s.Lanes.Status.Phase);
        var waiting = s.Arrive();
        Assert.True(waiting.Waits);
        s.Finish();
        Assert.Equal((SwitchOutcome.Switched, "b"), (ReportOf(report).Outcome, report.Result.ActiveModel));
        Assert.Equal("b", waiting.Lease!.Model);
        s.Do(waiting.Return);
        s.Advance(TimeSpan.FromMinutes(1));
        var back = s.Arrive("a");
        s.Advance(TimeSpan.FromMinutes(1));
        s.Finish();
        Assert.Equal("a", back.Lease!.Model);
        Assert.Single(s.Lanes.Loops);
    }

    [Fact]
    public void Request_that_names_another_model_gets_it_while_others_go_on()
    {
        var s = new LaneSimulation(LaneSimulation.Config());
        var running = s.Arrive();
        var other = s.Arrive("b");
        Assert.True(other.Waits);
        s.Advance(TimeSpan.FromMinutes(2));
        var meanwhile = s.Arrive("a");
        Assert.Equal("a", meanwhile.Lease!.Model);
        s.Finish();
        Assert.Equal("b", other.Lease!.Model);
        Assert.Equal("b", s.ActiveModel);
        s.Do(running.Return);
        s.Do(meanwhile.Return);
        s.Finish();
        Assert.Equal(["b"], s.Loaded);
    }

    [Fact]
    public void Model_that_is_asked_for_again_before_its_answers_have_ended_comes_back_without_a_load()
    {
        var s = new LaneSimulation(LaneSimulation.Config());
        var running = s.Arrive();
        s.Switch("b");
        s.Finish();
        Assert.Equal(2, s.Loads);
        var report = s.Switch("a");
        Assert.Equal((SwitchOutcome.AlreadyActive, "b", "a"),
            (ReportOf(report).Outcome, report.Result.PreviousModel, report.Result.ActiveModel));
        s.Finish();
        Assert.Equal((2, "a"), (s.Loads, s.ActiveModel));
        Assert.Equal(["a"], s.Loaded);
        s.Do(running.Return);
        Assert.Equal("a", s.Arrive().Lease!.Model);
    }

    [Fact]
    public void Several_stay_and_the_least_recently_used_leaves()
    {
        var s = new LaneSimulation(LaneSimulation.Config(modelsMax: 2));
        s.Advance(Second);
        s.Switch("b");
        s.Finish();
        Assert.Equal(["b", "a"], s.Loaded);
        s.Advance(Second);
        var a = s.Arrive("a");
        Assert.Equal(("a", "b"), (a.Lease!.Model, s.ActiveModel));
        s.Do(a.Return);
        s.Advance(Second);
        Assert.Equal(SwitchOutcome.AlreadyActive, ReportOf(s.Switch("a")).Outcome);
        Assert.Equal((2, "a"), (s.Loads, s.ActiveModel));

        s.Advance(Second);
        var c = s.Switch("c");
        s.Finish();
        Assert.Equal(SwitchOutcome.Switched, ReportOf(c).Outcome);
        Assert.Equal(["c", "a"], s.Loaded);
    }

    [Fact]
    public void Model_for_which_there_is_room_comes_at_once()
    {
        var s = new LaneSimulation(LaneSimulation.Config(modelsMax: 3));
        var running = s.Arrive();
        var b = s.Arrive("b");
        var c = s.Arrive("c");
        s.Finish();
        Assert.Equal(("b", "c"), (b.Lease!.Model, c.Lease!.Model));
        Assert.Equal(["c", "a", "b"], s.Loaded);
        Assert.False(running.Lease!.Aborted.IsCancellationRequested);
    }

    [Fact]
    public void Force_cuts_the_answers_of_the_model_that_leaves_at_the_deadline_and_not_before()
    {
        var s = new LaneSimulation(LaneSimulation.Config());
        var running = s.Arrive();
        s.Switch("b", force: true, drainTimeout: 5 * Second);
        s.Finish();
        s.Advance(4 * Second);
        Assert.False(running.Lease!.Aborted.IsCancellationRequested);
        s.Advance(Second);
        Assert.True(SpinWait.SpinUntil(() => running.Lease.Aborted.IsCancellationRequested, 10 * Second));
        s.Do(running.Return);
        s.Finish();
        Assert.Equal(["b"], s.Loaded);
    }

    [Fact]
    public void Switch_waits_for_the_place_of_a_model_that_leaves_no_longer_than_for_running_answers()
    {
        var s = new LaneSimulation(LaneSimulation.Config());
        var running = s.Arrive();
        s.Switch("b");
        s.Finish();
        var late = s.Switch("c", drainTimeout: 5 * Second);
        Assert.Equal(("draining", "c"), (s.Lanes.Status.Phase, s.Lanes.Status.GoalModel));
        s.Advance(5 * Second);
        Assert.Equal((SwitchOutcome.DrainTimedOut, "b"), (ReportOf(late).Outcome, late.Result.ActiveModel));
        var next = s.Switch("c");
        s.Do(running.Return);
        s.Finish();
        Assert.Equal((SwitchOutcome.Switched, "c"), (ReportOf(next).Outcome, s.ActiveModel));
    }

    [Fact]
    public void Stop_ends_every_lane_and_answers_everybody()
    {
        var s = new LaneSimulation(LaneSimulation.Config(modelsMax: 2));
        s.Switch("b");
        s.Finish();
        var coming = s.Switch("c");
        var waiting = s.Switch("d");
        s.Do(s.Lanes.Stop);
        s.Finish();
        Assert.Equal(SwitchOutcome.Stopping, ReportOf(coming).Outcome);
        Assert.Equal(SwitchOutcome.Stopping, ReportOf(waiting).Outcome);
        Assert.All(s.Lanes.Loops, loop => Assert.Equal(SwitchPhase.Stopped, loop.State.Phase));
        Assert.All(s.Backends, backend => Assert.Null(backend.Loaded));
        Assert.Equal(RefusalKind.Stopping, s.Arrive().Refusal!.Kind);
    }

    [Fact]
    public void Clients_that_alternate_keep_their_model_for_as_long_as_with_one_place()
    {
        var beside = LoadsOfAlternation(LaneSimulation.Config());
        var inPlace = LoadsOfAlternation(LaneSimulation.Config(SwitchPolicy.Auto), fits: false);
        // The turns are as long, and between two of them nothing drains.
        Assert.InRange(beside, 2, inPlace + (inPlace / 10) + 1);
    }

    /// <summary>Two clients, each with its model, each asking again a moment after its answer; virtual minutes.</summary>
    private static int LoadsOfAlternation(HotModelConfig config, bool fits = true)
    {
        var s = new LaneSimulation(config) { Place = _ => new LanePlace(fits, null) };
        var clients = new Dictionary<string, LaneSimulation.Client> { ["a"] = s.Arrive("a"), ["b"] = s.Arrive("b") };
        for (var i = 0; i < 150; i++)
        {
            foreach (var model in (string[])["a", "b"])
            {
                if (clients[model].Waits)
                    continue;
                s.Do(clients[model].Return);
                clients[model] = s.Arrive(model);
            }
            s.Advance(Second);
            // A load takes a second, too.
            s.Finish();
        }
        return s.Loads;
    }
}
