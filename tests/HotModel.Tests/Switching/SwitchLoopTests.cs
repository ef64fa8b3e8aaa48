using HotModel.Configuration;
using HotModel.Scheduling;
using HotModel.Snapshots;
using HotModel.Switching;

namespace HotModel.Tests.Switching;

public class SwitchLoopTests
{
    private static readonly HotModelConfig Config = TestConfig.Create("a", "b");

    /// <summary>Model a answers.</summary>
    private static SwitchSimulation Ready(HotModelConfig? config = null)
    {
        var simulation = new SwitchSimulation(config ?? Config, "a");
        simulation.Finish();
        Assert.Equal(SwitchPhase.Ready, simulation.Loop.State.Phase);
        return simulation;
    }

    [Fact]
    public void Switch_with_a_running_answer_drains_first_and_reports_each_phase()
    {
        var s = Ready();
        var running = s.Arrive();
        var report = s.Switch("b");
        var waiting = s.Arrive();
        Assert.Equal(SwitchPhase.Draining, s.Loop.State.Phase);
        Assert.Equal("a", s.Backend.Loaded);

        s.Advance(TimeSpan.FromSeconds(3));
        s.Do(() => running.Return());
        s.Finish();
        s.Advance(TimeSpan.FromSeconds(2));
        s.Finish();

        Assert.Equal("b", waiting.Lease!.Model);
        Assert.Equal("b", waiting.Lease.Upstream.Model);
        var done = report.Result;
        Assert.Equal(("a", "b", 5.0), (done.PreviousModel, done.ActiveModel, done.ElapsedSeconds));
        Assert.Equal(["drain", "unload", "settle", "load"], done.Phases.Select(p => p.Name));
        Assert.Equal([3.0, 0.0, 0.0, 2.0], done.Phases.Select(p => p.Seconds));
        Assert.Null(done.Error);
        Assert.Equal(["b"], s.Remembered);
    }

    [Fact]
    public void Drain_past_its_deadline_fails_the_switch_and_unloads_nothing()
    {
        var s = Ready();
        var running = s.Arrive();
        var report = s.Switch("b");
        var waiting = s.Arrive();
        s.Advance(Config.Server.DrainTimeout);

        Assert.Equal("drain_timed_out", report.Result.Reason);
        Assert.Contains("within 300 s", report.Result.Error);
        Assert.Contains(" switch_drain_timeout_seconds", report.Result.Error);
        Assert.Equal("a", s.Backend.Loaded);
        Assert.Equal("a", waiting.Lease!.Model);
        Assert.False(running.Lease!.Aborted.IsCancellationRequested);
    }

    [Fact]
    public void Drain_that_timed_out_fails_only_the_switch_whose_time_it_was()
    {
        var s = Ready();
        var running = s.Arrive();
        var hurried = s.Switch("b", drainTimeout: TimeSpan.FromSeconds(1));
        var patient = s.Switch("b", drainTimeout: TimeSpan.FromSeconds(60));
        s.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("drain_timed_out", hurried.Result.Reason);
        Assert.Contains("within 1 s", hurried.Result.Error);
        Assert.Contains(" drain_timeout_seconds of the request (--drain-timeout", hurried.Result.Error);
        Assert.DoesNotContain("switch_drain_timeout_seconds", hurried.Result.Error);
        Assert.False(patient.IsCompleted);
        s.Do(() => running.Return());
        s.Finish();
        s.Finish();
        Assert.Equal("b", patient.Result.ActiveModel);
    }

    [Fact]
    public void Force_takes_over_the_same_switch_that_is_draining()
    {
        var s = Ready();
        var running = s.Arrive();
        var patient = s.Switch("b");
        var forced = s.Switch("b", force: true, drainTimeout: TimeSpan.FromSeconds(1));
        s.Advance(TimeSpan.FromSeconds(1));
        Assert.True(running.Lease!.Aborted.IsCancellationRequested);
        s.Do(() => running.Return(answered: false));
        s.Finish();
        s.Finish();
        Assert.Same(forced.Result, patient.Result);
        Assert.Equal("b", forced.Result.ActiveModel);
    }

    [Fact]
    public void Mended_failure_is_not_told_any_more()
    {
        var s = Ready();
        s.Do(s.Backend.Lose);
        Assert.Equal("scripted loss", s.Loop.Status.LastError);
        s.Finish();
        s.Finish();
        s.Arrive();
        s.Switch("b");
        Assert.Equal(("draining", null), (s.Loop.Status.Phase, s.Loop.Status.LastError));
    }

