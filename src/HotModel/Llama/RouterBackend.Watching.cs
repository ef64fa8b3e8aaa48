namespace HotModel.Llama;

/// <content>Notices when the loaded model is lost.</content>
internal sealed partial class RouterBackend
{
    // An event may come a moment before /models shows the change: these long after it the state is looked at again.
    private static readonly TimeSpan[] LooksAgain =
    [
        TimeSpan.FromMilliseconds(10), TimeSpan.FromMilliseconds(50),
        TimeSpan.FromMilliseconds(200), TimeSpan.FromMilliseconds(500),
    ];

    // The stream has no heartbeat, so an event that never came is not missed: while a model is loaded, its state is
    // looked at this often without one. One request of about a millisecond over loopback.
    private static readonly TimeSpan SafetyLook = TimeSpan.FromSeconds(30);

    // Ample for a router on the busiest machine. A model that answers by itself is left alone however long it takes.
    private static readonly TimeSpan SilenceLimit = TimeSpan.FromSeconds(10);

    // Runs as long as the router does.
    private async Task WatchAsync(RouterProcess current)
    {
        var (looks, misses) = (0, 0);
        var silentSince = 0L;
        while (!current.Child.HasExited)
        {
            var next = current.Changed;
            var wait = Timeout.InfiniteTimeSpan;
            if (Volatile.Read(ref loaded) is { } held)
            {
                var began = time.GetTimestamp();
                var models = await current.LookAsync(logger);
                (misses, silentSince) = models is not null ? (0, 0) : misses == 0 ? (1, began) : (misses + 1, silentSince);
                if (models is null)
                {
                    // A router that answers again may have to catch up first.
                    looks = 0;
                    wait = RouterProcess.LookDelay(misses - 1);
                    if (time.GetElapsedTime(silentSince) > SilenceLimit && !await AnswersAsync(held, current)
                        && Interlocked.CompareExchange(ref loaded, null, held) == held)
                        Report(held, Silent(held));
                }
                else if (models.Any(item => item.Id == held.Model.RouterId && item.IsUp))
                {
                    wait = looks < LooksAgain.Length ? LooksAgain[looks++] : SafetyLook;
                }
                else if (Interlocked.CompareExchange(ref loaded, null, held) == held)
                {
                    Report(held, await current.ModelFailureAsync(
                        held.Model.RouterId, held.Model.Name, held.Model.Path, held.Mark, wasLoaded: true));
                }
            }
            if (await current.WaitAsync(next, wait, CancellationToken.None))
                looks = 0;
        }
        var status = await current.Child.Exited;
        LlamaLog.RouterEnded(logger, status);
        if (Interlocked.Exchange(ref loaded, null) is { } lost)
        {
            Report(lost, await current.RouterFailureAsync(
                lost.Model.Name, lost.Model.Path, lost.Mark, wasLoaded: true));
        }
        await current.DisposeAsync();
    }

    private void Report(Loaded lost, LoadFailure failure)
    {
        LlamaLog.Lost(logger, lost.Model.Name, failure.Error);
        onLost(new ModelLost(lost.Instance, failure));
    }

    /// <summary>The model's own process does, whatever has become of the router.</summary>
    private async Task<bool> AnswersAsync(Loaded held, RouterProcess current)
    {
        using var client = new RouterClient(held.Address, current.Key, time);
        return (await client.GetAsync("health", CancellationToken.None)).Status != 0;
    }

    private LoadFailure Silent(Loaded held) => new(LoadFailureReason.Unknown,
        $"llama-server's router has not answered for {SilenceLimit.TotalSeconds:0} s, and the model '{held.Model.Name}' does not "
        + "answer either: both are started again.",
        log.Ring.Since(held.Mark));
}
