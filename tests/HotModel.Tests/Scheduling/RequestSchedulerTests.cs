using HotModel.Scheduling;

namespace HotModel.Tests.Scheduling;

/// <summary>One rule each. A switch takes 10 s (1 s of unloading), so a model's residency is 20 s; the bound is 60 s.</summary>
public class RequestSchedulerTests
{
    private static readonly Dictionary<string, SimulatedModel> Models = new()
    {
        ["a"] = new(Seconds(1), Seconds(9)),
        ["b"] = new(Seconds(1), Seconds(9)),
        ["c"] = new(Seconds(1), Seconds(9)),
    };

    private static readonly ScheduleRules Rules = Workload.Rules() with
    {
        UsualUnload = Seconds(1),
        UsualLoad = Seconds(9),
        UsualAnswer = Seconds(5),
    };

    private static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);

    private static SchedulerSimulation Loaded(string? model = "a", ScheduleRules? rules = null, string? broken = null) =>
        new(rules ?? Rules, Models, model, "a rule") { LoadFails = m => m == broken };

    private static SimulatedFate Ask(
        SchedulerSimulation s, string? model, double takes = 1, RequestIntent intent = RequestIntent.Normal) =>
        s.Arrive(new SimulatedRequest(s.Now, model, Seconds(takes)) { Intent = intent });

    private static void Pass(SchedulerSimulation s, double seconds) => s.Run(s.Now + Seconds(seconds));

    /// <summary>Requests without a pause: before one ends the next one has come.</summary>
    private static void KeepBusy(SchedulerSimulation s, string model, double until)
    {
        for (var at = 0.0; at < until; at += 2)
            s.Add(new SimulatedRequest(s.Now + Seconds(at), model, Seconds(5)));
    }

    private static void Waited(double seconds, SimulatedFate fate) => Assert.Equal(Seconds(seconds), fate.Waited);

    [Fact]
    public void Request_for_the_loaded_model_is_let_in_at_once()
    {
        var s = Loaded();
        Waited(0, Ask(s, "a"));
        Waited(0, Ask(s, null));
        Assert.Equal(0, s.Switches);
    }

    [Fact]
    public void First_request_has_its_model_loaded()
    {
        var s = Loaded(null);
        var first = Ask(s, "b");
        s.Run();
        Waited(9, first);
    }

    [Fact]
    public void Request_for_the_active_model_where_there_never_was_one_is_refused() =>
        Assert.Equal(RefusalKind.NoActiveModel, Ask(Loaded(null), null).Refusal);

    [Fact]
    public void Those_who_wait_for_a_model_are_let_in_together()
    {
        var s = Loaded();
        Ask(s, "a");
        var one = Ask(s, "b");
        Pass(s, 5);
        var two = Ask(s, "b");
        s.Run();
        Assert.Equal(one.AdmittedAt, two.AdmittedAt);
        Assert.Equal(1, s.Switches);
    }

    [Fact]
    public void Unused_model_is_kept_for_its_residency_while_somebody_waits()
    {
        var s = Loaded();
        Ask(s, "a");
        var other = Ask(s, "b");
        s.Run();
        Waited(20 + 10, other);
    }

    [Fact]
    public void Model_in_use_has_a_turn_of_twenty_times_what_leaving_it_takes()
    {
        // Of 5 s answers, and 10 s for a switch: without a bound that comes sooner.
        var s = Loaded(rules: Rules with { MaxWait = Seconds(1000) });
        KeepBusy(s, "a", until: 400);
        Pass(s, 1);
        var other = Ask(s, "b");
        s.Run();
        // The last one of the turn begins at 298 s.
        Waited(20 * (5 + 1 + 9) - 1 + 3 + 10, other);
    }

    [Fact]
    public void Unused_model_is_kept_for_less_the_more_wait()
    {
        var s = Loaded();
        Ask(s, "a");
        var others = new[] { Ask(s, "b"), Ask(s, "b"), Ask(s, "b"), Ask(s, "b") };
        s.Run();
        Assert.All(others, other => Waited(20.0 / 4 + 10, other));
    }

    [Fact]
    public void Client_that_thinks_between_two_calls_causes_no_switch()
    {
        var s = Loaded();
        Ask(s, "a");
        var other = Ask(s, "b");
        Pass(s, 15);
        Waited(0, Ask(s, "a"));
        Assert.Equal(GateState.Open, s.State.Gate);
        s.Run();
        Waited(15 + 1 + 20 + 10, other);
    }

    [Fact]
    public void Model_whose_clients_take_long_pauses_is_not_kept_for_them()
    {
        var s = Loaded();
        for (var i = 0; i < 3; i++, Pass(s, 100))
            Ask(s, "a");
        Ask(s, "a");
        var other = Ask(s, "b");
        s.Run();
        Waited(1 + 10, other);
    }

    [Fact]
    public void Model_that_was_loaded_for_who_has_gone_is_left_at_once()
    {
        var s = Loaded();
        var gone = Ask(s, "b");
        var other = Ask(s, "c");
        Pass(s, 15);
        s.Leave(gone);
        s.Run();
        Waited(10 + 10 + 10, other);
    }

    [Fact]
    public void Gate_closes_in_time_however_requests_overlap()
    {
        var s = Loaded();
        KeepBusy(s, "a", until: 200);
        Pass(s, 10);
        var other = Ask(s, "b");
        s.Run();
        Assert.InRange(other.Waited, Seconds(50), Seconds(60));
        Assert.All(s.Fates, f => Assert.True(f.Waited <= Seconds(60)));
    }

    [Fact]
    public void Model_that_has_been_waited_for_longest_comes_next()
    {
        var s = Loaded();
        Ask(s, "a");
        var first = Ask(s, "b");
        Pass(s, 0.5);
        var second = Ask(s, "c");
        Ask(s, "c");
        Ask(s, "c");
        s.Run();
        Assert.True(first.AdmittedAt < second.AdmittedAt);
    }

    [Fact]
    public void Drain_ends_when_nobody_needs_it_any_more()
    {
        var s = Loaded(rules: Rules with { MaxWait = Seconds(5) });
        Ask(s, "a", takes: 30);
        var gone = Ask(s, "b");
        Assert.Equal(GateState.Draining, s.State.Gate);
        var waiting = Ask(s, "a");
        Pass(s, 3);
        s.Leave(gone);
        Waited(3, waiting);
        s.Run();
        Assert.Equal(0, s.Switches);
    }

    [Fact]
    public void Request_without_a_name_takes_what_comes()
    {
        var s = Loaded(rules: Rules with { MaxWait = Seconds(5) });
        Ask(s, "a", takes: 3);
        Ask(s, "b");
        var any = Ask(s, null);
        s.Run();
        Assert.Equal("b", any.AdmittedTo);
    }

    [Fact]
    public void Background_request_uses_the_loaded_model() =>
        Waited(0, Ask(Loaded(), "a", intent: RequestIntent.Background));

    [Fact]
    public void Background_request_waits_until_nobody_else_needs_the_place()
    {
        var s = Loaded();
        Ask(s, "a", takes: 30);
        var background = Ask(s, "b", intent: RequestIntent.Background);
        var normal = Ask(s, "c");
        s.Run();
        Assert.True(normal.AdmittedAt < background.AdmittedAt);
        Waited(40 + 1 + 20 + 10, background);
    }

    [Fact]
    public void Background_request_never_closes_the_gate()
    {
        var s = Loaded();
        KeepBusy(s, "a", until: 300);
        var background = Ask(s, "b", intent: RequestIntent.Background);
        Pass(s, 299);
        Assert.True(background.Waits);
        s.Run();
        Assert.NotNull(background.AdmittedAt);
    }

    [Fact]
    public void Background_request_that_may_not_wait_is_refused_unless_its_model_comes()
    {
        var s = Loaded(rules: Rules with { BackgroundWaits = false });
        Ask(s, "a");
        Assert.Equal(RefusalKind.Background, Ask(s, "b", intent: RequestIntent.Background).Refusal);
        Ask(s, "b");
        Pass(s, 25);
        Assert.True(Ask(s, "b", intent: RequestIntent.Background).Waits);
        Assert.Equal(RefusalKind.Background, Ask(s, "a", intent: RequestIntent.Background).Refusal);
    }

    [Fact]
    public void Background_answers_do_not_keep_a_model_from_being_left()
    {
        var s = Loaded();
        Ask(s, "a");
        Pass(s, 21);
        Ask(s, "a", takes: 4, intent: RequestIntent.Background);
        var other = Ask(s, "b");
        s.Run();
        Waited(4 + 10, other);
    }

    [Fact]
    public void Queues_are_bounded_per_model_and_in_all()
    {
        var s = Loaded(null, Rules with { QueueLimit = 3, QueueLimitPerModel = 2 });
        Ask(s, "a");
        Ask(s, "a");
        Assert.Equal(RefusalKind.ModelQueueFull, Ask(s, "a").Refusal);
        Ask(s, "b");
        Assert.Equal(RefusalKind.QueueFull, Ask(s, "c").Refusal);
    }

    [Fact]
    public void Requests_that_name_no_model_are_bounded_only_in_all()
    {
        var s = Loaded(null, Rules with { QueueLimit = 3, QueueLimitPerModel = 1 });
        Ask(s, "a");
        Assert.True(Ask(s, null).Waits);
        Assert.True(Ask(s, null).Waits);
        Assert.Equal(RefusalKind.QueueFull, Ask(s, null).Refusal);
    }

    [Fact]
    public void Look_at_a_model_has_none_loaded_and_is_no_use_of_it()
    {
        var rules = Rules with { Models = new Dictionary<string, ModelRules> { ["a"] = new(Seconds(5)) } };
        var s = Loaded(rules: rules);
        Assert.Equal(RefusalKind.OtherModel, Ask(s, "b", intent: RequestIntent.Look).Refusal);
        Pass(s, 4);
        Waited(0, Ask(s, "a", takes: 0.1, intent: RequestIntent.Look));
        Pass(s, 1);
        Assert.Equal(GateState.Empty, s.State.Gate == GateState.Switching ? GateState.Empty : s.State.Gate);
        Pass(s, 10);
        Assert.Equal(RefusalKind.NoActiveModel, Ask(s, null, intent: RequestIntent.Look).Refusal);
        Assert.Equal(0, s.Switches);
    }

    [Fact]
    public void Look_at_a_model_that_is_on_its_way_waits_for_it()
    {
        var s = Loaded();
        Pass(s, 20);
        Ask(s, "b");
        Pass(s, 1);
        var look = Ask(s, "b", intent: RequestIntent.Look);
        Assert.True(look.Waits);
        Assert.Equal(RefusalKind.OtherModel, Ask(s, "a", intent: RequestIntent.Look).Refusal);
        s.Run();
        Waited(9, look);
    }

    [Fact]
    public void Look_at_a_model_that_does_not_come_after_all_is_refused()
    {
        var s = Loaded();
        KeepBusy(s, "a", until: 60);
        Pass(s, 0);
        var wanted = Ask(s, "b");
        Pass(s, 46);
        Assert.Equal(GateState.Draining, s.State.Gate);
        var look = Ask(s, "b", intent: RequestIntent.Look);
        Assert.True(look.Waits);
        s.Leave(wanted);
        Assert.Equal(RefusalKind.OtherModel, look.Refusal);
        Assert.Equal(GateState.Open, s.State.Gate);
    }

    [Fact]
    public void Where_no_model_is_switched_on_request_other_names_are_refused()
    {
        var s = Loaded(rules: Rules with { SwitchesOnRequest = false });
        Assert.Equal(RefusalKind.OtherModel, Ask(s, "b").Refusal);
        Waited(0, Ask(s, "a"));
        s.AddExplicitSwitch(s.Now, "b");
        Pass(s, 1);
        var target = Ask(s, "b");
        Assert.Equal(RefusalKind.OtherModel, Ask(s, "a").Refusal);
        s.Run();
        Assert.NotNull(target.AdmittedAt);
    }

    [Fact]
    public void Where_nobody_waits_for_a_switch_only_who_causes_it_does()
    {
        var s = Loaded(rules: Rules with { Waits = false });
        Ask(s, "a", takes: 60);
        var cause = Ask(s, "b");
        Pass(s, 1);
        Waited(0, Ask(s, "a"));
        Pass(s, 50);
        Assert.Equal("b", s.State.Target);
        Assert.Equal(RefusalKind.Switching, Ask(s, "b").Refusal);
        Assert.Equal(RefusalKind.Switching, Ask(s, null).Refusal);
        s.Run();
        Assert.NotNull(cause.AdmittedAt);
    }

    [Fact]
    public void Explicit_switch_that_waits_begins_once_those_are_let_in_whom_the_model_came_for()
    {
        var scheduler = new RequestScheduler(Rules);
        var s = new ScheduleState { Target = "a" };
        s = scheduler.Step(s, new ScheduleEvent(ScheduleEventKind.RequestArrived) { Id = 3, Model = "a" }, Seconds(0)).State;
        var step = scheduler.Step(s, new ScheduleEvent(ScheduleEventKind.ModelOpened) { Model = "a", Next = "b" }, Seconds(1));
        Assert.Equal(3, step.Decisions.Single(d => d.Kind == ScheduleDecisionKind.Admit).Id);
        Assert.Equal((GateState.Draining, "b", true), (step.State.Gate, step.State.Target, step.State.Asked));
    }

    [Fact]
    public void Client_that_leaves_is_forgotten()
    {
        var s = Loaded();
        s.Leave(Ask(s, "b"));
        s.Run();
        Assert.Equal(0, s.Switches);
        Assert.Null(s.State.WakeAt);
    }

    [Fact]
    public void Own_bound_on_waiting_ends_the_waiting_and_nothing_else()
    {
        var s = Loaded();
        KeepBusy(s, "a", until: 100);
        var hasty = s.Arrive(new SimulatedRequest(s.Now, "b", Seconds(1)) { Patience = Seconds(3) });
        Pass(s, 3);
        Assert.Equal(RefusalKind.QueueTimedOut, hasty.Refusal);
        Assert.Equal(GateState.Open, s.State.Gate);
    }

    [Fact]
    public void Who_does_not_want_to_wait_at_all_has_no_model_loaded()
    {
        var s = Loaded();
        Pass(s, 30);
        SimulatedFate Hurried(string? model) =>
            s.Arrive(new SimulatedRequest(s.Now, model, Seconds(1)) { Patience = TimeSpan.Zero });
        Assert.Equal(RefusalKind.QueueTimedOut, Hurried("b").Refusal);
        Assert.Equal("a", s.State.Loaded);
        Waited(0, Hurried("a"));
        Waited(0, Hurried(null));
    }

    [Fact]
    public void Model_that_did_not_load_is_not_tried_again_at_once()
    {
        var s = Loaded(rules: Rules with { Residency = TimeSpan.Zero }, broken: "b");
        var waiting = Ask(s, "b");
        Pass(s, 10);
        Assert.Equal(RefusalKind.ModelFailed, waiting.Refusal);
        Assert.Equal(RefusalKind.ModelFailed, Ask(s, "b").Refusal);
        Pass(s, 29);
        Assert.Equal("a", s.State.Loaded);
        Assert.Equal(RefusalKind.ModelFailed, Ask(s, "b").Refusal);
        Pass(s, 1);
        Assert.True(Ask(s, "b").Waits);
        Pass(s, 10);
        Assert.Equal(2, s.State.Of("b").Failures);
        Pass(s, 59);
        Assert.Equal(RefusalKind.ModelFailed, Ask(s, "b").Refusal);
    }

    [Fact]
    public void Failed_load_keeps_nobody_else_from_their_model()
    {
        var s = Loaded(rules: Rules with { Residency = TimeSpan.Zero }, broken: "b");
        Ask(s, "b");
        var other = Ask(s, "c");
        s.Run();
        Waited(10 + 9 + 10, other);
    }

    [Fact]
    public void Pinned_model_is_left_only_explicitly()
    {
        var rules = Rules with { Models = new Dictionary<string, ModelRules> { ["a"] = new(Seconds(5), Pinned: true) } };
        var s = Loaded(rules: rules);
        Assert.Equal(RefusalKind.Pinned, Ask(s, "b").Refusal);
        Pass(s, 100);
        Assert.Equal("a", s.State.Loaded);
        s.AddExplicitSwitch(s.Now, "b");
        s.Run();
        Assert.Equal("b", s.State.Loaded);
        Waited(0, Ask(s, "b"));
    }

    [Fact]
    public void Who_waits_when_a_pinned_model_comes_is_refused()
    {
        var rules = Rules with { Models = new Dictionary<string, ModelRules> { ["b"] = new(Pinned: true) } };
        var s = Loaded(rules: rules);
        var other = Ask(s, "c");
        s.AddExplicitSwitch(s.Now, "b");
        s.Run();
        Assert.Equal(RefusalKind.Pinned, other.Refusal);
    }

    [Fact]
    public void Whoever_waits_for_a_model_to_go_that_is_pinned_by_now_is_refused()
    {
        var s = Loaded();
        Ask(s, "a", takes: 50);
        var other = Ask(s, "b");
        var pinned = new RequestScheduler(
            Rules with { Models = new Dictionary<string, ModelRules> { ["a"] = new(Pinned: true) } });
        var step = pinned.Step(s.State, new ScheduleEvent(ScheduleEventKind.TimePassed), s.Now);
        Assert.Equal((other.Id, RefusalKind.Pinned), (step.Decisions[0].Id, step.Decisions[0].Refusal));
    }

    [Theory]
    [InlineData(ScheduleEventKind.ModelGone)]
    [InlineData(ScheduleEventKind.SwitchBegun)]
    internal void What_was_to_come_beside_a_model_does_not_when_that_is_gone(ScheduleEventKind happened)
    {
        var s = Loaded();
        Ask(s, "b");
        var step = new RequestScheduler(Rules).Step(
            s.State with { Beside = "b" }, new ScheduleEvent(happened) { Model = "c" }, s.Now);
        Assert.Null(step.State.Beside);
    }

    [Fact]
    public void Those_who_move_to_another_line_move_all_at_once_even_if_their_time_is_over()
    {
        var s = Loaded();
        Ask(s, "a", takes: 50);
        var (first, second, other) = (Ask(s, "b"), Ask(s, "b"), Ask(s, "c"));
        var late = s.State.Waiting[first.Id].GivesUp + Seconds(1);
        var step = new RequestScheduler(Rules).Step(
            s.State, new ScheduleEvent(ScheduleEventKind.LineMoved) { Model = "b" }, late);
        Assert.DoesNotContain(step.Decisions, decision => decision.Id == first.Id || decision.Id == second.Id);
        Assert.Contains(step.Decisions, decision => decision.Id == other.Id && decision.Refusal == RefusalKind.QueueTimedOut);
        Assert.Empty(step.State.Waiting);
    }

    [Fact]
    public void Unused_model_is_unloaded_after_its_time_and_comes_back_when_asked_for()
    {
        var rules = Rules with { Models = new Dictionary<string, ModelRules> { ["a"] = new(Seconds(30)) } };
        var s = Loaded(rules: rules);
        Pass(s, 20);
        Ask(s, "a");
        Pass(s, 30);
        Assert.Equal("a", s.State.Loaded);
        Pass(s, 2);
        Assert.Equal(GateState.Empty, s.State.Gate);
        var back = Ask(s, null);
        s.Run(s.Now + Seconds(9));
        Assert.Equal("a", back.AdmittedTo);
    }

    [Fact]
    public void Request_that_comes_before_a_late_timer_finds_the_model()
    {
        var rules = Rules with { Models = new Dictionary<string, ModelRules> { ["a"] = new(Seconds(30)) } };
        var s = new SchedulerSimulation(rules, Models, "a", "a rule") { Late = () => Seconds(1) };
        Ask(s, "a");
        Pass(s, 31.5);
        Waited(0, Ask(s, "a"));
    }

    [Fact]
    public void Explicit_switch_comes_before_who_waits_and_then_keeps_its_place_for_the_residency()
    {
        var s = Loaded();
        Ask(s, "a");
        var other = Ask(s, "b");
        s.AddExplicitSwitch(Seconds(0), "c");
        s.Run();
        Waited(1 + 10 + 20 + 10, other);
    }

    [Fact]
    public void Lost_model_gives_way_to_one_that_is_waited_for()
    {
        var s = Loaded();
        Ask(s, "a", takes: 30);
        var other = Ask(s, "b");
        s.AddLoss(Seconds(2));
        s.Run();
        Waited(2 + 9, other);
    }

    [Fact]
    public void Stop_refuses_everybody()
    {
        var s = Loaded();
        var waiting = Ask(s, "b");
        s.Stop();
        Assert.Equal(RefusalKind.Stopping, waiting.Refusal);
        Assert.Equal(RefusalKind.Stopping, Ask(s, "a").Refusal);
    }

    [Fact]
    public void Costs_are_measured()
    {
        var s = Loaded();
        Ask(s, "b", takes: 3);
        s.Run();
        Assert.Equal(Seconds(9), s.State.Of("b").Load!.Value.Mean);
        Assert.Equal(Seconds(1), s.State.Of("a").Unload!.Value.Mean);
        Assert.Equal(Seconds(3), s.State.Of("b").Answer!.Value.Mean);
    }

    [Fact]
    public void Who_waits_can_be_told_the_place()
    {
        var s = Loaded(rules: Rules with { Residency = Seconds(20) });
        Ask(s, "a");
        var first = Ask(s, "b");
        var second = Ask(s, "c");
        var third = Ask(s, "b");
        Pass(s, 1);
        Assert.Equal((1, 2, 3), (s.PositionOf(first), s.PositionOf(third), s.PositionOf(second)));
        s.Run();
        Waited(30, first);
        Assert.Null(s.PositionOf(first));
    }
}
