using HotModel.Configuration;
using Microsoft.Extensions.Logging;

namespace HotModel.Llama;

/// <summary>llama-server's router: one process of ours, which starts and ends one child for each model.</summary>
internal sealed partial class RouterBackend : IBackend
{
    // A generation that is cut by its client leaves the slot in about 0.1 s. A model that is unloaded before that
    // often lingers for its whole stop-timeout and is then killed, so some waiting saves much.
    private static readonly TimeSpan QuiesceLimit = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan QuiescePoll = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan QuiescePollMost = TimeSpan.FromMilliseconds(200);

    // An answer that is not streamed is given up only when llama-server's queue of results was silent for a second, and
    // each look at the slots is a result (measured with 0.7.0: at one look every 10 ms it is never given up).
    private static readonly TimeSpan QuiescePollAlone = TimeSpan.FromMilliseconds(1100);

    // Beyond stop-timeout, after which the router itself kills: what it needs to notice and say so.
    private static readonly TimeSpan StopMargin = TimeSpan.FromSeconds(5);

    // A load that was accepted shows as "loading" at once; a status that never gets there is given up after this.
    private static readonly TimeSpan AcceptedLimit = TimeSpan.FromSeconds(2);

    // No preset file has more bad sections than a person can write in a day.
    private const int BadSectionsMax = 64;

    private readonly Func<RouterLaunch> launch;
    private readonly Launcher launcher;
    private readonly ChildLog log;
    private readonly Action<ModelLost> onLost;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly PresetQuarantine quarantine;
    private volatile RouterProcess? router;
    private Task watching = Task.CompletedTask;
    private Loaded? loaded;
    private long loadMark;

    private sealed record Loaded(long Instance, ModelConfig Model, long Mark, Uri Address);

    /// <param name="launch">Asked at each start of the router. Throws what the file system throws.</param>
    /// <param name="onLost">Called once for each loaded model that ends unasked, from any thread.</param>
    /// <param name="quarantine">Of the preset file.</param>
    public RouterBackend(
        Func<RouterLaunch> launch, Launcher launcher, ChildLog log, PresetQuarantine quarantine, Action<ModelLost> onLost,
        TimeProvider time, ILogger logger)
    {
        this.launch = launch;
        this.launcher = launcher;
        this.log = log;
        this.onLost = onLost;
        this.time = time;
        this.logger = logger;
        this.quarantine = quarantine;
    }

    /// <summary>The router that was started last would be started otherwise now: it goes before the next load.</summary>
    public Func<bool> IsOutdated { private get; init; } = () => false;

    public bool IsRunning => router is { Child.HasExited: false };

    public IReadOnlyList<int> ProcessIds => launcher.Pids;

    public IReadOnlyList<string> LogTail() => log.Ring.Since(Volatile.Read(ref loadMark));

    public async Task<LoadResult> LoadAsync(
        ModelConfig model, long instance, Action<LoadProgress> progress, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        Volatile.Write(ref loaded, null);
        if (quarantine.IsStale || IsOutdated())
            await StopAsync(StopMargin);
        if (await EnsureRouterAsync(cancel) is { } noRouter)
            return new(null, noRouter);
        if (quarantine.FailureOf(model.RouterId) is { } known)
            return new(null, known);

        await ClearAsync(router!, cancel);
        // It may have died since the unload, which shows only now.
        if (await EnsureRouterAsync(cancel) is { } stillNone)
            return new(null, stillNone);
        var current = router!;
        if (launcher.Unended() is { } stays)
            return new(null, stays);
        var mark = log.Ring.Mark();
        Volatile.Write(ref loadMark, mark);
        current.Listener = message =>
        {
            if (message is { Progress: { } step } && message.Model == model.RouterId)
                progress(step);
        };
        try
        {
            var failure = await RequestAsync(current, model, mark, cancel)
                ?? await WaitUntilReadyAsync(current, model, mark, cancel)
                ?? await ProveAsync(current, model, mark, cancel);
            if (failure is not null)
                return new(null, failure);
        }
        finally
        {
            current.Listener = null;
        }
        var upstream = await UpstreamAsync(current, model, cancel);
        Volatile.Write(ref loaded, new Loaded(instance, model, mark, upstream.BaseAddress));
        // It may have died since it was proven: have the watcher look once.
        current.Nudge();
        return new(upstream, null);
    }

