using System.Collections;
using System.Runtime.InteropServices;
using HotModel.Access;
using HotModel.Api;
using HotModel.Cli;
using HotModel.Configuration;
using HotModel.Fit;
using HotModel.Gpu;
using HotModel.Http;
using HotModel.Llama;
using HotModel.Logging;
using HotModel.Prefill;
using HotModel.Proxy;
using HotModel.ReadAhead;
using HotModel.Service;
using HotModel.Sessions;
using HotModel.Snapshots;
using HotModel.Switching;
using HotModel.Tls;

namespace HotModel;

/// <summary>The whole program, put together in order of dependence, and its life.</summary>
internal sealed class HotModelHost : IAsyncDisposable
{
    private static readonly string Version = typeof(HotModelHost).Assembly.GetName().Version!.ToString(3);

    private readonly HotModelConfig config;
    private readonly WebApplication app;
    private readonly ILoggerFactory logs;
    private readonly ModelLanes lanes;
    private readonly FitCheck fit;
    private readonly SnapshotKeeper snapshots;
    private readonly Supervisor? supervisor;
    private readonly ConfigReload reload;
    private volatile AccessRules access;
    private readonly List<IDisposable> owned = [];

    private HotModelHost(HotModelConfig config, TlsCertificate? certificate)
    {
        this.config = config;
        var time = TimeProvider.System;
        var identity = certificate is null ? null : Own(new TlsIdentity(certificate));
        app = WebServer.Build(config, identity, time);
        logs = app.Services.GetRequiredService<ILoggerFactory>();
        // Before anything starts a child.
        supervisor = Supervisor.OfEnvironment(time, logs.CreateLogger<Supervisor>());
        if (supervisor is not null)
            Own(supervisor);

        var live = new LiveConfig(config);
        var store = Own(SessionStore.Open(
            config.Server.StateDirectory, config.Session, time, logs.CreateLogger<SessionStore>()));
        SeedImport.Run(store, config.Server.StatePath, time, logs.CreateLogger("HotModel.Sessions.SeedImport"));

        snapshots = new SnapshotKeeper(
            config.Snapshots, config.SnapshotDirectory, store, time, logs.CreateLogger<SnapshotKeeper>());
        var forwarder = Own(new Forwarder(time, WebServer.PollerOf(config)));
        var quiet = new QuietTime();
        var environment = EnvironmentVariables();
        var facts = new ModelFacts(live, environment);
        var gain = new ReturnGain();
        var warmths = WarmthsOf(config, new NextPrompt(live, store, forwarder, time), quiet, forwarder, time,
            () => new WarmReturn(snapshots, store, gain, facts.FingerprintOf, time, logs.CreateLogger<WarmReturn>()));

        var gpu = Own(GpuMemory.TryOpen());
        GpuReading Read() => gpu.Read(time);
        var ledger = new FootprintLedger(facts, store, logs.CreateLogger<FootprintLedger>());
        lanes = new ModelLanes(
            live,
            SeatsOf(live, warmths, Own(new LaneBackends(
                live, snapshots.Prepare, environment, time, logs.CreateLogger("HotModel.Llama"))), time),
            new SwitchGpu(
                Read,
                (beforeLoad, beforeUnload, pids, cancel) =>
                {
                    // Beside other models all memory together says nothing of the one that leaves.
                    var alone = lanes!.Picture.Loaded.Count == 0;
                    return SettleWait.RunAsync(
                        Read, new GpuSettling(alone ? beforeLoad : null, beforeUnload, pids,
                            alone ? live.Current.Server.GpuSettleMemoryMb : null),
                        live.Current.Server.GpuSettleTimeout, time, cancel);
                },
                () => new PeakSampler(Read, time))
            {
                Measure = ledger.Note,
            },
            PlaceOf,
            new LaneMemory(
                FirstModel(config, store), store.ReadTimes(), model => store.LastActiveModel = model, store.KeepTimes),
            time,
            logs.CreateLogger<SwitchLoop>());
        fit = new FitCheck(live, facts, ledger, store,
            new FitSenses(Read, MemoryState.ReadAll, LoadedNow, UnreadableGpu.MayExist), lanes.UsualTimes, time);

        var metrics = new ProxyMetrics();
        var streams = new StreamExchange(metrics, logs.CreateLogger<StreamExchange>());
        var admissions = new Admissions(
            lanes.EnterAsync, ModelLanes.WaitStatusOf, forwarder.AnswersAsync, quiet, metrics, time,
            logs.CreateLogger<Admissions>());
        var asks = new RequestAsks(live, async (model, cancel) => lanes.Picture.Answers(model) ? null
            : await fit.JudgeAsync(model, cancel) is { Fits: false } verdict ? verdict.Reason : null);
        var bodies = new ClientBodies(config.Server.MaxBodyBytes);
        var chat = new ChatEndpoint(
            live, bodies, asks, new Conversations(store, time), admissions, forwarder,
            new ChatExchange(forwarder, streams, metrics, logs.CreateLogger<ChatExchange>()), lease => warmths[lease.Lane], time);
        var relay = new RelayEndpoint(live, bodies, asks, admissions,
            new RelayExchange(forwarder, streams, metrics, logs.CreateLogger<RelayExchange>()), time,
            lease => warmths[lease.Lane]);
        access = new AccessRules(config.Server, new ApiKeys(config.Keys, environment));
        reload = Own(new ConfigReload(live, lanes, environment, (now, keys) =>
        {
            access = new AccessRules(now.Server, keys);
            store.Limits = now.Session;
        }, identity, time, logs.CreateLogger<ConfigReload>()));
        app.Use(new RequestGate(() => access,
            logs.CreateLogger<RequestGate>()).PassAsync);
        RelayRouting.Map(app, chat, relay);
        new ModelsEndpoint(live, () => lanes.Status.ActiveModel, time.GetUtcNow()).Map(app);
        new AdminEndpoints(live, lanes, fit, new WarmthView(snapshots, gain, warmths), metrics, Version,
            context => access.MayReadState(context), time, app.Lifetime.ApplicationStopping).Map(app);
        new ReloadEndpoint(reload).Map(app);
        SessionEndpoints.Map(app, store, model => live.Has(model) ? facts.FingerprintOf(live.Model(model)) : "");
        Own(new HeapTrim(time));
    }

