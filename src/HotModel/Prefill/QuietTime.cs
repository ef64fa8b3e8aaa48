namespace HotModel.Prefill;

/// <summary>Keeps work in the background out of the way: a piece of it begins only while no request is there.</summary>
internal sealed class QuietTime
{
    private readonly Lock sync = new();
    private int requests;
    private TaskCompletionSource? quiet;
    private TaskCompletionSource? piece;

    /// <summary>The end of the piece that runs now; completed where none does.</summary>
    public Task PieceEnd
    {
        get
        {
            lock (sync)
                return piece?.Task ?? Task.CompletedTask;
        }
    }

    /// <summary>From when a request comes until it has been answered.</summary>
    public RequestStay Enter()
    {
        lock (sync)
            requests++;
        return new RequestStay(this);
    }

    /// <summary>
    /// Waits until no request is there, nor another's piece. Then the piece has begun, and whoever waited ends it.
    /// </summary>
    public async Task BeginPieceAsync(CancellationToken cancel)
    {
        while (true)
        {
            Task wait;
            lock (sync)
            {
                if (requests == 0 && piece is null)
                {
                    piece = NewSource();
                    return;
                }
                wait = (requests == 0 ? piece! : quiet ??= NewSource()).Task;
            }
            await wait.WaitAsync(cancel);
        }
    }

    public void EndPiece()
    {
        lock (sync)
        {
            piece?.SetResult();
            piece = null;
        }
    }

    internal void Leave()
    {
        lock (sync)
        {
            if (--requests > 0)
                return;
            quiet?.SetResult();
            quiet = null;
        }
    }

    // Under the lock nothing of those who wait may run.
    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>To be disposed once.</summary>
internal readonly struct RequestStay(QuietTime time) : IDisposable
{
    public void Dispose() => time.Leave();
}
