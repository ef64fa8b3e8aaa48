using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace HotModel.Llama;

/// <summary>Exactly one of the two is set.</summary>
internal readonly record struct RouterStart(RouterProcess? Router, LoadFailure? Failure);

/// <summary>One running llama-server in router mode: the process, its API, its events.</summary>
internal sealed class RouterProcess : IAsyncDisposable
{
    private static readonly TimeSpan PollFirst = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan PollMax = TimeSpan.FromMilliseconds(100);

    // Without an event the state is looked at this often, beginning anew after each event: for servers that have no
    // stream, for one that connects just now, and because an event may come a moment before /models shows the change.
    private static readonly TimeSpan LookFirst = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LookMax = TimeSpan.FromSeconds(1);

    // The last lines of a process that has ended are in the pipe already.
    private static readonly TimeSpan LastWords = TimeSpan.FromMilliseconds(500);

    private readonly CancellationTokenSource stop = new();
    private readonly ChildLog log;
    private readonly TimeProvider time;
    private readonly Pulse changed = new();
    private readonly ModelEvents events;
    private readonly Task following;

    private RouterProcess(
        ChildProcess child, RouterClient client, Uri address, string key, ChildLog log, TimeProvider time)
    {
        Child = child;
        Client = client;
        Address = address;
        Key = key;
        this.log = log;
        this.time = time;
        events = new ModelEvents(client, time, OnEvent);
        following = events.RunAsync(stop.Token);
    }

    public ChildProcess Child { get; }
    public RouterClient Client { get; }
    public Uri Address { get; }
    public string Key { get; }

    /// <summary>Hears every event; set by whoever waits for a load.</summary>
    public Action<ModelEvent>? Listener { get; set; }

    /// <summary>Completes at the next event that may have changed a model's status. Take it before looking.</summary>
    public Task Changed => changed.Next;

    public void Nudge() => changed.Set();

    /// <summary>Starts a router and returns when it answers.</summary>
    public static async Task<RouterStart> StartAsync(
        RouterLaunch wanted, Launcher launcher, ChildLog log, TimeProvider time, CancellationToken cancel)
    {
        var launch = wanted.WithPort();
        if (!RouterLaunch.IsPortFree(launch.Host, launch.Port))
            return Failed(LoadFailureReason.PortInUse, string.Create(CultureInfo.InvariantCulture,
                $"Port {launch.Port} on {launch.Host} is in use by another program: set router.port to another or 0."));

        // In the environment: a key on the command line shows in the process list, and guards the router only while
        // the model's own port answers anybody.
        var key = Guid.NewGuid().ToString("N") + Guid.NewGuid().ToString("N");
        log.Hide(key);
        var mark = log.Ring.Mark();
        var environment = new Dictionary<string, string>(launch.Environment) { ["LLAMA_API_KEY"] = key };
        var (child, error) = await launcher.StartAsync(launch.Binary, launch.Arguments, environment);
        if (child is null)
            return Failed(LoadFailureReason.BinaryMissing, error!);

        var client = new RouterClient(launch.Address, key, time);
        try
        {
            if (await WaitForAnswerAsync(child, client, time, cancel) is not { } problem)
                return new(new RouterProcess(child, client, launch.Address, key, log, time), null);
            if (!child.HasExited)
            {
                await launcher.EndAsync(child, time);
                client.Dispose();
                return Failed(LoadFailureReason.Exited, problem);
            }
        }
        catch (OperationCanceledException)
        {
            await launcher.EndAsync(child, time);
            client.Dispose();
            throw;
        }
        client.Dispose();
        return new(null, await ExitFailureAsync(child, log, mark, time));
    }

    /// <summary>What runs, for a watcher that must not end: null where no list came, for whatever reason.</summary>
    public async Task<IReadOnlyList<RouterModel>?> LookAsync(ILogger logger)
    {
        try
        {
            return await Client.ModelsAsync(CancellationToken.None);
        }
        catch (Exception e)
        {
            LlamaLog.LookFailed(logger, e);
            return null;
        }
    }

    /// <summary>Waits until a look is worth while: an event, the end of the router, or some time.</summary>
    /// <param name="looks">How often the caller has looked since the last event.</param>
    /// <returns>The next value of <paramref name="looks"/>.</returns>
    public async Task<int> WaitAsync(Task next, int looks, CancellationToken cancel)
    {
        return await WaitAsync(next, LookDelay(looks), cancel) ? 0 : looks + 1;
    }

