using System.Collections;
using System.Net;
using HotModel.Access;
using HotModel.Api;
using HotModel.Cli;
using HotModel.Configuration;
using HotModel.Fit;
using HotModel.Gpu;
using HotModel.Http;
using HotModel.Llama;
using HotModel.Prefill;
using HotModel.Proxy;
using HotModel.ReadAhead;
using HotModel.Sessions;
using HotModel.Snapshots;
using HotModel.Switching;
using ZLogger;

namespace HotModel;

/// <summary>The whole program, put together in order of dependence, and its life.</summary>
internal sealed class HotModelHost : IAsyncDisposable
{
    /// <summary>What Kestrel gets beyond the drain's own bound to send the last bytes.</summary>
    private static readonly TimeSpan LastBytes = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Files and sockets that are not for a client and its answer: 64 idle connections to the model at most, the
    /// router's, the store, the log, and what starting a process needs.
    /// </summary>
    private const int OwnFiles = 160;
    private const int ConnectionsLeast = 16;

    private static readonly string Version = typeof(HotModelHost).Assembly.GetName().Version!.ToString(3);

    private readonly HotModelConfig config;
    private readonly WebApplication app;
    private readonly ILoggerFactory logs;
    private readonly SwitchLoop loop;
    private readonly SnapshotKeeper snapshots;
    private readonly List<IDisposable> owned = [];

    private HotModelHost(HotModelConfig config)
    {
        this.config = config;
        var time = TimeProvider.System;
        app = BuildWebServer(config);
        logs = app.Services.GetRequiredService<ILoggerFactory>();

        var store = Own(SessionStore.Open(
            config.Server.StateDirectory, config.Session, time, logs.CreateLogger<SessionStore>()));
        SeedImport.Run(store, config.Server.StatePath, time, logs.CreateLogger("HotModel.Sessions.SeedImport"));

        snapshots = new SnapshotKeeper(
            config.Snapshots, config.SnapshotDirectory, store, time, logs.CreateLogger<SnapshotKeeper>());
        var warm = new WarmReturn(snapshots, store, time, logs.CreateLogger<WarmReturn>());
        var forwarder = Own(new Forwarder(time, PollerOf(config)));
        var quiet = new QuietTime();
        var prefill = new PrefillAhead(
            new NextPrompt(config, store, forwarder, time), warm, quiet, forwarder,
            config.Snapshots.Enabled ? config.Snapshots.PrefillAhead : TimeSpan.Zero, time,
            logs.CreateLogger<PrefillAhead>());

        var gpu = Own(GpuMemory.TryOpen());
        GpuReading Read() => gpu.Read(time);
        var environment = EnvironmentVariables();
        var facts = new ModelFacts(config, environment);
        var ledger = new FootprintLedger(facts, store, logs.CreateLogger<FootprintLedger>());
        loop = new SwitchLoop(
            config,
            onLost => CreateBackend(config, onLost, time, logs),
            new SwitchGpu(
                Read,
                (beforeLoad, beforeUnload, pids, cancel) => SettleWait.RunAsync(
                    Read, new GpuSettling(beforeLoad, beforeUnload, pids, config.Server.GpuSettleMemoryMb),
                    config.Server.GpuSettleTimeout, time, cancel),
                () => new PeakSampler(Read, time))
            {
                Measure = ledger.Note,
            },
            config.Snapshots.Enabled ? WarmthOf(warm, prefill) : SwitchWarmth.None,
            FirstModel(config, store),
            model => store.LastActiveModel = model,
            time,
            logs.CreateLogger<SwitchLoop>())
        {
            ReadAhead = CreateReadAhead(config, time, logs),
        };

        var metrics = new ProxyMetrics();
        var streams = new StreamExchange(metrics, logs.CreateLogger<StreamExchange>());
        var admissions = new Admissions(
            loop.EnterAsync, loop.WaitStatusOf, quiet, metrics, time, logs.CreateLogger<Admissions>());
        var fit = new FitCheck(config, facts, ledger, store,
            new FitSenses(Read, MemoryState.ReadAll, LoadedNow, UnreadableGpu.MayExist), loop.UsualTimes, time);
        var asks = new RequestAsks(config, async (model, cancel) =>
            loop.Status is { Phase: "ready" } now && now.ActiveModel == model ? null
                : await fit.JudgeAsync(model, cancel) is { Fits: false } verdict ? verdict.Reason : null);
        var chat = new ChatEndpoint(
            config, asks, new Conversations(store, time), admissions, forwarder,
            new ChatExchange(forwarder, streams, metrics, logs.CreateLogger<ChatExchange>()), warm, prefill, time);
        var relay = new RelayEndpoint(config, asks, admissions,
            new RelayExchange(forwarder, streams, metrics, logs.CreateLogger<RelayExchange>()), time, warm);
        app.Use(new RequestGate(new AccessRules(config.Server, new ApiKeys(config.Keys, environment)),
            logs.CreateLogger<RequestGate>()).PassAsync);
        RelayRouting.Map(app, chat, relay);
        new ModelsEndpoint(config.Models, () => loop.Status.ActiveModel, time.GetUtcNow()).Map(app);
        new AdminEndpoints(config, loop, fit, warm, prefill, metrics, time, app.Lifetime.ApplicationStopping).Map(app);
        SessionEndpoints.Map(app, store);
        Own(new HeapTrim(time));
    }

    public static HotModelHost Create(HotModelConfig config) => new(config);

