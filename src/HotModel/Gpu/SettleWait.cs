namespace HotModel.Gpu;

/// <param name="Settled">Null: no device, no time given to it, or nothing to tell it by.</param>
/// <param name="Last">The last reading, taken in any case.</param>
internal readonly record struct SettleResult(bool? Settled, GpuReading Last);

/// <summary>Waits until an unloaded model's memory is back.</summary>
internal static class SettleWait
{
    /// <summary>A reading costs well under a millisecond, and what is waited here is added to every switch.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(5);

    public static async Task<SettleResult> RunAsync(
        Func<GpuReading> read, GpuSettling settling, TimeSpan timeout, TimeProvider time, CancellationToken cancel)
    {
        var reading = read();
        if (timeout <= TimeSpan.Zero)
            return new SettleResult(null, reading);
        var started = time.GetTimestamp();
        while (settling.IsSettled(reading) is false)
        {
            var left = timeout - time.GetElapsedTime(started);
            if (left <= TimeSpan.Zero)
                return new SettleResult(false, reading);
            await Task.Delay(left < Interval ? left : Interval, time, cancel);
            reading = read();
        }
        return new SettleResult(settling.IsSettled(reading), reading);
    }
}
