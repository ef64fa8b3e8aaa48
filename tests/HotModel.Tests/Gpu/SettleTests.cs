using HotModel.Gpu;
using Microsoft.Extensions.Time.Testing;

namespace HotModel.Tests.Gpu;

public class SettleTests
{
    private const int Ours = 42;
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(5);
    private readonly FakeTimeProvider time = new();

    private static GpuReading Reading(long? totalMb, params int[] pids) => new(
        default, totalMb, totalMb is { } total ? [total] : null, [.. pids.Select(pid => new GpuProcess(0, pid, 10))]);

    private static GpuSettling Settling(GpuReading? beforeLoad, GpuReading? beforeUnload, long? thresholdMb = null) =>
        new(beforeLoad, beforeUnload, [Ours, 43], thresholdMb, ToleranceMb: 50);

    [Theory]
    [InlineData(1050, true)]
    [InlineData(1051, false)]
    public void Level_decides_where_processes_are_not_seen(long nowMb, bool settled) =>
        Assert.Equal(settled, Settling(Reading(1000), Reading(9000)).IsSettled(Reading(nowMb)));

    [Fact]
    public void Level_decides_where_only_strangers_are_seen()
    {
        // In a container the driver names our process by a pid that is not ours.
        var settling = Settling(Reading(1000, 7), Reading(9000, 7, 8));

        Assert.False(settling.IsSettled(Reading(9000, 7, 8)));
        Assert.True(settling.IsSettled(Reading(1000, 7)));
    }

    [Fact]
    public void Own_process_decides_where_it_was_seen()
    {
        var settling = Settling(Reading(1000), Reading(9000, 7, Ours));

        Assert.False(settling.IsSettled(Reading(900, 7, Ours)));
        Assert.False(settling.IsSettled(Reading(900, 43)));
        Assert.True(settling.IsSettled(Reading(9500, 7)));
    }

    [Theory]
    [InlineData(500, true)]
    [InlineData(501, false)]
    public void Threshold_of_the_user_decides_alone(long nowMb, bool settled)
    {
        var settling = Settling(Reading(1000), Reading(9000, Ours), thresholdMb: 500);

        Assert.Equal(settled, settling.IsSettled(Reading(nowMb)));
        Assert.Equal(settled, settling.IsSettled(Reading(nowMb, Ours)));
    }

    [Fact]
    public void Nothing_to_tell_by_is_neither()
    {
        Assert.Null(Settling(null, Reading(9000)).IsSettled(Reading(100)));
        Assert.Null(Settling(Reading(1000), Reading(9000, Ours), thresholdMb: 500).IsSettled(Reading(null)));
    }

    [Fact]
    public async Task Wait_ends_as_soon_as_memory_is_back()
    {
        var readings = new Queue<GpuReading>([Reading(9000), Reading(5000), Reading(1000)]);

        var wait = SettleWait.RunAsync(
            readings.Dequeue, Settling(Reading(1000), Reading(9000)), TimeSpan.FromSeconds(1), time, default);
        time.Advance(Step);
        Assert.False(wait.IsCompleted);
        time.Advance(Step);

        var result = await wait;
        Assert.Equal((true, 1000L), (result.Settled, result.Last.TotalMb));
        Assert.Empty(readings);
    }

    [Fact]
    public async Task Wait_ends_at_its_timeout_with_the_last_reading()
    {
        var reads = 0;

        var wait = SettleWait.RunAsync(() => Reading(9000 + reads++), Settling(Reading(1000), Reading(9000)),
            TimeSpan.FromMilliseconds(12), time, default);
        time.Advance(Step);
        time.Advance(Step);
        Assert.False(wait.IsCompleted);
        time.Advance(TimeSpan.FromMilliseconds(2));

        var result = await wait;
        Assert.Equal((false, 9003L), (result.Settled, result.Last.TotalMb));
    }

    [Fact]
    public async Task Without_time_device_or_measure_it_does_not_wait()
    {
        var settling = Settling(Reading(1000), Reading(9000));

        var noTime = await SettleWait.RunAsync(() => Reading(1000), settling, TimeSpan.Zero, time, default);
        var noDevice = await SettleWait.RunAsync(() => Reading(null), settling, TimeSpan.FromDays(1), time, default);
        var noMeasure = await SettleWait.RunAsync(
            () => Reading(9000), Settling(null, null), TimeSpan.FromDays(1), time, default);

        Assert.Equal((null, 1000L), (noTime.Settled, noTime.Last.TotalMb));
        Assert.Equal((null, null), (noDevice.Settled, noDevice.Last.TotalMb));
        Assert.Equal((null, 9000L), (noMeasure.Settled, noMeasure.Last.TotalMb));
    }

    [Fact]
    public async Task Cancelled_wait_ends()
    {
        using var cancel = new CancellationTokenSource();
        var wait = SettleWait.RunAsync(() => Reading(9000), Settling(Reading(1000), Reading(9000)),
            TimeSpan.FromSeconds(1), time, cancel.Token);

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait);
    }

    [Fact]
    public void Peak_is_the_largest_sample_until_disposed()
    {
        var now = Reading(100);
        var sampler = new PeakSampler(() => now, time);
        Assert.Equal(100, sampler.PeakMb);

        now = Reading(900);
        time.Advance(TimeSpan.FromMilliseconds(10));
        now = Reading(300);
        time.Advance(TimeSpan.FromMilliseconds(10));
        Assert.Equal(900, sampler.PeakMb);
        sampler.Add(Reading(950));
        sampler.Add(Reading(null));
        sampler.Dispose();
        now = Reading(2000);
        time.Advance(TimeSpan.FromMilliseconds(50));

        Assert.Equal(950, sampler.PeakMb);
    }

    [Fact]
    public void Peak_without_device_is_nothing()
    {
        var reads = 0;
        using var sampler = new PeakSampler(() => Reading(reads++ < 0 ? 1 : null), time);

        time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal((null, 1), (sampler.PeakMb, reads));
    }
}