    [Fact]
    public async Task Loop_that_breaks_leaves_nobody_waiting()
    {
        var s = new SwitchSimulation(Config, null);
        var asked = s.Switch("b");
        var waiting = s.Arrive();
        s.Backend.Break();
        await Assert.ThrowsAsync<InvalidOperationException>(s.Lanes.RunAsync);
        Assert.Equal("stopping", (await asked).Reason);
        Assert.Equal(RefusalKind.Stopping, (await waiting.Entering).Refusal!.Kind);
    }

    [Fact]
    public void Forced_drain_past_its_deadline_cuts_the_answers_and_switches()
    {
        var s = Ready();
        var running = s.Arrive();
        var report = s.Switch("b", force: true, drainTimeout: TimeSpan.FromSeconds(1));
        s.Advance(TimeSpan.FromSeconds(1));
        Assert.True(running.Lease!.Aborted.IsCancellationRequested);
        s.Do(() => running.Return(answered: false));
        s.Finish();
        s.Finish();
        Assert.Equal("b", report.Result.ActiveModel);
    }

    [Fact]
    public void Failed_load_brings_the_previous_model_back_and_says_why()
    {
        var s = Ready();
        var report = s.Switch("b");
        var waiting = s.Arrive();
        s.Finish();
        s.Finish(succeed: false, permanent: true);
        s.Finish();
        Assert.False(report.IsCompleted);
        s.Finish();

        var done = report.Result;
        Assert.Equal(("a", "a", "missing_file"), (done.ActiveModel, done.RolledBackTo, done.Reason));
        Assert.Equal("scripted failure", done.Error);
        Assert.Equal(["last line"], done.LogTail);
        Assert.Equal(["unload", "settle", "load", "rollback_unload", "rollback_settle", "rollback_load"],
            done.Phases.Select(p => p.Name));
        Assert.Equal("a", waiting.Lease!.Model);
        Assert.Empty(s.Remembered);
    }

    [Fact]
    public void Load_that_hangs_ends_at_its_deadline()
    {
        var s = Ready();
        var report = s.Switch("b");
        s.Finish();
        s.Advance(Config.Server.LoadTimeout);
        Assert.False(s.Backend.IsLoading);
        s.Finish();
        s.Finish();
        Assert.Equal(("timed_out", "a"), (report.Result.Reason, report.Result.RolledBackTo));
    }

    [Fact]
    public void Slow_restore_after_a_load_does_not_make_it_fail()
    {
        var restored = new TaskCompletionSource<RestoredSlot?>();
        var s = new SwitchSimulation(Config, "a", warmth: SwitchWarmth.None with { Loaded = (_, _, _) => restored.Task });
        s.Finish();
        s.Advance(Config.Server.LoadTimeout);
        var client = s.Arrive();
        Assert.Null(client.Lease);
        s.Do(() => restored.SetResult(null));
        Assert.Equal("a", client.Lease!.Model);
    }

    [Fact]
    public void Stop_saves_for_a_minute_at_most()
    {
        var s = new SwitchSimulation(Config, "a",
            warmth: SwitchWarmth.None with { Leaving = Hang });
        s.Finish();
        s.Do(s.Lanes.Stop);
        s.Advance(TimeSpan.FromSeconds(59));
        Assert.False(s.Backend.IsBusy);
        s.Advance(TimeSpan.FromSeconds(1));
        s.Finish();
        Assert.True(s.Backend.Stopped);

        static async Task<SavedSlots?> Hang(CancellationToken cancel)
        {
            var ended = new TaskCompletionSource<SavedSlots?>();
            await using var registration = cancel.UnsafeRegister(_ => ended.TrySetCanceled(cancel), null);
            return await ended.Task;
        }
    }

    [Fact]
    public void Lost_model_is_loaded_again_while_requests_wait()
    {
        var s = Ready();
        var running = s.Arrive();
        s.Do(s.Backend.Lose);
        Assert.True(running.Lease!.Aborted.IsCancellationRequested);
        var waiting = s.Arrive();
        s.Do(() => running.Return(answered: false));
        s.Finish();
        s.Finish();
        Assert.Equal("a", waiting.Lease!.Model);
        Assert.False(waiting.Lease.Aborted.IsCancellationRequested);
    }

