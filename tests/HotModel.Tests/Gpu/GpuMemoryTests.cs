using System.Text.Json;
using HotModel.Api;
using HotModel.Gpu;
using Microsoft.Extensions.Time.Testing;

namespace HotModel.Tests.Gpu;

public sealed class GpuMemoryTests(FakeNvml nvml) : IClassFixture<FakeNvml>
{
    private const ulong Megabyte = 1 << 20;
    private readonly FakeTimeProvider time = new(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));

    [Fact]
    public void Absent_library_gives_empty_readings()
    {
        using var gpu = GpuMemory.TryOpen("libno-such-library.so");

        Assert.False(gpu.IsPresent);
        var reading = gpu.Read(time);
        Assert.Equal((time.GetUtcNow(), null, null), (reading.CapturedAt, reading.TotalMb, reading.PerGpuMb));
        Assert.Empty(reading.Processes);
    }

    [Fact]
    public void Library_that_is_another_one_gives_empty_readings()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "libm is Linux's");
        using var gpu = GpuMemory.TryOpen("libm.so.6");

        Assert.Null(gpu.Read(time).TotalMb);
    }

    [Theory]
    [InlineData(0u, 0)]
    [InlineData(1u, 9)]
    public void No_device_or_no_driver_gives_empty_readings_and_leaves_nothing_open(uint devices, int failure)
    {
        nvml.Reset(devices);
        nvml.Fail(failure);

        using var gpu = GpuMemory.TryOpen(nvml.Path);

        Assert.False(gpu.IsPresent);
        Assert.Null(gpu.Read(time).TotalMb);
        Assert.Equal(0, nvml.Inits);
    }

    [Fact]
    public void Memory_is_read_by_device_and_in_total()
    {
        nvml.Reset(2);
        nvml.Use(0, (1000 * Megabyte) + (Megabyte / 2));
        nvml.Use(1, (24 * Megabyte) + (Megabyte / 2));

        using var gpu = GpuMemory.TryOpen(nvml.Path);
        var reading = gpu.Read(time);

        Assert.Equal(1025, reading.TotalMb);
        Assert.Equal([1000L, 24L], reading.PerGpuMb!);
    }

    [Fact]
    public void Devices_have_names_of_their_own_and_what_is_free()
    {
        nvml.Reset(2);
        nvml.Use(0, 0);
        nvml.Use(1, 24 * Megabyte);

        using var gpu = GpuMemory.TryOpen(nvml.Path);

        const long total = 1L << 40;
        Assert.Equal([
            new GpuDevice("GPU-0", "NVIDIA Fake", 0, total),
            new GpuDevice("GPU-1", "NVIDIA Fake", 24 * (long)Megabyte, total - 24 * (long)Megabyte),
        ], gpu.Read(time).Devices);
    }

    [Fact]
    public void Processes_of_both_lists_are_read_once_and_those_without_a_figure_are_left_out()
    {
        nvml.Reset(2);
        for (var pid = 1u; pid <= 12; pid++)
            nvml.AddProcess(0, graphics: false, pid, pid * Megabyte);
        nvml.AddProcess(0, graphics: true, 12, 20 * Megabyte);
        nvml.AddProcess(0, graphics: true, 13, 13 * Megabyte);
        nvml.AddProcess(1, graphics: true, 13, 5 * Megabyte);
        nvml.AddProcess(1, graphics: false, 14, ulong.MaxValue);

        using var gpu = GpuMemory.TryOpen(nvml.Path);

        Assert.Equal([
            .. Enumerable.Range(1, 11).Select(pid => new GpuProcess(0, pid, pid)),
            new GpuProcess(0, 12, 20), new GpuProcess(0, 13, 13), new GpuProcess(1, 13, 5),
        ], gpu.Read(time).Processes);
    }

    [Fact]
    public void Device_that_is_lost_gives_an_empty_reading()
    {
        nvml.Reset(1);
        using var gpu = GpuMemory.TryOpen(nvml.Path);
        nvml.Fail(15);

        Assert.Null(gpu.Read(time).TotalMb);
    }

    [Fact]
    public void Reading_after_dispose_is_empty_and_library_is_shut_down_once()
    {
        nvml.Reset(1);
        var gpu = GpuMemory.TryOpen(nvml.Path);
        Assert.Equal(1, nvml.Inits);

        gpu.Dispose();
        gpu.Dispose();

        Assert.Equal(0, nvml.Inits);
        Assert.Null(gpu.Read(time).TotalMb);
    }

    [Fact]
    public void Json_has_the_seeds_fields_and_no_processes()
    {
        var full = new GpuReading(time.GetUtcNow(), 12, [5, 7], [new GpuProcess(0, 1, 5)]);
        var empty = new GpuReading(time.GetUtcNow(), null, null, []);

        Assert.Equal("""{"captured_at":"2026-01-02T03:04:05+00:00","total_mb":12,"per_gpu_mb":[5,7]}""",
            JsonSerializer.Serialize(full, AdminJson.Default.GpuReading));
        Assert.Equal("""{"captured_at":"2026-01-02T03:04:05+00:00","total_mb":null,"per_gpu_mb":null}""",
            JsonSerializer.Serialize(empty, AdminJson.Default.GpuReading));
    }
}
