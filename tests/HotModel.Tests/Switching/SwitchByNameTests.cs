using HotModel.Configuration;
using HotModel.Scheduling;
using HotModel.Switching;

namespace HotModel.Tests.Switching;

/// <summary>Requests that name a model: the loop with its scheduler and its machine.</summary>
public class SwitchByNameTests
{
    private static readonly HotModelConfig Config = TestConfig.Create("a", "b", "c");

    private static SwitchSimulation Ready(HotModelConfig? config = null)
    {
        var simulation = new SwitchSimulation(config ?? Config, "a");
        simulation.Finish();
        Assert.Equal(SwitchPhase.Ready, simulation.Loop.State.Phase);
        return simulation;
    }

    private static RequestAsk For(string model) => new() { Model = model };

    /// <summary>Until unload, settling and load have ended.</summary>
    private static void FinishSwitch(SwitchSimulation s)
    {
        s.Finish();
        s.Finish();
    }

    [Fact]
    public void Request_for_another_model_gets_it()
    {
        var s = Ready();
        var other = s.Arrive(For("b"));
        FinishSwitch(s);
        Assert.Equal("b", other.Lease!.Model);
        Assert.Equal(["b"], s.Remembered);
        Assert.Equal("b", s.Arrive().Lease!.Model);
    }

    [Fact]
    public void Running_answers_end_first_and_nobody_is_let_in_behind_them()
    {
        var s = Ready();
        var running = s.Arrive();
        var other = s.Arrive(For("b"));
        s.Advance(Config.Server.QueueMaxWait);
        Assert.Equal(SwitchPhase.Draining, s.Loop.State.Phase);
        var back = s.Arrive(For("a"));
        s.Do(() => running.Return());
        FinishSwitch(s);
        Assert.Equal("b", other.Lease!.Model);
        Assert.Null(back.Lease);
        s.Do(() => other.Return());
        s.Advance(TimeSpan.FromSeconds(30));
        FinishSwitch(s);
        Assert.Equal("a", back.Lease!.Model);
    }

    [Fact]
    public void Request_about_a_running_answer_reaches_it_while_its_model_drains_and_nothing_waits_for_its_end()
    {
        var s = Ready();
        var control = new RequestAsk { Intent = RequestIntent.Look, JoinsAnswer = true };
        var running = s.Arrive();
        s.Switch("b");
        Assert.Equal(SwitchPhase.Draining, s.Loop.State.Phase);
        Assert.Equal("a", s.Arrive(control).Lease!.Model);
        Assert.Equal("a", s.Arrive(control with { Model = "a" }).Lease!.Model);
        var other = s.Arrive(control with { Model = "b" });
        Assert.Null(other.Lease);
        s.Do(() => running.Return());
        Assert.Equal(SwitchPhase.Unloading, s.Loop.State.Phase);
        var late = s.Arrive(control);
        Assert.Null(late.Lease);
        FinishSwitch(s);
        Assert.Equal(("b", "b"), (other.Lease!.Model, late.Lease!.Model));
    }

    [Fact]
    public void Request_about_a_running_answer_ends_with_it_where_it_is_cut()
    {
        var s = Ready();
        var running = s.Arrive();
        var control = s.Arrive(new RequestAsk { Intent = RequestIntent.Look, JoinsAnswer = true });
        s.Switch("b", force: true, drainTimeout: TimeSpan.FromSeconds(1));
        s.Advance(TimeSpan.FromSeconds(1));
        Assert.True(SpinWait.SpinUntil(
            () => running.Lease!.Aborted.IsCancellationRequested && control.Lease!.Aborted.IsCancellationRequested,
            TimeSpan.FromSeconds(10)));
        s.Do(() => running.Return(answered: false));
        FinishSwitch(s);
        Assert.Equal("b", s.Loop.State.Active);
    }

    [Fact]
    public void Answer_longer_than_any_drain_lets_nobody_in_before_who_has_waited_longer()
    {
        var s = Ready();
        var running = s.Arrive();
        var other = s.Arrive(For("b") with { Patience = 4 * Config.Server.DrainTimeout });
        s.Advance(Config.Server.QueueMaxWait);
        var later = s.Arrive(For("a") with { Patience = 4 * Config.Server.DrainTimeout });
        s.Advance(Config.Server.DrainTimeout);
        s.Advance(Config.Server.DrainTimeout);
        Assert.Null(later.Lease);
        s.Do(() => running.Return());
        FinishSwitch(s);
        Assert.Equal("b", other.Lease!.Model);
        Assert.Null(later.Lease);
    }