    /// <summary>Runs until SIGTERM or Ctrl+C. False: the switch loop broke and every child was killed.</summary>
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
        HostLog.Listening(logs.CreateLogger<HotModelHost>(), Version, ProxyAddress.Of(config).ToString(),
            config.Server.StateDirectory);
        using var stopping = app.Lifetime.ApplicationStopping.Register(loop.Stop);
        var switching = loop.RunAsync();
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
            // The loop has logged it.
            return false;
        }
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

    private static Poller? PollerOf(HotModelConfig config) => config.Server.FastRelay ? Poller.Shared : null;

    private static WebApplication BuildWebServer(HotModelConfig config)
    {
        // Neither arguments nor settings files: the configuration is hotmodel's own.
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions
        {
            Args = [],
            ApplicationName = "hotmodel",
            ContentRootPath = Path.GetDirectoryName(config.FilePath),
        });
        builder.Logging.ClearProviders().SetMinimumLevel(LogLevel.Information)
            // Two lines for every request otherwise.
            .AddFilter("Microsoft", LogLevel.Warning)
            // What it says of a failed start, with a stack trace, is said in one sentence by the command.
            .AddFilter("Microsoft.Extensions.Hosting", LogLevel.None)
            .AddZLoggerConsole(options =>
            {
                options.LogToStandardErrorThreshold = LogLevel.Trace;
                options.UsePlainTextFormatter(text => text.SetPrefixFormatter(
                    $"{0:utc-longdate} {1:short} ", (in template, in info) => template.Format(info.Timestamp, info.LogLevel)));
            });
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = config.Server.StopTimeout + LastBytes);
        // Then a flush returns when its bytes are with the system: the head of an answer must have gone before the relay
        // writes to the socket itself.
        if (PollerOf(config) is not null)
            builder.WebHost.UseSockets(sockets => sockets.MaxWriteBufferSize = 1);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = config.Server.MaxBodyBytes;
            kestrel.Limits.MaxConcurrentConnections = ConnectionsWithin(OpenFileLimit.Current);
            // Answers may be as slow as their reader: a person who reads along, a tool that thinks.
            kestrel.Limits.MinResponseDataRate = null;
            if (config.Server.Host is "localhost")
                kestrel.ListenLocalhost(config.Server.Port);
            else if (IPAddress.TryParse(config.Server.Host, out var address))
                kestrel.Listen(address, config.Server.Port);
            else
                kestrel.Listen(Dns.GetHostAddresses(config.Server.Host)[0], config.Server.Port);
        });
        return builder.Build();
    }

    /// <summary>Clients that come beyond it are closed at once, so that none can leave a switch without a socket.</summary>
    private static long? ConnectionsWithin(int? openFiles) =>
        openFiles is { } files ? Math.Max(ConnectionsLeast, (files - OwnFiles) / 2) : null;

    /// <summary>The one that was active last, if it still exists; for the first start the one the file names.</summary>
    private static string? FirstModel(HotModelConfig config, SessionStore store) =>
        store.LastActiveModel is { } last && config.Models.ContainsKey(last) ? last : config.Server.ActiveModel;

    private static SwitchWarmth WarmthOf(WarmReturn warm, PrefillAhead prefill) => new(
        Leaving: async cancel =>
        {
            await prefill.EndAsync();
            return await warm.LeavingAsync(cancel);
        },
        Loaded: async (model, upstream, cancel) =>
        {
            // A model that was lost has not left.
            await prefill.EndAsync();
            var restored = await warm.LoadedAsync(model, upstream, cancel);
            prefill.Begin(upstream, restored?.Tokens ?? 0);
            return restored;
        });

    private LoadedNow LoadedNow()
    {
        var status = loop.Status;
        return status.Phase switch
        {
            "ready" or "draining" => new LoadedNow(status.ActiveModel, false, null, loop.BackendPids),
            "idle" or "backing_off" or "stopped" => new LoadedNow(null, false, null, loop.BackendPids),
            _ => new LoadedNow(null, true, status.GoalModel, loop.BackendPids),
        };
    }

    private static Dictionary<string, string> EnvironmentVariables() =>
        Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
            .ToDictionary(variable => (string)variable.Key, variable => (string?)variable.Value ?? "");

    private static TargetReadAhead? CreateReadAhead(HotModelConfig config, TimeProvider time, ILoggerFactory logs) =>
        config.Server.ReadAhead
            ? new(new ModelReader(config, MemoryState.ReadAll, time, logs.CreateLogger<ModelReader>()).Start)
            : null;

    private IBackend CreateBackend(
        HotModelConfig config, Action<ModelLost> onLost, TimeProvider time, ILoggerFactory logs)
    {
        var logger = logs.CreateLogger("HotModel.Llama");
        var log = new ChildLog(config.Server.StateDirectory);
        var launcher = Own(new Launcher(SelfExecutable.Detect(), log, config.Server.StateDirectory, logger));
        if (config.Llama.BackendMode == BackendMode.Process)
            return new ProcessBackend(
                model =>
                {
                    snapshots.Prepare();
                    return LlamaArguments.Process(config, model);
                },
                launcher, log, onLost, time, logger)
            {
                Environment = model => LlamaArguments.ProcessEnvironment(config, model),
            };
        return new RouterBackend(
            () =>
            {
                snapshots.Prepare();
                return LaunchRouter(config);
            },
            launcher, log, config.Server.StateDirectory, onLost, time, logger);
    }

    /// <summary>A user's preset file is handed on as it is; without one it is written at each start of the router.</summary>
    private static RouterLaunch LaunchRouter(HotModelConfig config)
    {
        var preset = config.Router.ModelsPreset;
        if (preset is null)
            PresetWriter.Write(config, preset = PresetWriter.PathOf(config));
        return new RouterLaunch(
            config.Router.Binary, LlamaArguments.Router(config, preset), config.Router.Host, config.Router.Port);
    }
}
