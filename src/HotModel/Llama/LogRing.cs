namespace HotModel.Llama;

/// <summary>The last lines of a child's output, with marks so that each load attempt has a tail of its own.</summary>
internal sealed class LogRing
{
    // Enough for the longest complaint of llama-server about a model (about 60 lines) with what led to it.
    public const int Capacity = 200;
    public const int LineLength = 2000;

    private readonly Lock gate = new();
    private readonly string[] lines = new string[Capacity];
    private readonly List<Waiter> waiters = [];
    private long next;

    private sealed record Waiter(Predicate<string> Wanted, TaskCompletionSource Found);

    /// <summary>A position to ask <see cref="Since"/> from.</summary>
    public long Mark()
    {
        lock (gate)
            return next;
    }

    public void Add(string line)
    {
        List<Waiter>? satisfied = null;
        lock (gate)
        {
            lines[next % Capacity] = line;
            next++;
            for (var i = waiters.Count - 1; i >= 0; i--)
            {
                if (!waiters[i].Wanted(line))
                    continue;
                (satisfied ??= []).Add(waiters[i]);
                waiters.RemoveAt(i);
            }
        }
        foreach (var waiter in satisfied ?? [])
            waiter.Found.TrySetResult();
    }

    /// <summary>Lines after the mark that are still held, oldest first.</summary>
    public IReadOnlyList<string> Since(long mark)
    {
        lock (gate)
        {
            var first = Math.Max(Math.Max(mark, 0), next - Capacity);
            var result = new List<string>((int)Math.Max(0, next - first));
            for (var i = first; i < next; i++)
                result.Add(lines[i % Capacity]);
            return result;
        }
    }

    /// <summary>
    /// True as soon as a line after the mark satisfies <paramref name="wanted"/>; false at the limit.
    /// </summary>
    public async Task<bool> WaitForAsync(long mark, Predicate<string> wanted, TimeSpan limit, TimeProvider time)
    {
        var waiter = new Waiter(wanted, new(TaskCreationOptions.RunContinuationsAsynchronously));
        lock (gate)
        {
            for (var i = Math.Max(mark, next - Capacity); i < next; i++)
            {
                if (wanted(lines[i % Capacity]))
                    return true;
            }
            waiters.Add(waiter);
        }
        try
        {
            await waiter.Found.Task.WaitAsync(limit, time);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
        finally
        {
            lock (gate)
                waiters.Remove(waiter);
        }
    }
}