    [Fact]
    public void Model_that_cannot_be_brought_back_is_tried_again_ever_slower_and_requests_learn_why()
    {
        var s = Ready();
        s.Do(s.Backend.Lose);
        var patient = s.Arrive();
        for (var attempt = 0; attempt < 2; attempt++)
        {
            s.Finish();
            s.Advance(TimeSpan.FromSeconds(30));
            s.Finish(succeed: false);
        }
        Assert.Equal(RefusalKind.ModelFailed, patient.Refusal!.Kind);
        Assert.Contains("scripted failure", patient.Refusal.Message);
        s.Finish();
        Assert.Equal(SwitchPhase.BackingOff, s.Loop.State.Phase);
        Assert.Equal(RefusalKind.ModelFailed, s.Arrive().Refusal!.Kind);
        s.Advance(TimeSpan.FromSeconds(30));
        s.Finish();
        Assert.NotNull(s.Arrive().Lease);
    }

    [Fact]
    public void Missing_file_at_the_start_is_told_to_the_first_request_at_once()
    {
        var s = new SwitchSimulation(Config, "a");
        var early = s.Arrive();
        s.Finish(succeed: false, permanent: true);
        Assert.Equal(RefusalKind.ModelFailed, early.Refusal!.Kind);
    }

    [Fact]
    public void Load_that_fails_counts_once()
    {
        var s = new SwitchSimulation(Config, "a");
        s.Finish(succeed: false, permanent: true);
        s.Finish();
        Assert.Equal(SwitchPhase.BackingOff, s.Loop.State.Phase);
        Assert.Equal(1, s.Loop.Schedule.Of("a").Failures);
    }

    [Fact]
    public void Queue_has_a_limit_and_a_time()
    {
        var config = Config with
        {
            Server = Config.Server with { QueueLimit = 1, QueueTimeout = TimeSpan.FromSeconds(9) },
        };
        var s = new SwitchSimulation(config, "a");
        var first = s.Arrive();
        Assert.Equal(RefusalKind.QueueFull, s.Arrive().Refusal!.Kind);
        s.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal(RefusalKind.QueueTimedOut, first.Refusal!.Kind);
        Assert.Empty(s.Loop.Schedule.Waiting);
    }

    [Fact]
    public void Request_that_is_rejected_learns_what_goes_on()
    {
        var config = Config with { Server = Config.Server with { DuringSwitch = DuringSwitch.Reject } };
        var s = new SwitchSimulation(config, "a");
        Rejected("The model 'a' is being loaded.");
        s.Finish();

        s.Do(s.Backend.Lose);
        Rejected("The model 'a' was lost or did not load, and is being loaded again.", "scripted loss");
        s.Finish();
        s.Finish();

        s.Switch("b");
        Rejected("A switch to 'b' is going on.");
        s.Finish();
        s.Finish(succeed: false);
        Rejected("The switch to 'b' failed, and 'a' is being loaded again.", "scripted failure");

        void Rejected(string what, string? because = null)
        {
            var refusal = s.Arrive().Refusal!;
            Assert.Equal(RefusalKind.Switching, refusal.Kind);
            Assert.Equal(
                $"{what} Try again, or set during_switch = \"wait\"."
                + (because is null ? "" : $" The last failure: {because}"),
                refusal.Message);
        }
    }

    [Fact]
    public void First_model_that_did_not_load_is_no_switch_to_nothing()
    {
        var config = Config with { Server = Config.Server with { DuringSwitch = DuringSwitch.Reject } };
        var s = new SwitchSimulation(config, null);
        s.Switch("b");
        s.Finish(succeed: false);
        Assert.StartsWith("No model is active", s.Arrive().Refusal!.Message);
    }

    [Fact]
    public void Client_that_leaves_the_queue_is_forgotten()
    {
        var s = new SwitchSimulation(Config, "a");
        var gone = s.Arrive();
        s.Do(gone.Leave);
        Assert.True(gone.Entering.IsCanceled);
        s.Finish();
        Assert.Equal(0, s.Loop.State.InFlight);
    }

    [Fact]
    public void Switches_are_serialised_and_equal_ones_joined()
    {
        var s = Ready();
        var first = s.Switch("b");
        var same = s.Switch("b");
        var back = s.Switch("a");
        s.Finish();
        s.Finish();
        Assert.Same(first.Result, same.Result);
        Assert.False(back.IsCompleted);
        s.Finish();
        s.Finish();
        Assert.Equal("a", back.Result.ActiveModel);
        Assert.Equal(["b", "a"], s.Remembered);
    }