    /// <summary>The model's own port where it is known and answers, else the router.</summary>
    /// <remarks>
    /// Measured with llama-server 0.7.0: when the client of an answer that is not streamed leaves, the model stops within
    /// 0.02 s if it was asked directly, and goes on to its last token if it was asked through the router.
    /// </remarks>
    private async Task<Upstream> UpstreamAsync(RouterProcess current, ModelConfig model, CancellationToken cancel)
    {
        var status = await StatusAsync(current, model, cancel);
        var address = current.Address;
        if (status is { Port: { } port })
        {
            var own = new Uri($"http://127.0.0.1:{port}/");
            using var client = new RouterClient(own, current.Key, time);
            if ((await client.GetAsync("health", cancel)).IsOk)
                address = own;
        }
        return new Upstream(address, model.RouterId, current.Key) { Arguments = status?.Arguments ?? [] };
    }

    public async Task UnloadAsync(ModelConfig model, CancellationToken cancel)
    {
        Volatile.Write(ref loaded, null);
        if (router is not { } current)
            return;
        if (!current.Child.HasExited)
            await QuiesceAsync(current, model.RouterId, cancel);
        await ClearAsync(current, cancel);
    }

    public async Task StopAsync(TimeSpan grace)
    {
        Volatile.Write(ref loaded, null);
        if (router is not { } current)
            return;
        if (grace > TimeSpan.Zero && !current.Child.HasExited)
        {
            current.Child.Terminate();
            try
            {
                await current.Child.Exited.WaitAsync(grace, time);
            }
            catch (TimeoutException)
            {
                LlamaLog.StopTimedOut(logger, grace.TotalSeconds);
            }
        }
        // The watcher ends with the router. If that stays, no load will succeed until it is gone.
        if (await launcher.EndAsync(current.Child, time))
            await watching;
        router = null;
    }

    public void Nudge() => router?.Nudge();

    public async ValueTask DisposeAsync() => await StopAsync(TimeSpan.Zero);

    private async Task<LoadFailure?> EnsureRouterAsync(CancellationToken cancel)
    {
        // What a router that ended by itself has left behind may still be going.
        if (router is { Child.HasExited: true } ended)
            await launcher.EndAsync(ended.Child, time);
        if (launcher.Unended() is { } stays)
            return stays;
        if (IsRunning)
            return null;
        await watching;
        router = null;
        RouterLaunch wanted;
        try
        {
            wanted = launch();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new(LoadFailureReason.Unknown, $"llama-server's preset file cannot be written: {e.Message}.", []);
        }
        quarantine.Reset(wanted);
        for (var tries = 0; ; tries++)
        {
            var (started, failure) = await RouterProcess.StartAsync(wanted, launcher, log, time, cancel);
            if (started is not null)
            {
                router = started;
                watching = WatchAsync(started);
                LlamaLog.RouterAnswers(logger, started.Address.AbsoluteUri);
                return null;
            }
            if (tries < BadSectionsMax
                && LoadFailureClassifier.BadPresetSection(failure!.LogTail) is { } section
                && quarantine.Isolate(wanted, section, failure) is { } reduced)
            {
                LlamaLog.SectionLeftOut(logger, section, failure.Error);
                wanted = reduced;
                continue;
            }
            return failure;
        }
    }

    // Returns when no model has a process, whoever started it; only what cannot be ended may still be there.
    private async Task ClearAsync(RouterProcess current, CancellationToken cancel)
    {
        var asked = new HashSet<string>(StringComparer.Ordinal);
        var began = time.GetTimestamp();
        var longest = TimeSpan.Zero;
        for (var looks = 0; !current.Child.HasExited;)
        {
            var next = current.Changed;
            var models = await current.Client.ModelsAsync(cancel);
            var up = models?.Where(model => model.IsUp).ToList();
            if (up is { Count: 0 } && ProcessTree.Descendants(current.Child.Pid).Count == 0)
                return;
            foreach (var model in up?.Where(model => !asked.Contains(model.Id)) ?? [])
            {
                if (model.StopTimeout > longest)
                    longest = model.StopTimeout;
                // One that was not heard is asked again. 400: it is not running any more.
                if ((await current.Client.UnloadAsync(model.Id, cancel)).Status is not (200 or 400))
                    continue;
                asked.Add(model.Id);
                // The event may have come during the request: look at once.
                next = Task.CompletedTask;
            }
            // A router that tells nothing is given no stop-timeout of a model that it may hold.
            if (time.GetElapsedTime(began) > longest + StopMargin)
            {
                LlamaLog.UnloadTimedOut(logger, (longest + StopMargin).TotalSeconds);
                break;
            }
            // Reported as unloaded, but its process is still ending: no event tells when it is gone.
            if (up is { Count: 0 })
                next = Task.Delay(TimeSpan.FromMilliseconds(1), time, cancel);
            looks = await current.WaitAsync(next, looks, cancel);
        }
        await launcher.EndAsync(current.Child, time);
    }