    /// <returns>False when the time was over before an event or the end of the router.</returns>
    public async Task<bool> WaitAsync(Task next, TimeSpan limit, CancellationToken cancel)
    {
        try
        {
            await Task.WhenAny(next, Child.Exited).WaitAsync(limit, time, cancel);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    public static TimeSpan LookDelay(int looks) => Backoff(LookFirst, LookMax, looks);

    /// <summary>The lines of one model's process since the mark; all lines where they cannot be told apart.</summary>
    public static IReadOnlyList<string> LinesOf(string routerId, IReadOnlyList<string> lines)
    {
        // "srv          load: spawning server instance with name=a on port 58793", then "[58793] …" on its lines.
        var announcement = $"name={routerId} on port ";
        string? prefix = null;
        foreach (var line in lines)
        {
            var at = line.IndexOf(announcement, StringComparison.Ordinal);
            if (at >= 0)
                prefix = $"[{line[(at + announcement.Length)..].Trim()}] ";
        }
        if (prefix is null)
            return lines;
        var own = lines.Where(line => line.StartsWith(prefix, StringComparison.Ordinal)).ToList();
        return own.Count > 0 ? own : lines;
    }

    /// <summary>What the log says about a model whose process has ended while the router lives.</summary>
    public async Task<LoadFailure> ModelFailureAsync(
        string routerId, string model, string path, long mark, bool wasLoaded)
    {
        var epitaph = $"instance name={routerId} exited";
        await log.Ring.WaitForAsync(mark, line => line.Contains(epitaph, StringComparison.Ordinal), LastWords, time);
        var lines = LinesOf(routerId, log.Ring.Since(mark));
        return LoadFailureClassifier.Classify(lines, LoadExit.OfRouterChild(wasLoaded, log.Name), model, path);
    }

    /// <summary>What the log says about the end of the router itself.</summary>
    public async Task<LoadFailure> RouterFailureAsync(string model, string path, long mark, bool wasLoaded)
    {
        var status = await Child.Exited;
        await OutputAsync(Child, time);
        return LoadFailureClassifier.Classify(
            log.Ring.Since(mark), new LoadExit(status, wasLoaded, IsRouter: true), model, path);
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await following;
        Client.Dispose();
        log.Forget(Key);
        stop.Dispose();
    }

    internal static TimeSpan Backoff(TimeSpan first, TimeSpan max, int tries)
    {
        var delay = first * Math.Pow(1.5, Math.Min(tries, 30));
        return delay < max ? delay : max;
    }

    private void OnEvent(ModelEvent message)
    {
        Listener?.Invoke(message);
        // How far a load is changes nothing that /models would tell.
        if (message.Progress is null)
            changed.Set();
    }

    // Null: it answers as a router. Else why it is of no use; look whether the process has exited first.
    private static async Task<string?> WaitForAnswerAsync(
        ChildProcess child, RouterClient client, TimeProvider time, CancellationToken cancel)
    {
        for (var tries = 0; !child.HasExited; tries++)
        {
            var reply = await client.PropsAsync(cancel);
            if (reply.IsOk && !child.HasExited)
            {
                return RoleOf(reply) is null or "router"
                    ? null
                    : "llama-server did not start as a router; router.extra_args must not name a model.";
            }
            if (reply.Status is 404 && await client.ModelsAsync(cancel) is not null)
                return null;
            try
            {
                await child.Exited.WaitAsync(Backoff(PollFirst, PollMax, tries), time, cancel);
            }
            catch (TimeoutException)
            {
                // Time to ask again.
            }
        }
        return "llama-server ended.";
    }

    // Servers before the router had a role do not tell one.
    private static string? RoleOf(RouterReply reply)
    {
        try
        {
            using var document = JsonDocument.Parse(reply.Body);
            return document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty("role", out var role)
                && role.ValueKind == JsonValueKind.String ? role.GetString() : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static async Task<LoadFailure> ExitFailureAsync(
        ChildProcess child, ChildLog log, long mark, TimeProvider time)
    {
        var status = await child.Exited;
        await OutputAsync(child, time);
        return LoadFailureClassifier.Classify(
            log.Ring.Since(mark), new LoadExit(status, IsRouter: true), "", null);
    }

    private static async Task OutputAsync(ChildProcess child, TimeProvider time)
    {
        try
        {
            await child.Output.WaitAsync(LastWords, time);
        }
        catch (TimeoutException)
        {
            // Somebody else holds the pipe open; what has come must do.
        }
    }

    private static RouterStart Failed(LoadFailureReason reason, string error) => new(null, new(reason, error, []));
}