    [Fact]
    public void Time_that_a_request_has_waited_elsewhere_is_part_of_its_own_bound()
    {
        var s = Ready();
        s.Arrive();
        var other = s.Arrive((For("b") with { Patience = TimeSpan.FromSeconds(5) }).After(TimeSpan.FromSeconds(4)));
        s.Advance(TimeSpan.FromSeconds(1));
        Assert.Contains("within 5 s (the request's Prefer: wait)", other.Refusal!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Whoever_takes_what_comes_is_first_where_nobody_waits_for_it_by_name()
    {
        var s = Ready();
        s.Arrive();
        s.Switch("b");
        s.Arrive(For("c"));
        s.Arrive();
        var waiting = s.Loop.Schedule.Waiting.Keys.Order().ToArray();
        Assert.Equal([2, 1], waiting.Select(id => RequestScheduler.PositionOf(s.Loop.Schedule, id)));
    }

    [Fact]
    public void Switch_that_nobody_needs_any_more_is_given_up_before_anything_is_unloaded()
    {
        var s = Ready();
        var running = s.Arrive();
        var other = s.Arrive(For("b"));
        s.Advance(Config.Server.QueueMaxWait);
        s.Do(other.Leave);
        Assert.Equal(SwitchPhase.Ready, s.Loop.State.Phase);
        Assert.NotNull(s.Arrive().Lease);
        Assert.False(running.Lease!.Aborted.IsCancellationRequested);
        Assert.Equal("a", s.Backend.Loaded);
    }

    [Fact]
    public void Switch_away_from_a_model_that_died_meanwhile_is_not_given_up()
    {
        var s = Ready();
        var running = s.Arrive();
        var other = s.Arrive(For("b"));
        s.Advance(Config.Server.QueueMaxWait);
        Assert.Equal(SwitchPhase.Draining, s.Loop.State.Phase);
        s.Do(s.Backend.Lose);
        var any = s.Arrive();
        s.Do(other.Leave);
        Assert.Null(any.Lease);
        s.Do(() => running.Return(answered: false));
        FinishSwitch(s);
        Assert.Equal("b", any.Lease!.Model);
    }

    [Fact]
    public void Explicit_switch_takes_the_place_of_a_scheduled_one_that_still_drains()
    {
        var s = Ready();
        var running = s.Arrive();
        var other = s.Arrive(For("b"));
        s.Advance(Config.Server.QueueMaxWait);
        var report = s.Switch("c");
        s.Do(() => running.Return());
        FinishSwitch(s);
        Assert.Equal("c", report.Result.ActiveModel);
        s.Advance(TimeSpan.FromSeconds(30));
        FinishSwitch(s);
        Assert.Equal("b", other.Lease!.Model);
    }

    [Fact]
    public void Explicit_switch_to_the_model_that_still_answers_ends_a_scheduled_drain()
    {
        var s = Ready();
        s.Arrive();
        s.Arrive(For("b"));
        s.Advance(Config.Server.QueueMaxWait);
        var waiting = s.Arrive(For("a"));
        var report = s.Switch("a");
        Assert.Equal(SwitchOutcome.AlreadyActive, report.Result.Outcome);
        Assert.Equal("a", waiting.Lease!.Model);
    }

    [Fact]
    public void Explicit_switch_behind_a_scheduled_load_lets_those_in_first_whom_it_was_for()
    {
        var s = Ready();
        var other = s.Arrive(For("b"));
        var report = s.Switch("c");
        FinishSwitch(s);
        Assert.Equal("b", other.Lease!.Model);
        Assert.False(report.IsCompleted);
        s.Do(() => other.Return());
        FinishSwitch(s);
        Assert.Equal("c", report.Result.ActiveModel);
    }

    [Fact]
    public void Model_that_does_not_load_is_told_to_who_named_it_and_the_old_one_comes_back()
    {
        var s = Ready();
        var other = s.Arrive(For("b"));
        var any = s.Arrive();
        s.Finish();
        s.Finish(succeed: false, permanent: true);
        Assert.Equal(RefusalKind.ModelFailed, other.Refusal!.Kind);
        Assert.Contains("scripted failure", other.Refusal.Message);
        Assert.NotNull(other.Refusal.RetryAfter);
        FinishSwitch(s);
        Assert.Equal("a", any.Lease!.Model);
        Assert.Equal(RefusalKind.ModelFailed, s.Arrive(For("b")).Refusal!.Kind);
    }

    [Fact]
    public void Unused_model_is_unloaded_and_comes_back_for_the_next_request()
    {
        var s = Ready(With("a", a => a with { IdleUnload = TimeSpan.FromSeconds(60) }));
        s.Do(() => s.Arrive().Return());
        s.Advance(TimeSpan.FromSeconds(59));
        Assert.Equal(SwitchPhase.Ready, s.Loop.State.Phase);
        s.Advance(TimeSpan.FromSeconds(1));
        s.Finish();
        Assert.Equal((SwitchPhase.Idle, "a"), (s.Loop.State.Phase, s.Loop.State.Active));
        Assert.Null(s.Backend.Loaded);
        Assert.Equal(RefusalKind.NoActiveModel, s.Arrive(RequestAsk.Active with { Intent = RequestIntent.Look }).Refusal!.Kind);
        var next = s.Arrive();
        s.Finish();
        Assert.Equal("a", next.Lease!.Model);
    }

    [Fact]
    public void Request_during_an_idle_unload_gets_the_model_again()
    {
        var s = Ready(With("a", a => a with { IdleUnload = TimeSpan.FromSeconds(60) }));
        s.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal(SwitchPhase.Unloading, s.Loop.State.Phase);
        var next = s.Arrive();
        FinishSwitch(s);
        Assert.Equal("a", next.Lease!.Model);
    }

    [Fact]
    public void Pinned_model_stays_and_says_so()
    {
        var s = Ready(With("a", a => a with { Pin = true }));
        var other = s.Arrive(For("b"));
        Assert.Equal(RefusalKind.Pinned, other.Refusal!.Kind);
        Assert.Contains("'a' is pinned", other.Refusal.Message);
        var report = s.Switch("b");
        FinishSwitch(s);
        Assert.Equal("b", report.Result.ActiveModel);
    }

    [Fact]
    public void Where_other_names_are_rejected_the_message_names_the_active_model()
    {
        var s = Ready(Config with { Server = Config.Server with { SwitchOnRequest = SwitchOnRequest.Reject } });
        var refusal = s.Arrive(For("b")).Refusal!;
        Assert.Equal(RefusalKind.OtherModel, refusal.Kind);
        Assert.Contains("The active model is 'a'", refusal.Message);
        Assert.NotNull(s.Arrive(For("a")).Lease);
    }

    [Fact]
    public void Own_bound_on_waiting_is_named_in_the_refusal()
    {
        var s = Ready();
        s.Arrive();
        var hasty = s.Arrive(For("b") with { Patience = TimeSpan.FromSeconds(2) });
        s.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(RefusalKind.QueueTimedOut, hasty.Refusal!.Kind);
        Assert.StartsWith("The model 'b' was not ready within 2 s (the request's Prefer: wait).", hasty.Refusal.Message);
    }

    [Fact]
    public void Background_request_waits_until_nobody_uses_the_model()
    {
        var s = Ready();
        var background = s.Arrive(For("b") with { Intent = RequestIntent.Background });
        var used = s.Arrive();
        s.Advance(TimeSpan.FromSeconds(100));
        Assert.Null(background.Lease);
        s.Do(() => used.Return());
        s.Advance(TimeSpan.FromSeconds(30));
        FinishSwitch(s);
        Assert.Equal("b", background.Lease!.Model);
    }

    [Fact]
    public void Measured_times_of_a_switch_are_known_afterwards()
    {
        var s = Ready();
        s.Arrive(For("b"));
        s.Advance(TimeSpan.FromSeconds(2));
        s.Finish();
        s.Advance(TimeSpan.FromSeconds(7));
        s.Finish();
        Assert.Equal((TimeSpan.FromSeconds(2), (TimeSpan?)TimeSpan.Zero), s.Lanes.UsualTimes("a"));
        Assert.Equal((null, (TimeSpan?)TimeSpan.FromSeconds(7)), s.Lanes.UsualTimes("b"));
    }

    private static HotModelConfig With(string name, Func<ModelConfig, ModelConfig> change) => Config with
    {
        Models = Config.Models.ToDictionary(m => m.Key, m => m.Key == name ? change(m.Value) : m.Value),
    };
}