    private async Task QuiesceAsync(RouterProcess current, string id, CancellationToken cancel)
    {
        var began = time.GetTimestamp();
        var pause = QuiescePoll;
        while (RouterClient.ReadSlots(await current.Client.SlotsAsync(id, cancel)) == SlotsState.Busy)
        {
            if (time.GetElapsedTime(began) > QuiesceLimit)
            {
                LlamaLog.UnloadWhileBusy(logger, id);
                return;
            }
            await Task.Delay(pause, time, cancel);
            pause = pause * 2 < QuiescePollMost ? pause * 2 : QuiescePollAlone;
        }
    }

    // Null when the router has accepted the load.
    private async Task<LoadFailure?> RequestAsync(
        RouterProcess current, ModelConfig model, long mark, CancellationToken cancel)
    {
        for (var looks = 0; ;)
        {
            var next = current.Changed;
            var reply = await current.Client.LoadAsync(model.RouterId, cancel);
            if (reply.IsOk)
                return null;
            if (current.Child.HasExited)
                return await current.RouterFailureAsync(model.Name, model.Path, mark, wasLoaded: false);

            var message = reply.ErrorMessage ?? "";
            // All three pass by themselves: a lost connection, "model is already running" (it is still stopping, or our
            // request did arrive), "model limit reached, try again later" (another one is still stopping).
            var passing = reply.Status == 0
                || message.Contains("already running", StringComparison.Ordinal)
                || message.Contains("model limit reached", StringComparison.Ordinal);
            if (!passing)
                return Refused(reply, message, model);
            if (reply.Status != 500 && await StatusAsync(current, model, cancel) is { IsUp: true })
                return null;
            looks = await current.WaitAsync(next, looks, cancel);
        }
    }

    // Null when the router says that the model is loaded.
    private async Task<LoadFailure?> WaitUntilReadyAsync(
        RouterProcess current, ModelConfig model, long mark, CancellationToken cancel)
    {
        var began = time.GetTimestamp();
        var wasUp = false;
        for (var looks = 0; ;)
        {
            var next = current.Changed;
            var status = await StatusAsync(current, model, cancel);
            if (current.Child.HasExited)
                return await current.RouterFailureAsync(model.Name, model.Path, mark, wasLoaded: false);
            if (status is { IsReady: true })
                return null;
            if (status is { IsUp: true })
                wasUp = true;
            // "failed" is set by exits that were asked for, too; none was since our request.
            else if (status is not null && (wasUp || status.Failed || time.GetElapsedTime(began) > AcceptedLimit))
            {
                var failure = await current.ModelFailureAsync(
                    model.RouterId, model.Name, model.Path, mark, wasLoaded: false);
                // Nothing tells of a process that could have been killed.
                return wasUp || status.Failed || failure.Reason != LoadFailureReason.Killed ? failure : NotBegun(model);
            }
            looks = await current.WaitAsync(next, looks, cancel);
        }
    }

    // Null when the model's own process has answered through the router.
    private static async Task<LoadFailure?> ProveAsync(
        RouterProcess current, ModelConfig model, long mark, CancellationToken cancel)
    {
        for (var looks = 0; ;)
        {
            var next = current.Changed;
            var reply = await current.Client.SlotsAsync(model.RouterId, cancel);
            // Started with --no-slots, or not a llama-server.
            if (reply.Status is 404 or 501)
                reply = await current.Client.ModelPropsAsync(model.RouterId, cancel);
            if (reply.IsOk)
                return null;
            if (current.Child.HasExited)
                return await current.RouterFailureAsync(model.Name, model.Path, mark, wasLoaded: false);
            if (await StatusAsync(current, model, cancel) is { IsUp: false })
                return await current.ModelFailureAsync(model.RouterId, model.Name, model.Path, mark, wasLoaded: false);
            looks = await current.WaitAsync(next, looks, cancel);
        }
    }

    private static async Task<RouterModel?> StatusAsync(
        RouterProcess current, ModelConfig model, CancellationToken cancel) =>
        (await current.Client.ModelsAsync(cancel))?.FirstOrDefault(
            item => string.Equals(item.Id, model.RouterId, StringComparison.Ordinal));

    private LoadFailure NotBegun(ModelConfig model) => new(LoadFailureReason.Unknown,
        $"llama-server accepted the load of '{model.RouterId}', but {AcceptedLimit.TotalSeconds:0} s later it is neither loaded "
        + "nor being loaded.",
        log.Tail(20));

    private LoadFailure Refused(RouterReply reply, string message, ModelConfig model)
    {
        if (message.Length == 0)
            message = $"HTTP status {reply.Status}";
        // The body of an unknown model is that of an unknown route: "File Not Found".
        var error = reply.Status == 404
            ? $"llama-server's router has no model '{model.RouterId}': it is in neither the preset file nor models_dir."
            : $"llama-server refused to load '{model.RouterId}': {message}.";
        return new(LoadFailureReason.Unknown, error, log.Tail(20));
    }
}
