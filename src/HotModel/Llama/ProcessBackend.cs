using System.Globalization;
using HotModel.Configuration;
using Microsoft.Extensions.Logging;

namespace HotModel.Llama;

/// <summary>
/// One server process for each model: for servers without a router, and any OpenAI-compatible program.
/// </summary>
internal sealed class ProcessBackend : IBackend
{
    private static readonly TimeSpan PollFirst = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan PollMax = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LastWords = TimeSpan.FromMilliseconds(500);

    // What llama-server's router grants its children.
    private static readonly TimeSpan StopGrace = TimeSpan.FromSeconds(10);

    private readonly Func<ModelConfig, IReadOnlyList<string>> arguments;
    private readonly Launcher launcher;
    private readonly ChildLog log;
    private readonly Action<ModelLost> onLost;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private volatile ChildProcess? child;
    private Loaded? loaded;
    private long loadMark;

    private sealed record Loaded(long Instance, ModelConfig Model, ChildProcess Child, long Mark);

    /// <param name="arguments">The command line of a model's server, without the binary.</param>
    /// <param name="onLost">Called once for each loaded model that ends unasked, from any thread.</param>
    public ProcessBackend(
        Func<ModelConfig, IReadOnlyList<string>> arguments, Launcher launcher, ChildLog log, Action<ModelLost> onLost,
        TimeProvider time, ILogger logger)
    {
        this.arguments = arguments;
        this.launcher = launcher;
        this.log = log;
        this.onLost = onLost;
        this.time = time;
        this.logger = logger;
    }

    /// <summary>What a model's server has in its environment beyond ours and its key.</summary>
    public Func<ModelConfig, IReadOnlyDictionary<string, string>> Environment { private get; init; } =
        _ => new Dictionary<string, string>();

    public bool IsRunning => child is { HasExited: false };

    public IReadOnlyList<int> ProcessIds => launcher.Pids;

    public IReadOnlyList<string> LogTail() => log.Ring.Since(Volatile.Read(ref loadMark));

    public async Task<LoadResult> LoadAsync(
        ModelConfig model, long instance, Action<LoadProgress> progress, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        // Whatever still runs goes first: two models never share the device.
        await EndAsync(StopGrace, cancel);
        if (launcher.Unended() is { } stays)
            return new(null, stays);

        var port = model.Port ?? throw new ArgumentException($"model '{model.Name}' has no port", nameof(model));
        if (!RouterLaunch.IsPortFree(model.Host, port))
            return Failed(LoadFailureReason.PortInUse, string.Create(CultureInfo.InvariantCulture,
                $"Port {port} on {model.Host} is in use by another program; set models.{model.Name}.port to another."));

        var key = Guid.NewGuid().ToString("N") + Guid.NewGuid().ToString("N");
        log.Hide(key);
        var mark = log.Ring.Mark();
        Volatile.Write(ref loadMark, mark);
        var environment = new Dictionary<string, string>(Environment(model)) { ["LLAMA_API_KEY"] = key };
        var (started, error) = await launcher.StartAsync(model.Binary, arguments(model), environment);
        if (started is null)
            return Failed(LoadFailureReason.BinaryMissing, error!);
        child = started;
        _ = started.Exited.ContinueWith(_ => log.Forget(key), TaskScheduler.Default);

        var address = RouterLaunch.AddressOf(model.Host, port);
        if (!await WaitUntilReadyAsync(started, address, key, cancel))
            return new(null, await FailureAsync(started, model, mark, wasLoaded: false));
        var held = new Loaded(instance, model, started, mark);
        Volatile.Write(ref loaded, held);
        _ = WatchAsync(held);
        return new(new Upstream(address, model.RouterId, key) { Arguments = arguments(model) }, null);
    }

    public Task UnloadAsync(ModelConfig model, CancellationToken cancel) => EndAsync(StopGrace, cancel);

    public Task StopAsync(TimeSpan grace) => EndAsync(grace, CancellationToken.None);

    public void Nudge()
    {
        // The system itself tells when the process ends; there is nothing that a look could find.
    }

    public async ValueTask DisposeAsync() => await StopAsync(TimeSpan.Zero);

    private async Task EndAsync(TimeSpan grace, CancellationToken cancel)
    {
        Volatile.Write(ref loaded, null);
        if (child is not { } current)
            return;
        if (grace > TimeSpan.Zero && !current.HasExited)
        {
            current.Terminate();
            try
            {
                await current.Exited.WaitAsync(grace, time, cancel);
            }
            catch (TimeoutException)
            {
                LlamaLog.ProcessStopTimedOut(logger, current.Pid, grace.TotalSeconds);
            }
        }
        // If it stays nevertheless, no load will succeed until it is gone.
        await launcher.EndAsync(current, time);
        child = null;
    }

    // False when the process ended instead.
    private async Task<bool> WaitUntilReadyAsync(
        ChildProcess started, Uri address, string key, CancellationToken cancel)
    {
        using var client = new RouterClient(address, key, time);
        for (var tries = 0; !started.HasExited; tries++)
        {
            var reply = await client.GetAsync("health", cancel);
            // A server without this route shows by its list of models that it answers.
            if (reply.Status == 404)
                reply = await client.GetAsync("v1/models", cancel);
            if (reply.IsOk && !started.HasExited)
                return true;
            try
            {
                await started.Exited.WaitAsync(RouterProcess.Backoff(PollFirst, PollMax, tries), time, cancel);
            }
            catch (TimeoutException)
            {
                // 503 while loading, or nobody listens yet.
            }
        }
        return false;
    }

    private async Task WatchAsync(Loaded held)
    {
        await held.Child.Exited;
        if (Interlocked.CompareExchange(ref loaded, null, held) != held)
            return;
        var failure = await FailureAsync(held.Child, held.Model, held.Mark, wasLoaded: true);
        LlamaLog.Lost(logger, held.Model.Name, failure.Error);
        onLost(new ModelLost(held.Instance, failure));
    }

    private async Task<LoadFailure> FailureAsync(ChildProcess ended, ModelConfig model, long mark, bool wasLoaded)
    {
        var status = await ended.Exited;
        try
        {
            await ended.Output.WaitAsync(LastWords, time);
        }
        catch (TimeoutException)
        {
            // Somebody else holds the pipe open; what has come must do.
        }
        return LoadFailureClassifier.Classify(
            log.Ring.Since(mark), new LoadExit(status, wasLoaded), model.Name, model.Path);
    }

    private static LoadResult Failed(LoadFailureReason reason, string error) => new(null, new(reason, error, []));
}
