namespace HotModel.Tests.Llama;

/// <summary>The system's clock, until it is told to make haste: then the timers set from there on run ahead.</summary>
internal sealed class HasteClock : TimeProvider
{
    private const int Factor = 10;
    private long hasteFrom = -1;

    public void MakeHaste() => Volatile.Write(ref hasteFrom, base.GetTimestamp());

    public override long GetTimestamp()
    {
        var (from, now) = (Volatile.Read(ref hasteFrom), base.GetTimestamp());
        return from < 0 ? now : now + ((now - from) * (Factor - 1));
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        base.CreateTimer(callback, state, Scale(dueTime), Scale(period));

    private TimeSpan Scale(TimeSpan time) =>
        Volatile.Read(ref hasteFrom) < 0 || time <= TimeSpan.Zero ? time : time / Factor;
}
