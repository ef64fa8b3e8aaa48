using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace HotModel.LoadTests.Scenarios;

/// <summary>An HTTP client of hotmodel. Answers are handed over once their headers are in.</summary>
internal sealed class Client : IDisposable
{
    /// <summary>For an answer to come to its end, a wait for a switch included.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly HttpClient http;

    /// <param name="server">Its address.</param>
    /// <param name="receiveBufferBytes">Of each socket; null for the system's own.</param>
    public Client(Uri server, int? receiveBufferBytes = null)
    {
        var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            // A client that leaves an answer closes its connection and does not read the rest first.
            MaxResponseDrainSize = 0,
            ResponseDrainTimeout = TimeSpan.Zero,
        };
        if (receiveBufferBytes is { } bytes)
            handler.ConnectCallback = (context, cancellation) => ConnectAsync(context.DnsEndPoint, bytes, cancellation);
        http = new HttpClient(handler) { BaseAddress = server, Timeout = Timeout.InfiniteTimeSpan };
    }

    public Task<HttpResponseMessage> GetAsync(string path, CancellationToken cancellation) =>
        http.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, cancellation);

    /// <param name="path">Without a slash before it.</param>
    /// <param name="body">JSON.</param>
    /// <param name="session">Its id, for the header; null for none.</param>
    /// <param name="cancellation">Closes the connection.</param>
    public async Task<HttpResponseMessage> PostAsync(
        string path, JsonObject body, string? session, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json"),
        };
        if (session is not null)
            request.Headers.Add("X-HotModel-Session", session);
        return await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation);
    }

    public void Dispose() => http.Dispose();

    private static async ValueTask<Stream> ConnectAsync(
        System.Net.DnsEndPoint server, int receiveBufferBytes, CancellationToken cancellation)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp)
        {
            NoDelay = true,
            // Before it connects: the window that the other side may fill is settled then.
            ReceiveBufferSize = receiveBufferBytes,
        };
        try
        {
            await socket.ConnectAsync(server, cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