    public static HotModelHost Create(HotModelConfig config, TlsCertificate? certificate) => new(config, certificate);

    /// <summary>Runs until SIGTERM or Ctrl+C. False: a switch loop broke and every child was killed.</summary>
    /// <exception cref="IOException">The address is taken.</exception>
    public async Task<bool> RunAsync()
    {
        try
        {
            await app.StartAsync();
        }
        catch (OperationCanceledException) when (app.Lifetime.ApplicationStopping.IsCancellationRequested)
        {
            // Told to stop before it had begun: nothing was started.
            return true;
        }
        HostLog.Listening(logs.CreateLogger<HotModelHost>(), Version, ProxyAddress.Listening(config).ToString(),
            config.Server.StateDirectory);
        using var stopping = app.Lifetime.ApplicationStopping.Register(() =>
        {
            supervisor?.TellStop(config.Server.StopTimeout);
            lanes.Stop();
        });
        using var hangUp = OperatingSystem.IsWindows() ? null
            : PosixSignalRegistration.Create(PosixSignal.SIGHUP, ReloadOn);
        var switching = lanes.RunAsync();
        using var ended = new CancellationTokenSource();
        var telling = supervisor?.RunAsync(lanes, config.Server.LoadTimeout, ended.Token) ?? Task.CompletedTask;
        var serving = app.WaitForShutdownAsync();
        await Task.WhenAny(switching, serving);
        app.Lifetime.StopApplication();
        await serving;
        try
        {
            await switching;
            return true;
        }
        catch (Exception)
        {
            // It was logged there.
            return false;
        }
        finally
        {
            await ended.CancelAsync();
            await telling;
        }
    }

