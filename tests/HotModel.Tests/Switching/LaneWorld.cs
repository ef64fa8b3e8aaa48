using HotModel.Configuration;
using HotModel.Gpu;
using HotModel.Scheduling;
using HotModel.Switching;
using Microsoft.Extensions.Logging.Abstractions;

namespace HotModel.Tests.Switching;

/// <param name="Size">Of the memory, of which the world has <see cref="LaneWorld.Memory"/>.</param>
internal sealed record WorldModel(TimeSpan Load, TimeSpan Unload, int Size = 1);

/// <summary>The lanes on virtual time, with clients, backends and memory of which a seed says what they do.</summary>
internal sealed class LaneWorld
{
    private static readonly GpuReading NoGpu = new(DateTimeOffset.UnixEpoch, null, null, []);
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(100);

    private readonly LiveConfig live;
    private readonly IReadOnlyDictionary<string, WorldModel> models;
    private readonly VirtualTime time;
    private readonly List<ScriptedBackend> backends = [];
    private readonly Dictionary<ScriptedBackend, int> begun = [];
    private readonly List<WorldClient> present = [];
    private volatile bool isQuiet;

    /// <param name="config">Its policy is not zero_overlap.</param>
    /// <param name="models">By name; all that may ever be configured.</param>
    /// <param name="activeModel">Is to be loaded first; null: none.</param>
    /// <param name="random">Of the seed.</param>
    public LaneWorld(
        HotModelConfig config, IReadOnlyDictionary<string, WorldModel> models, string? activeModel, Random random)
    {
        live = new LiveConfig(config);
        this.models = models;
        time = new VirtualTime(random);
        var seats = Enumerable.Range(0, config.Server.ModelsMax + 1).Select(i => new LaneSeat(i, onLost =>
        {
            var backend = new ScriptedBackend(onLost);
            backends.Add(backend);
            return backend;
        }, SwitchWarmth.None, null));
        Lanes = new ModelLanes(live, [.. seats],
            new SwitchGpu(() => NoGpu, (_, _, _, _) => Task.FromResult(new SettleResult(null, NoGpu)),
                () => new PeakSampler(() => NoGpu, time)),
            Place, LaneSimulation.Memory(activeModel, []), time, NullLogger.Instance);
        Pump();
    }

    public ModelLanes Lanes { get; }
    public int Memory { get; init; } = int.MaxValue;
    public HotModelConfig Config => live.Current;
    public TimeSpan Now => time.Now;
    public IReadOnlyList<ScriptedBackend> Backends => backends;
    public IReadOnlyList<WorldClient> Present => present;
    public List<WorldClient> Clients { get; } = [];
    public List<Task<SwitchReport>> Switches { get; } = [];
    public int Loads { get; private set; }
    public List<string> Log { get; } = [];
    /// <summary>Given a model, whether its next load fails.</summary>
    public Func<string, bool> LoadFails { get; set; } = _ => false;
    /// <summary>How much longer than usual the next load takes.</summary>
    public Func<TimeSpan> Delays { get; init; } = () => TimeSpan.Zero;
    /// <summary>Timers and operations that are still to come.</summary>
    public int Pending => time.Count;

    /// <summary>Does what comes next, at its time. False: nothing does.</summary>
    public bool Step()
    {
        if (!time.Step())
            return false;
        Pump();
        return true;
    }

    public void Run(TimeSpan until)
    {
        while (time.Now < until && Step())
        {
        }
    }

    public void In(TimeSpan due, Action action) => time.In(due, action);

    public WorldClient Arrive(RequestAsk ask, TimeSpan takes, TimeSpan? leaves = null)
    {
        var client = new WorldClient(Clients.Count + 1, Lanes, ask, Now, takes);
        Clients.Add(client);
        present.Add(client);
        Note($"{client} comes");
        if (leaves is { } patience)
        {
            time.In(patience, () =>
            {
                if (client.HasEnded)
                    return;
                Note($"{client} leaves");
                client.Leave();
            });
        }
        return client;
    }

    public void Switch(string model, bool force, TimeSpan drainTimeout)
    {
        Note($"switch to {model} is asked for");
        Switches.Add(Lanes.SwitchAsync(model, force, drainTimeout));
    }

    /// <summary>A process ends by itself, with a model or while one is loaded.</summary>
    public void Lose(ScriptedBackend backend)
    {
        Note($"{backend.Holds} is lost");
        backend.Lose();
    }

    /// <summary>As a reload of the configuration does it: the lanes hear of it a little later.</summary>
    public void Reconfigure(HotModelConfig wanted, TimeSpan later)
    {
        var difference = ConfigDifference.Between(live.Current, wanted);
        live.Replace(difference.Effective);
        Note("reload");
        time.In(later, () => _ = Lanes.ReconfigureAsync(difference));
    }

    public void Note(string what) => Log.Add($"{Now.TotalSeconds,8:0.0} {what}");

    /// <summary>Handles what has come, also what the pool's threads bring, and has the world react to it.</summary>
    public void Pump()
    {
        isQuiet = false;
        if (!SpinWait.SpinUntil(IsAtRest, TimeSpan.FromSeconds(10)))
            throw new InvalidOperationException($"somebody was never answered: {Lanes.Status}");
        foreach (var backend in backends)
        {
            if (backend.Violations is [var violation, ..])
                throw new InvalidOperationException(violation);
            Drive(backend);
        }
        foreach (var client in present.ToArray())
            Follow(client);
    }

