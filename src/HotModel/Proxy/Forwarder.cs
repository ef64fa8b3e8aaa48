using System.Net.Http.Headers;
using System.Net.Sockets;
using HotModel.Llama;

namespace HotModel.Proxy;

/// <summary>The way to the upstream: sends a request and returns when the head of the answer is there.</summary>
internal sealed class Forwarder : IDisposable
{
    // The upstream listens on this machine; where it does not accept in this time it will not in any.
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);
    // llama-server closes idle connections after 5 s (its Keep-Alive header says so).
    private static readonly TimeSpan IdleConnectionTimeout = TimeSpan.FromSeconds(4);

    private static readonly HttpRequestOptionsKey<bool> OpenedConnection = new("HotModel.OpenedConnection");

    private readonly HttpMessageInvoker client = new(new SocketsHttpHandler
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        UseCookies = false,
        AutomaticDecompression = System.Net.DecompressionMethods.None,
        ActivityHeadersPropagator = null,
        ConnectTimeout = ConnectTimeout,
        PooledConnectionIdleTimeout = IdleConnectionTimeout,
        // An answer that nobody reads to its end must stop the generation at once: close, do not drain.
        MaxResponseDrainSize = 0,
        ConnectCallback = ConnectAsync,
    });

    /// <summary>POSTs a JSON body. Expected failures, cancellation through the scope included, are values.</summary>
    /// <param name="upstream">Where to.</param>
    /// <param name="path">Relative to the upstream's base address, such as v1/chat/completions.</param>
    /// <param name="body">What.</param>
    /// <param name="accept">The client's Accept header, or null.</param>
    /// <param name="scope">Ends the request.</param>
    public async Task<ForwardResult> PostAsync(
        Upstream upstream, string path, RequestSplice body, string? accept, RequestScope scope)
    {
        (HttpResponseMessage? response, ForwardError? error, bool mayTryAgain) =
            await PostOnceAsync(upstream, path, body, accept, scope);
        if (mayTryAgain)
            (response, error, _) = await PostOnceAsync(upstream, path, body, accept, scope);
        return new(response, error);
    }

    public void Dispose() => client.Dispose();

    private async Task<(HttpResponseMessage? Response, ForwardError? Error, bool MayTryAgain)> PostOnceAsync(
        Upstream upstream, string path, RequestSplice body, string? accept, RequestScope scope)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(upstream.BaseAddress, path));
        request.Content = body.ToContent();
        if (upstream.ApiKey is { } key)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        // Nothing else of the client's goes on: with X-Conversation-Id llama-server would no longer notice that the
        // client left, and Authorization is the client's key for us.
        if (accept is not null)
            request.Headers.TryAddWithoutValidation("Accept", accept);
        try
        {
            return (await client.SendAsync(request, scope.Token), null, false);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            if (ForwardError.Of(scope, ForwardStage.ResponseHead) is { } ended)
                return (null, ended, false);
            // Without the scope's end a cancellation is the handler's own connect time-out.
            if (e is OperationCanceledException || e is HttpRequestException
                { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError })
            {
                return (null, new(ForwardStage.Connect, Culprit.Upstream,
                    $"The model's server at {upstream.BaseAddress.Authority} cannot be reached."), true);
            }
            // A connection from the pool may have been closed by the other side while the request was on its way. On
            // one that was opened for this request the same is the server's failure, and it could be this request's.
            bool mayBeStale = !request.Options.TryGetValue(OpenedConnection, out _);
            return (null, new(ForwardStage.ResponseHead, Culprit.Upstream,
                "The model's server ended the connection without an answer."), mayBeStale);
        }
    }

    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancel)
    {
        context.InitialRequestMessage.Options.Set(OpenedConnection, true);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(context.DnsEndPoint, cancel);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
