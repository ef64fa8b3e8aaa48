namespace HotModel.Switching;

/// <summary>What was read of a model's files before and while it was loaded. In MiB.</summary>
/// <param name="Mb">Read from the disk.</param>
/// <param name="AlreadyMb">Found in memory, where the system tells.</param>
/// <param name="Seconds">From the switch's begin to the last byte that was read.</param>
internal sealed record ReadAheadReport(long Mb, long AlreadyMb, double Seconds);

/// <summary>Since the start.</summary>
internal sealed record ReadAheadTotals(long Switches, long Mb, long AlreadyMb, double Seconds);

/// <summary>Has a switch's target read into memory while answers drain and the old model leaves. Used by the loop.</summary>
/// <remarks>
/// Nothing waits for it. It goes on while the target is loaded: llama-server takes one page after the other, and finds more
/// of them there when somebody reads ahead of it.
/// </remarks>
/// <param name="start">Begins to read a model until the token is cancelled; the result tells how far it has come.</param>
internal sealed class TargetReadAhead(Func<string, CancellationToken, Func<ReadAheadReport>> start)
{
    private CancellationTokenSource? reading;
    private string? model;
    private Func<ReadAheadReport>? read;
    private volatile ReadAheadTotals totals = new(0, 0, 0, 0);

    /// <summary>For display.</summary>
    public ReadAheadTotals Totals => totals;

    /// <summary>Of the current switch; null where nothing was read for it.</summary>
    public ReadAheadReport? Report => read?.Invoke();

    /// <summary>Follows a step: begins with a switch, ends with it, or when its target has failed.</summary>
    public void Observe(SwitchState state)
    {
        var target = state.Current is not null && !state.RollingBack ? state.Goal : null;
        if (target != model)
        {
            reading?.Cancel();
            if (read?.Invoke() is { } done && model is not null)
                totals = Add(totals, done);
            reading = target is null ? null : new CancellationTokenSource();
            model = target;
            if (target is not null)
                read = start(target, reading!.Token);
        }
        if (state.Current is null)
            read = null;
    }

    private static ReadAheadTotals Add(ReadAheadTotals sum, ReadAheadReport one) => new(
        sum.Switches + 1, sum.Mb + one.Mb, sum.AlreadyMb + one.AlreadyMb, Math.Round(sum.Seconds + one.Seconds, 6));
}
