using HotModel.Switching;

namespace HotModel.Tests.Switching;

public class TargetReadAheadTests
{
    private static readonly ReadAheadReport Some = new(30, 12, 0.5);

    private readonly List<(string Model, CancellationToken Stop)> readings = [];
    private readonly TargetReadAhead readAhead;
    private readonly SwitchSimulation scene;

    public TargetReadAheadTests()
    {
        readAhead = new TargetReadAhead((model, stop) =>
        {
            readings.Add((model, stop));
            return () => Some;
        });
        scene = new SwitchSimulation(TestConfig.Create("a", "b", "c"), "a", readAhead);
        scene.Finish();
    }

    private bool IsReading => !Assert.Single(readings).Stop.IsCancellationRequested;

    [Fact]
    public void Model_of_the_start_is_not_read_ahead() => Assert.Empty(readings);

    [Fact]
    public void Target_is_read_from_the_drain_to_the_end_of_its_load()
    {
        var client = scene.Arrive();
        var report = scene.Switch("b");
        Assert.Equal(SwitchPhase.Draining, scene.Loop.State.Phase);
        Assert.Equal("b", Assert.Single(readings).Model);
        scene.Do(() => client.Return());
        scene.Finish();
        Assert.Equal(SwitchPhase.Loading, scene.Loop.State.Phase);
        Assert.True(IsReading);
        scene.Finish();
        Assert.False(IsReading);
        Assert.Equal(Some, report.Result.ReadAhead);
        Assert.Equal(new ReadAheadTotals(1, 30, 12, 0.5), readAhead.Totals);
    }

    [Fact]
    public void Drain_that_takes_too_long_ends_it()
    {
        scene.Arrive();
        var report = scene.Switch("b", drainTimeout: TimeSpan.FromSeconds(1));
        Assert.True(IsReading);
        scene.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(SwitchOutcome.DrainTimedOut, report.Result.Outcome);
        Assert.False(IsReading);
        Assert.Equal(Some, report.Result.ReadAhead);
    }

    [Fact]
    public void Force_for_the_same_target_goes_on_with_it()
    {
        scene.Arrive();
        scene.Switch("b");
        scene.Switch("b", force: true);
        Assert.True(IsReading);
    }

    [Fact]
    public void Target_that_fails_ends_it_and_the_way_back_reads_nothing()
    {
        var report = scene.Switch("b");
        scene.Finish();
        Assert.True(IsReading);
        scene.Finish(succeed: false);
        Assert.True(scene.Loop.State.RollingBack);
        Assert.False(IsReading);
        scene.Finish();
        scene.Finish();
        Assert.Equal(SwitchOutcome.RolledBack, report.Result.Outcome);
        Assert.Equal(Some, report.Result.ReadAhead);
        Assert.Equal(1, readAhead.Totals.Switches);
    }

    [Fact]
    public void Stop_of_the_program_ends_it()
    {
        scene.Arrive();
        scene.Switch("b");
        scene.Do(scene.Lanes.Stop);
        Assert.False(IsReading);
    }

    [Fact]
    public void Next_switch_in_line_reads_its_own_target_after_the_first_has_stopped()
    {
        var first = scene.Switch("b");
        var second = scene.Switch("c");
        scene.Finish();
        scene.Finish();
        Assert.Equal(["b", "c"], readings.Select(r => r.Model));
        Assert.Equal([true, false], readings.Select(r => r.Stop.IsCancellationRequested));
        scene.Finish();
        scene.Finish();
        Assert.Equal((SwitchOutcome.Switched, SwitchOutcome.Switched), (first.Result.Outcome, second.Result.Outcome));
        Assert.Equal(2, readAhead.Totals.Switches);
    }

    [Fact]
    public void Lost_model_is_brought_back_without_it()
    {
        scene.Do(scene.Backend.Lose);
        scene.Finish();
        scene.Finish();
        Assert.Equal(SwitchPhase.Ready, scene.Loop.State.Phase);
        Assert.Empty(readings);
    }

    [Fact]
    public void Switch_to_the_active_model_has_none_in_its_report()
    {
        scene.Switch("b");
        scene.Finish();
        scene.Finish();
        Assert.Null(scene.Switch("b").Result.ReadAhead);
        Assert.Single(readings);
    }
}