    private void ReloadOn(PosixSignalContext signal)
    {
        // Else it would end the program.
        signal.Cancel = true;
        Task Reload() => reload.RunAsync(isDryRun: false, CancellationToken.None);
        _ = supervisor is null ? Reload() : supervisor.TellReloadAsync(Reload);
    }

    public async ValueTask DisposeAsync()
    {
        await app.DisposeAsync();
        await snapshots.DisposeAsync();
        for (var i = owned.Count - 1; i >= 0; i--)
            owned[i].Dispose();
    }

    private T Own<T>(T value) where T : IDisposable
    {
        owned.Add(value);
        return value;
    }

    /// <summary>The one that was active last, if it still exists; for the first start the one the file names.</summary>
    private static string? FirstModel(HotModelConfig config, SessionStore store) =>
        store.LastActiveModel is { } last && config.Models.ContainsKey(last) ? last : config.Server.ActiveModel;

    /// <summary>One for each lane.</summary>
    private List<LaneWarmth> WarmthsOf(HotModelConfig config, NextPrompt next, QuietTime quiet, Forwarder forwarder,
        TimeProvider time, Func<WarmReturn> create)
    {
        List<LaneWarmth> warmths = [];
        while (warmths.Count < WebServer.LanesOf(config))
        {
            var warm = create();
            warmths.Add(new LaneWarmth(warm, new PrefillAhead(
                next, warm, quiet, forwarder, config.Snapshots.Enabled ? config.Snapshots.PrefillAhead : TimeSpan.Zero, time,
                logs.CreateLogger<PrefillAhead>())));
        }
        return warmths;
    }

    private List<LaneSeat> SeatsOf(
        LiveConfig live, List<LaneWarmth> warmths, LaneBackends backends, TimeProvider time) =>
        [.. warmths.Select((warmth, lane) => new LaneSeat(
            lane,
            onLost => backends.Create(lane, onLost),
            live.Current.Snapshots.Enabled ? warmth.ForSwitch(warmths) : SwitchWarmth.None,
            CreateReadAhead(live, time, logs)))];

    /// <summary>Where a model fits nowhere, the way through the loaded one's place is tried: a verdict may be wrong.</summary>
    private LanePlace PlaceOf(string model)
    {
        var verdict = fit.Judge(model);
        return new LanePlace(verdict.IsBeside, verdict is { IsBeside: true, Fits: false } ? verdict.Reason : null);
    }

    private LoadedNow LoadedNow()
    {
        var picture = lanes.Picture;
        var loop = picture.Active.Loop;
        var status = loop.Status;
        var others = picture.Lanes.Where(lane => !lane.IsActive).ToList();
        var now = status.Phase switch
        {
            "ready" or "draining" => new LoadedNow(status.ActiveModel, false, null, loop.BackendPids),
            "idle" or "backing_off" or "stopped" => new LoadedNow(null, false, null, loop.BackendPids),
            _ => new LoadedNow(null, true, status.GoalModel, loop.BackendPids),
        };
        return now with
        {
            Others = [.. others.Where(lane => lane.Loop.Status.Phase == "ready").Select(lane => lane.Loop.Status.ActiveModel!)],
            OthersMove = others.Exists(lane => lane.Loop.Status.Phase != "ready"),
            Leaves = picture.Leaves,
            Yields = picture.Yields is { BackendPids: var pids, Status: { Phase: "ready", ActiveModel: { } model } }
                ? (model, pids) : null,
        };
    }

    private static Dictionary<string, string> EnvironmentVariables() =>
        Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
            .ToDictionary(variable => (string)variable.Key, variable => (string?)variable.Value ?? "");

    private static TargetReadAhead? CreateReadAhead(LiveConfig live, TimeProvider time, ILoggerFactory logs) =>
        live.Current.Server.ReadAhead
            ? new(new ModelReader(live, MemoryState.ReadAll, time, logs.CreateLogger<ModelReader>()).Start)
            : null;
}
