using System.Net;
using System.Net.Sockets;
using HotModel.Access;
using HotModel.Configuration;
using HotModel.Http;
using HotModel.Llama;
using HotModel.Logging;
using HotModel.Tls;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace HotModel;

/// <summary>Kestrel as HotModel needs it: where it listens, and what it takes from clients.</summary>
internal static class WebServer
{
    /// <summary>What it gets beyond the drain's own bound to send the last bytes.</summary>
    private static readonly TimeSpan LastBytes = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Files and sockets that are not for a client and its answer: 64 idle connections to a model at most, its router's, the
    /// store, the log, and what starting a process needs. So many for each model that may be loaded at once.
    /// </summary>
    private const int OwnFiles = 160;
    private const int ConnectionsLeast = 16;
    /// <summary>Systems allow a million files. So many idle connections take some 100 MB; nobody has as many clients.</summary>
    private const int ConnectionsMost = 10_000;

    /// <summary>
    /// Clients that connect in the same moment. Beyond Kestrel's own 512 they wait a second before they are heard again:
    /// that is when Linux repeats what it had no room for. It takes no more than net.core.somaxconn, 4,096 by default.
    /// </summary>
    private const int Backlog = 4096;

    /// <summary>A client sends a head at once. Kestrel's own 30 s would let an idler hold a connection longer.</summary>
    private static readonly TimeSpan HeadLimit = TimeSpan.FromSeconds(10);

    /// <summary>On the average, after the first five seconds. Any link is faster.</summary>
    public const int SlowestBytesPerSecond = 240;
    private static readonly TimeSpan SlowestGrace = TimeSpan.FromSeconds(5);

    public static Poller? PollerOf(HotModelConfig config) => config.Server.FastRelay ? Poller.Shared : null;

    /// <summary>Where models are loaded beside each other, one more than may stay loaded.</summary>
    public static int LanesOf(HotModelConfig config) =>
        config.Server.SwitchPolicy == SwitchPolicy.ZeroOverlap ? 1 : config.Server.ModelsMax + 1;

    /// <param name="config">Of the server.</param>
    /// <param name="tls">Null: plain HTTP for everybody.</param>
    /// <param name="time">The clock.</param>
    public static WebApplication Build(HotModelConfig config, TlsIdentity? tls, TimeProvider time)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions
        {
            Args = [],
            ApplicationName = "hotmodel",
            ContentRootPath = Path.GetDirectoryName(config.FilePath),
        });
        // Neither settings files nor variables, nor the console's log: both are hotmodel's own.
        builder.Configuration.Sources.Clear();
        builder.Logging.ClearProviders().SetMinimumLevel(LogLevel.Information)
            // Two lines for every request otherwise.
            .AddFilter("Microsoft", LogLevel.Warning)
            // What it says of a failed start, with a stack trace, is said in one sentence by the command.
            .AddFilter("Microsoft.Extensions.Hosting", LogLevel.None)
            .AddLogs(config.Server, time);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = config.Server.StopTimeout + LastBytes);
        builder.WebHost.UseSockets(sockets =>
        {
            sockets.Backlog = Backlog;
            sockets.CreateBoundListenSocket = Bind;
            // Then a flush returns when its bytes are with the system: the head of an answer must have gone before the
            // relay writes to the socket itself.
            if (PollerOf(config) is not null)
                sockets.MaxWriteBufferSize = 1;
        });
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            Limit(kestrel.Limits, config);
            Listen(kestrel, config, tls, time);
        });
        return builder.Build();
    }

    /// <summary>Clients that vanish without a word, asleep or cut off, must not hold a model's slot.</summary>
    /// <remarks>Two minutes: a network may be away for one.</remarks>
    private static Socket Bind(EndPoint where)
    {
        Socket socket = SocketTransportOptions.CreateDefaultBoundListenSocket(where);
        KeepAlive.Set(socket, silentSeconds: 60, pauseSeconds: 15, looks: 4);
        return socket;
    }

    private static void Limit(KestrelServerLimits limits, HotModelConfig config)
    {
        limits.MaxRequestBodySize = config.Server.MaxBodyBytes;
        limits.RequestHeadersTimeout = HeadLimit;
        limits.MinRequestBodyDataRate = new MinDataRate(SlowestBytesPerSecond, SlowestGrace);
        limits.MaxConcurrentConnections = ConnectionsWithin(OpenFileLimit.Current, LanesOf(config));
        // Answers may be as slow as their reader: a person who reads along, a tool that thinks.
        limits.MinResponseDataRate = null;
    }

    private static void Listen(KestrelServerOptions kestrel, HotModelConfig config, TlsIdentity? tls, TimeProvider time)
    {
        var shares = new ConnectionShares(kestrel.Limits.MaxConcurrentConnections!.Value);
        if (config.Server.Host is "localhost")
            kestrel.ListenLocalhost(config.Server.Port, Serve);
        else if (IPAddress.TryParse(config.Server.Host, out var address))
            kestrel.Listen(address, config.Server.Port, Serve);
        else
            kestrel.Listen(Dns.GetHostAddresses(config.Server.Host)[0], config.Server.Port, Serve);
        if (config.Server.AdminPort is { } adminPort)
            kestrel.Listen(IPAddress.Loopback, adminPort, listener => listener.Protocols = HttpProtocols.Http1);

        void Serve(ListenOptions listener)
        {
            listener.Protocols = HttpProtocols.Http1;
            listener.Use(next => connection => shares.RunAsync(connection, next));
            if (tls is not null)
                listener.Use(next => new TlsGate(next, tls, time).RunAsync);
        }
    }

    /// <summary>Clients that come beyond it are closed at once, so that none can leave a switch without a socket.</summary>
    private static long ConnectionsWithin(int? openFiles, int lanes) => openFiles is { } files
        ? Math.Clamp((files - (OwnFiles * lanes)) / 2, ConnectionsLeast, ConnectionsMost) : ConnectionsMost;
}