    private bool IsAtRest()
    {
        if (Lanes.HandlePending())
            return false;
        isQuiet = true;
        if (Lanes.IsOwedAnInput)
            return false;
        isQuiet = false;
        // In this order: whoever was let in and had gone meanwhile gives its lease back before it is done.
        return present.Count(client => !client.Entering.IsCompleted) == Lanes.Status.WaitingChats
            && !Lanes.IsOwedAnInput && !Lanes.HandlePending();
    }

    /// <summary>Looked at when nothing moves, so that a seed does the same again.</summary>
    private LanePlace Place(string model)
    {
        SpinWait.SpinUntil(() => isQuiet);
        if (backends.Sum(backend => backend.Holds is { } held ? models[held].Size : 0) + models[model].Size <= Memory)
            return new LanePlace(true, null);
        return Config.Server.SwitchPolicy == SwitchPolicy.Auto
            ? new LanePlace(false, null) : new LanePlace(true, "It does not fit.");
    }

    /// <summary>What a backend was told to do has its time.</summary>
    private void Drive(ScriptedBackend backend)
    {
        if (!backend.IsBusy || begun.GetValueOrDefault(backend) == backend.Operation)
            return;
        var operation = begun[backend] = backend.Operation;
        var model = backend.Holds;
        var isLoad = backend.IsLoading;
        Note($"{(isLoad ? "load" : "unload")} of {model}");
        if (isLoad && !Config.Models.ContainsKey(model!))
            throw new InvalidOperationException($"{model} is loaded, and is not configured any more");
        Loads += isLoad ? 1 : 0;
        time.In(model is null ? Moment : isLoad ? models[model].Load + Delays() : models[model].Unload, () =>
        {
            if (!backend.IsBusy || backend.Operation != operation)
                return;
            var succeeds = !isLoad || !LoadFails(model!);
            Note(isLoad ? $"{model} {(succeeds ? "answers" : "did not load")}" : $"{model} has gone");
            backend.Finish(succeeds);
        });
    }

    private void Follow(WorldClient client)
    {
        if (!client.Entering.IsCompleted)
        {
            if (client.GivesUp(Config) < Now)
                throw new InvalidOperationException($"{client} waits beyond its bound: {Lanes.Active.Schedule}");
            return;
        }
        if (client.Entering.IsCanceled || client.Refusal is not null)
        {
            Note($"{client}: {client.Refusal?.Kind.ToString() ?? "left"}");
            present.Remove(client);
        }
        else if (client.AdmittedAt is null)
        {
            client.AdmittedAt = Now;
            Note($"{client} is let in to {client.Lease!.Model}");
            if (client.Ask.Model is { } wanted && wanted != client.Lease.Model)
                throw new InvalidOperationException($"{client} was let in to {client.Lease.Model}");
            if (!backends.Exists(backend => backend.Loaded == client.Lease.Model))
                throw new InvalidOperationException($"{client} was let in to {client.Lease.Model}, which is not loaded");
            time.In(client.Takes, () => client.End(answered: true));
        }
        else if (!client.HasEnded && client.Lease!.Aborted.IsCancellationRequested && !client.IsCut)
        {
            client.IsCut = true;
            Note($"{client} is cut");
            time.In(Moment, () => client.End(answered: false));
        }
        if (client.HasEnded)
            present.Remove(client);
    }
}

internal sealed class WorldClient
{
    private readonly CancellationTokenSource leaving = new();

    public WorldClient(int number, ModelLanes lanes, RequestAsk ask, TimeSpan arrived, TimeSpan takes)
    {
        (Number, Ask, Arrived, Takes) = (number, ask, arrived, takes);
        Entering = lanes.EnterAsync(ask, null, leaving.Token).AsTask();
    }

    public int Number { get; }
    public RequestAsk Ask { get; }
    public TimeSpan Arrived { get; }
    public TimeSpan Takes { get; }
    public Task<Admission> Entering { get; }
    public TimeSpan? AdmittedAt { get; set; }
    public bool IsCut { get; set; }
    public bool HasEnded { get; private set; }
    public ModelLease? Lease => Entering.IsCompletedSuccessfully ? Entering.Result.Lease : null;
    public Refusal? Refusal => Entering.IsCompletedSuccessfully ? Entering.Result.Refusal : null;
    public TimeSpan? Waited => AdmittedAt - Arrived;

    public TimeSpan GivesUp(HotModelConfig config) => Arrived + (Ask.Patience ?? config.Server.QueueTimeout);

    /// <summary>Whatever it is about: its wait or its answer ends.</summary>
    public void Leave()
    {
        leaving.Cancel();
        if (Lease is not null)
            End(answered: false);
    }

    public void End(bool answered)
    {
        if (HasEnded)
            return;
        HasEnded = true;
        Lease!.Answered = answered;
        Lease.Dispose();
    }

    public override string ToString() => $"{Number} ({Ask.Intent} {Ask.Model ?? "any"})";
}
