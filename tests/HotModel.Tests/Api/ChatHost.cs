using System.Net;
using System.Text;
using HotModel.Access;
using HotModel.Api;
using HotModel.Configuration;
using HotModel.Llama;
using HotModel.Prefill;
using HotModel.Proxy;
using HotModel.Sessions;
using HotModel.Switching;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace HotModel.Tests.Api;

/// <summary>All relayed routes on a real server, before a real upstream that does what the test says.</summary>
internal sealed class ChatHost : IAsyncDisposable
{
    private readonly string stateDirectory = Directory.CreateTempSubdirectory("hotmodel-chat").FullName;
    private CancellationTokenSource leaseAborted = new();
    private readonly TaskCompletionSource leaseReturned = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Forwarder forwarder = new(TimeProvider.System);
    private WebApplication upstreamApp = null!;
    private WebApplication app = null!;
    private int leases;
    private int entered;

    private ChatHost() { }

    public HttpClient Client { get; private set; } = null!;
    public SessionStore Store { get; private set; } = null!;
    public string Database => Path.Combine(stateDirectory, SessionStore.FileName);
    public ProxyMetrics Metrics { get; } = new();
    public Upstream Upstream { get; set; } = null!;
    public string Model { get; set; } = "alpha";
    public Refusal? Refusal { get; set; }
    /// <summary>Put between the endpoint and the first client's connection.</summary>
    public Func<IHttpResponseBodyFeature, IHttpResponseBodyFeature>? WrapFirstBody { get; set; }
    /// <summary>What requests wait for before they are let in or refused; null: for nothing.</summary>
    public Func<CancellationToken, Task>? Queue { get; set; }
    /// <summary>What those who wait are told.</summary>
    public WaitStatus Told { get; set; } = new("loading", "alpha", 42, 2);
    /// <summary>The model's server is there, also where it left a request without an answer.</summary>
    public bool ServerAnswers { get; set; }
    /// <summary>Called for each request that is let in, with how many were before it.</summary>
    public Action<int>? OnEntering { get; set; }
    /// <summary>One of the leases came back with the proof that the model works.</summary>
    public bool Answered { get; private set; }
    public int Leases => Volatile.Read(ref leases);
    /// <summary>What was asked of the gate.</summary>
    public List<RequestAsk> Asks { get; } = [];
    /// <summary>Bodies that the upstream got.</summary>
    public List<string> Forwarded { get; } = [];
    public List<byte[]> ForwardedBytes { get; } = [];
    /// <summary>Method, path and query of what the upstream got.</summary>
    public List<string> ForwardedTargets { get; } = [];
    public Dictionary<string, string?> ForwardedHeaders { get; private set; } = [];

