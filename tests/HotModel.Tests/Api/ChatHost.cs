using System.Net;
using System.Text;
using HotModel.Api;
using HotModel.Configuration;
using HotModel.Llama;
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

/// <summary>The chat endpoint on a real server, before a real upstream that does what the test says.</summary>
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
    public ProxyMetrics Metrics { get; } = new();
    public Upstream Upstream { get; set; } = null!;
    public string Model { get; set; } = "alpha";
    public Refusal? Refusal { get; set; }
    /// <summary>Put between the endpoint and the first client's connection.</summary>
    public Func<Stream, Stream>? WrapFirstBody { get; set; }
    /// <summary>Called for each request that is let in, with how many were before it.</summary>
    public Action<int>? OnEntering { get; set; }
    public int Leases => Volatile.Read(ref leases);
    /// <summary>Bodies that the upstream got.</summary>
    public List<string> Forwarded { get; } = [];
    public Dictionary<string, string?> ForwardedHeaders { get; private set; } = [];

    public static async Task<ChatHost> StartAsync(
        RequestDelegate upstream, TimeProvider? time = null, SessionConfig? session = null, long maxBodyBytes = 1 << 20)
    {
        time ??= TimeProvider.System;
        var host = new ChatHost();
        host.upstreamApp = await ServeAsync(async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            string body = await reader.ReadToEndAsync();
            lock (host.Forwarded)
                host.Forwarded.Add(body);
            host.ForwardedHeaders = context.Request.Headers.ToDictionary(h => h.Key, h => (string?)h.Value);
            await upstream(context);
        });
        host.Upstream = new(AddressOf(host.upstreamApp), "upstream-id", "our-key");
        HotModelConfig config = Config(session, maxBodyBytes);
        host.Store = SessionStore.Open(host.stateDirectory, config.Session, time);
        var exchange = new ChatExchange(host.forwarder, host.Metrics, NullLogger<ChatExchange>.Instance);
        var endpoint = new ChatEndpoint(
            config, new Conversations(host.Store, time), host.EnterAsync, host.forwarder, exchange, host.Metrics, time,
            NullLogger<ChatEndpoint>.Instance);
        host.app = await ServeAsync(context =>
        {
            if (host.WrapFirstBody is { } wrap)
            {
                host.WrapFirstBody = null;
                var body = context.Features.GetRequiredFeature<IHttpResponseBodyFeature>();
                context.Features.Set<IHttpResponseBodyFeature>(new StreamResponseBodyFeature(wrap(body.Stream), body));
            }
            return endpoint.HandleAsync(context);
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
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions");
        request.Content = new StringContent(body, Encoding.UTF8, contentType);
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

    private ValueTask<Admission> EnterAsync(CancellationToken cancel)
    {
        if (Refusal is not null)
            return new(new Admission(null, Refusal));
        OnEntering?.Invoke(entered++);
        Interlocked.Increment(ref leases);
        return new(new Admission(new ModelLease(Model, Upstream, _ =>
        {
            Interlocked.Decrement(ref leases);
            leaseReturned.TrySetResult();
        }, leaseAborted.Token), null));
    }

    public static async Task<WebApplication> ServeAsync(RequestDelegate handler)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        WebApplication app = builder.Build();
        app.Run(handler);
        await app.StartAsync();
        return app;
    }

    public static Uri AddressOf(WebApplication app) => new(
        app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First() + "/");

    private static HotModelConfig Config(SessionConfig? session, long maxBodyBytes)
    {
        HotModelConfig config = TestConfig.Create();
        return config with
        {
            Server = config.Server with { MaxBodyBytes = maxBodyBytes },
            Session = session ?? config.Session,
        };
    }
}
