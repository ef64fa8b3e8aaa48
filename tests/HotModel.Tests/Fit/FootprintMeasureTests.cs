using HotModel.Fit;
using HotModel.Gpu;

namespace HotModel.Tests.Fit;

/// <summary>Two readings, one number, or none.</summary>
public sealed class FootprintMeasureTests
{
    private const long Mebibyte = 1L << 20;
    private const int Ours = 100, Theirs = 200;

    private static GpuReading Reading(long usedMb, params (int Pid, long Mb)[] processes) => new(
        default, usedMb, [usedMb], [.. processes.Select(one => new GpuProcess(0, one.Pid, one.Mb))])
    {
        Devices = [new GpuDevice("GPU-0", "RTX", usedMb * Mebibyte, (16384 - usedMb) * Mebibyte)],
    };

    private static long? Taken(GpuReading before, GpuReading after, long? expectedMb = null) => FootprintMeasure.Of(
        before, after, [Ours],
        expectedMb is { } mb ? new Dictionary<string, long> { ["GPU-0"] = mb * Mebibyte } : null)?["GPU-0"] / Mebibyte;

    [Fact]
    public void What_our_processes_hold_counts_whatever_others_do() =>
        Assert.Equal(4000, Taken(Reading(500, (Theirs, 500)), Reading(4100, (Theirs, 100), (Ours, 4000))));

    [Fact]
    public void What_they_held_before_does_not_count() =>
        Assert.Equal(4000, Taken(Reading(500, (Ours, 500)), Reading(4500, (Ours, 4500))));

    [Fact]
    public void In_a_container_the_difference_counts() =>
        Assert.Equal(4000, Taken(Reading(500), Reading(4500, (7, 4000)), expectedMb: 3900));

    [Theory]
    [InlineData(null)] // nobody knows what to expect
    [InlineData(0L)] // no layer goes to the GPU
    public void In_a_container_a_difference_that_was_not_expected_may_be_anybodys(long? expected) =>
        Assert.Null(Taken(Reading(500), Reading(4500), expected));

    [Fact]
    public void In_a_container_a_device_that_llama_server_does_not_take_is_not_looked_at() => Assert.Equal(
        0, FootprintMeasure.Of(Reading(500), Reading(4500), [Ours], new Dictionary<string, long>())!["GPU-0"]);

    [Fact]
    public void Another_process_that_changed_much_makes_it_unknown() =>
        Assert.Null(Taken(Reading(1500, (Theirs, 1000)), Reading(4500, (Theirs, 100), (7, 3900)), expectedMb: 3900));

    [Fact]
    public void Another_process_that_ended_makes_it_unknown() =>
        Assert.Null(Taken(Reading(1500, (Theirs, 1000)), Reading(4500, (7, 4000)), expectedMb: 3900));

    [Theory]
    [InlineData(1000, 4000)] // somebody freed memory meanwhile
    [InlineData(9000, 4000)] // somebody took memory meanwhile
    [InlineData(-300, 4000)]
    public void A_difference_that_cannot_be_the_models_is_not_believed(long difference, long expected) =>
        Assert.Null(Taken(Reading(500), Reading(500 + difference), expected));

    [Theory]
    [InlineData(0)]
    [InlineData(30)]
    [InlineData(-30)]
    public void A_build_that_takes_nothing_took_nothing(long noise) =>
        Assert.Equal(0, Taken(Reading(500), Reading(500 + noise), expectedMb: 4000));

    [Fact]
    public void Without_devices_there_is_nothing_to_tell() =>
        Assert.Null(Taken(new GpuReading(default, null, null, []), new GpuReading(default, null, null, [])));

    [Fact]
    public void A_reading_that_failed_tells_nothing() =>
        Assert.Null(Taken(new GpuReading(default, null, null, []), Reading(4500, (Ours, 4000))));
}