    public static async Task<ChatHost> StartAsync(
        RequestDelegate upstream, TimeProvider? time = null, SessionConfig? session = null, long maxBodyBytes = 1 << 20,
        PresetConfig? preset = null)
    {
        time ??= TimeProvider.System;
        var host = new ChatHost();
        host.upstreamApp = await ServeAsync(async context =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            lock (host.Forwarded)
            {
                host.ForwardedBytes.Add(body.ToArray());
                host.Forwarded.Add(Encoding.UTF8.GetString(body.ToArray()));
                host.ForwardedTargets.Add(
                    $"{context.Request.Method} {context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget}");
            }
            host.ForwardedHeaders = context.Request.Headers.ToDictionary(h => h.Key, h => (string?)h.Value);
            await upstream(context);
        });
        host.Upstream = new(AddressOf(host.upstreamApp), "upstream-id", "our-key");
        HotModelConfig config = Config(session, maxBodyBytes, preset);
        host.Store = SessionStore.Open(host.stateDirectory, config.Session, time);
        var streams = new StreamExchange(host.Metrics, NullLogger<StreamExchange>.Instance);
        var admissions = new Admissions(
            host.EnterAsync, _ => host.Told, (_, _) => Task.FromResult(host.ServerAnswers), new QuietTime(), host.Metrics,
            time, NullLogger<Admissions>.Instance);
        var asks = new RequestAsks(config, (_, _) => default);
        var bodies = new ClientBodies(config.Server.MaxBodyBytes);
        var chat = new ChatEndpoint(
            config, bodies, asks, new Conversations(host.Store, time), admissions, host.forwarder,
            new ChatExchange(host.forwarder, streams, host.Metrics, NullLogger<ChatExchange>.Instance), _ => null, time);
        var relay = new RelayEndpoint(config, bodies, asks, admissions,
            new RelayExchange(host.forwarder, streams, host.Metrics, NullLogger<RelayExchange>.Instance), time);
        host.app = await ServeAsync(app =>
        {
            app.Use((context, next) =>
            {
                if (host.WrapFirstBody is { } wrap)
                {
                    host.WrapFirstBody = null;
                    var body = context.Features.GetRequiredFeature<IHttpResponseBodyFeature>();
                    context.Features.Set(wrap(body));
                }
                return next(context);
            });
            var rules = new AccessRules(config.Server, new ApiKeys(config.Keys, new Dictionary<string, string>()));
            app.Use(new RequestGate(() => rules,
                NullLogger<RequestGate>.Instance).PassAsync);
            RelayRouting.Map(app, chat, relay);
        });
        // A client that leaves does so at once, instead of reading on for a while to save its connection.
        host.Client = new(new SocketsHttpHandler { MaxResponseDrainSize = 0 }) { BaseAddress = AddressOf(host.app) };
        return host;
    }

    public void AbortLease() => leaseAborted.Cancel();

    /// <summary>As the switch loop does when a model was lost: the leases out end, those to come are of the model that is back.</summary>
    public void LoseModel()
    {
        var lost = leaseAborted;
        leaseAborted = new();
        lost.Cancel();
    }

    /// <summary>Completes when a lease has come back, and all have.</summary>
    public async Task LeaseReturnedAsync()
    {
        await leaseReturned.Task.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(0, Leases);
    }

    public async Task<HttpResponseMessage> PostAsync(
        string body, string contentType = "application/json", CancellationToken cancel = default,
        params (string Name, string Value)[] headers)
    {
        using var content = new StringContent(body, Encoding.UTF8, contentType);
        return await SendAsync(HttpMethod.Post, "/v1/chat/completions", content, cancel, headers);
    }

    public async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string target, HttpContent? content = null, CancellationToken cancel = default,
        params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, target) { Content = content };
        foreach ((string name, string value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        return await Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
    }

    public string[] Stored(string session) => Store.Find(session) is { } head
        ? [.. Store.ReadHistory(head.Key).Select(message => Encoding.UTF8.GetString(message.Json.Span))]
        : [];

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await app.DisposeAsync();
        await upstreamApp.DisposeAsync();
        forwarder.Dispose();
        Store.Dispose();
        leaseAborted.Dispose();
        Directory.Delete(stateDirectory, recursive: true);
        Assert.Equal(0, Leases);
    }

    private async ValueTask<Admission> EnterAsync(
        RequestAsk ask, Action<RequestWaiter>? onQueued, CancellationToken cancel)
    {
        lock (Asks)
            Asks.Add(ask);
        if (Queue is { } queue)
        {
            onQueued?.Invoke(new RequestWaiter(ask));
            await queue(cancel);
        }
        if (Refusal is not null)
            return new Admission(null, Refusal);
        OnEntering?.Invoke(entered++);
        Interlocked.Increment(ref leases);
        return new Admission(new ModelLease(Model, Upstream, lease =>
        {
            Answered |= lease.Answered;
            Interlocked.Decrement(ref leases);
            leaseReturned.TrySetResult();
        }, leaseAborted.Token), null);
    }

    public static Task<WebApplication> ServeAsync(RequestDelegate handler) => ServeAsync(app => app.Run(handler));

    public static async Task<WebApplication> ServeAsync(Action<WebApplication> map)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        WebApplication app = builder.Build();
        map(app);
        await app.StartAsync();
        return app;
    }

    public static Uri AddressOf(WebApplication app) => new(
        app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First() + "/");

    private static HotModelConfig Config(SessionConfig? session, long maxBodyBytes, PresetConfig? preset)
    {
        HotModelConfig config = TestConfig.Create("alpha", "beta");
        return config with
        {
            Models = config.Models.Values.ToDictionary(
                model => model.Name, model => model.Name == "beta" ? model with { Aliases = ["gpt-4o"] } : model),
            Server = config.Server with { MaxBodyBytes = maxBodyBytes },
            Session = session ?? config.Session,
            Preset = preset ?? config.Preset,
        };
    }
}
