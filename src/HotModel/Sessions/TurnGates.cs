namespace HotModel.Sessions;

/// <summary>
/// One turn at a time in each session, in order of arrival. A session without a turn takes no memory.
/// </summary>
internal sealed class TurnGates(TimeProvider time)
{
    private readonly Lock sync = new();
    /// <summary>A session is here while a turn of it runs; the list holds those who wait.</summary>
    private readonly Dictionary<string, LinkedList<Waiter>> held = new(StringComparer.Ordinal);

    public bool IsHeld(string id)
    {
        lock (sync)
            return held.ContainsKey(id);
    }

    public bool TryEnter(string id)
    {
        lock (sync)
            return held.TryAdd(id, new LinkedList<Waiter>());
    }

    /// <summary>False: waited for as long as allowed. True obliges to <see cref="Leave"/>.</summary>
    public async ValueTask<bool> EnterAsync(string id, TimeSpan wait, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        Waiter waiter;
        lock (sync)
        {
            if (held.TryAdd(id, new LinkedList<Waiter>()))
                return true;
            if (wait == TimeSpan.Zero)
                return false;
            var queue = held[id];
            waiter = new Waiter(queue);
            queue.AddLast(waiter.Place);
        }
        await using var timer = time.CreateTimer(_ => GiveUp(waiter, default), null, wait, Timeout.InfiniteTimeSpan);
        await using var registration = cancel.UnsafeRegister(_ => GiveUp(waiter, cancel), null);
        return await waiter.Answer.Task;
    }

    public void Leave(string id)
    {
        lock (sync)
        {
            var queue = held[id];
            if (queue.First is { } next)
            {
                queue.RemoveFirst();
                next.Value.Answer.SetResult(true);
            }
            else
            {
                held.Remove(id);
            }
        }
    }

    /// <param name="waiter">Who does not wait any longer.</param>
    /// <param name="cancelled">Cancelled where that is why.</param>
    private void GiveUp(Waiter waiter, CancellationToken cancelled)
    {
        lock (sync)
        {
            // Not in the list any more: the turn is already this waiter's, who has to take it and leave it.
            if (waiter.Place.List is null)
                return;
            waiter.Queue.Remove(waiter.Place);
            if (cancelled.IsCancellationRequested)
                waiter.Answer.SetCanceled(cancelled);
            else
                waiter.Answer.SetResult(false);
        }
    }

    private sealed class Waiter
    {
        public Waiter(LinkedList<Waiter> queue)
        {
            Queue = queue;
            Place = new LinkedListNode<Waiter>(this);
        }

        public LinkedList<Waiter> Queue { get; }
        public LinkedListNode<Waiter> Place { get; }
        public TaskCompletionSource<bool> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