    [Fact]
    public void Switch_to_the_active_model_does_nothing()
    {
        var s = Ready();
        var report = s.Switch("a").Result;
        Assert.Equal((SwitchOutcome.AlreadyActive, "a", "a"), (report.Outcome, report.PreviousModel, report.ActiveModel));
        Assert.Null(report.Error);
        Assert.Empty(report.Phases);
    }

    [Fact]
    public void Stop_waits_for_running_answers_then_cuts_them()
    {
        var s = Ready();
        var running = s.Arrive();
        s.Do(s.Lanes.Stop);
        Assert.Equal(RefusalKind.Stopping, s.Arrive().Refusal!.Kind);
        Assert.False(running.Lease!.Aborted.IsCancellationRequested);
        s.Advance(Config.Server.StopTimeout);
        Assert.True(running.Lease.Aborted.IsCancellationRequested);
        s.Do(() => running.Return(answered: false));
        s.Finish();
        Assert.Equal(SwitchPhase.Stopped, s.Loop.State.Phase);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Any_schedule_answers_everybody_once_and_never_holds_two_models(int seed)
    {
        var random = new Random(seed);
        var s = new SwitchSimulation(AnyConfig(random), random.Next(3) == 0 ? null : "a");
        for (var i = 0; i < 400; i++)
        {
            Act(s, random);
            Assert.True(s.Loop.Schedule.Waiting.Count <= 4);
            Assert.True(s.Loop.State.InFlight == s.Holding.Count(), $"seed {seed}: {s.Loop.State}");
            Assert.True(s.Backend.Violations.Count == 0, $"seed {seed}: {string.Join("; ", s.Backend.Violations)}");
        }
        s.Do(s.Lanes.Stop);
        for (var i = 0; i < 100 && s.Loop.State.Phase != SwitchPhase.Stopped; i++)
        {
            foreach (var client in s.Holding.ToList())
                s.Do(() => client.Return());
            s.Finish();
        }
        Assert.True(s.Loop.State.Phase == SwitchPhase.Stopped, $"seed {seed}: {s.Loop.State}");
        Assert.All(s.Clients, c => Assert.True(c.Entering.IsCompleted));
        Assert.All(s.Switches, w => Assert.True(w.IsCompleted));
    }

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 200)];

    private static RequestAsk AnyAsk(Random random) => new()
    {
        Model = random.Next(4) switch { 0 => "a", 1 => "b", _ => null },
        Intent = random.Next(6) == 0 ? RequestIntent.Look
            : random.Next(5) == 0 ? RequestIntent.Background : RequestIntent.Normal,
        Patience = random.Next(6) == 0 ? TimeSpan.FromSeconds(random.Next(0, 40)) : null,
    };

    private static HotModelConfig AnyConfig(Random random) => Config with
    {
        Server = Config.Server with
        {
            QueueLimit = 4,
            QueueMaxWait = TimeSpan.FromSeconds(random.Next(1, 60)),
            DuringSwitch = random.Next(4) == 0 ? DuringSwitch.Reject : DuringSwitch.Wait,
            SwitchOnRequest = random.Next(4) == 0 ? SwitchOnRequest.Reject : SwitchOnRequest.Switch,
        },
        Models = Config.Models.ToDictionary(m => m.Key, m => m.Value with
        {
            Pin = random.Next(8) == 0,
            IdleUnload = random.Next(3) == 0 ? TimeSpan.FromSeconds(random.Next(1, 30)) : null,
        }),
    };

    private static void Act(SwitchSimulation s, Random random)
    {
        var holding = s.Holding.ToList();
        var waiting = s.Waiting.ToList();
        switch (random.Next(16))
        {
            case < 4:
                s.Arrive(AnyAsk(random));
                break;
            case < 7 when holding.Count > 0:
                var one = holding[random.Next(holding.Count)];
                s.Do(() => one.Return(answered: random.Next(3) > 0));
                break;
            case 7 when waiting.Count > 0:
                s.Do(waiting[random.Next(waiting.Count)].Leave);
                break;
            case 8:
                s.Switch(random.Next(2) == 0 ? "a" : "b", force: random.Next(2) == 0, TimeSpan.FromSeconds(random.Next(1, 9)));
                break;
            case < 13 when s.Backend.IsBusy:
                s.Finish(succeed: random.Next(4) > 0, permanent: random.Next(4) == 0);
                break;
            case 13 when s.Backend.Loaded is not null:
                s.Do(s.Backend.Lose);
                break;
            default:
                s.Advance(TimeSpan.FromMilliseconds(random.Next(1, 20_000)));
                break;
        }
    }
}
