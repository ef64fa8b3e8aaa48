namespace HotModel.Tests.Switching;

/// <summary>
/// A clock that goes from one thing that is to happen to the next. What is due at the same moment comes in any order, as
/// timers and operations do whose threads race: the seed says in which.
/// </summary>
internal sealed class VirtualTime(Random random) : TimeProvider
{
    private readonly Lock gate = new();
    private readonly SortedSet<Entry> agenda = new(Comparer<Entry>.Create((one, other) =>
        (one.At, one.Turn, one.Number).CompareTo((other.At, other.Turn, other.Number))));
    private TimeSpan now;
    private long number;

    public TimeSpan Now => now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <summary>What is still to happen.</summary>
    public int Count
    {
        get
        {
            lock (gate)
                return agenda.Count;
        }
    }

    public override long GetTimestamp() => now.Ticks;

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch + now;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (period != Timeout.InfiniteTimeSpan)
            throw new NotSupportedException("Nothing here comes again by itself.");
        var timer = new OneTimer(this, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    public void In(TimeSpan time, Action action) => Add(time, action);

    /// <summary>Does what comes next, at its time. False: nothing does.</summary>
    public bool Step()
    {
        Entry next;
        lock (gate)
        {
            if (agenda.Count == 0)
                return false;
            next = agenda.Min!;
            agenda.Remove(next);
            now = next.At;
        }
        next.Action();
        return true;
    }

    private Entry Add(TimeSpan due, Action action)
    {
        lock (gate)
        {
            var entry = new Entry(now + due, random.Next(), number++, action);
            agenda.Add(entry);
            return entry;
        }
    }

    private void Remove(Entry? entry)
    {
        lock (gate)
        {
            if (entry is not null)
                agenda.Remove(entry);
        }
    }

    private sealed record Entry(TimeSpan At, int Turn, long Number, Action Action);

    private sealed class OneTimer(VirtualTime time, Action action) : ITimer
    {
        private Entry? entry;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            time.Remove(entry);
            entry = dueTime == Timeout.InfiniteTimeSpan ? null : time.Add(dueTime, action);
            return true;
        }

        public void Dispose() => time.Remove(entry);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
