using System.Net;
using System.Net.Sockets;
using System.Text;
using HotModel.Llama;

namespace HotModel.Tests.Llama;

/// <summary>Stands between a backend and its router: lets no event through, and loses answers when told to.</summary>
internal sealed class MuteRelay : IAsyncDisposable
{
    private readonly CancellationTokenSource stop = new();
    private readonly TcpListener listener = new(IPAddress.Loopback, TestPorts.Next());
    private readonly int target = TestPorts.Next();
    private int looksToLose;
    private int looks;

    /// <summary>The router listens on one port, and is asked on another.</summary>
    public RouterLaunch Launch(string preset) =>
        LlamaServer.Launch(preset, target) with { Port = ((IPEndPoint)listener.LocalEndpoint).Port };

    /// <summary>How often the state was asked for.</summary>
    public int Looks => Volatile.Read(ref looks);

    public int LooksToLose { set => Volatile.Write(ref looksToLose, value); }

    /// <summary>To be called when the router runs: before that its port must be free.</summary>
    public void Start()
    {
        listener.Start();
        _ = AcceptAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        listener.Dispose();
        stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = RelayAsync(await listener.AcceptTcpClientAsync(stop.Token));
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException)
        {
            // The test is over.
        }
    }

    private async Task RelayAsync(TcpClient client)
    {
        using var near = client;
        using var far = new TcpClient();
        try
        {
            await far.ConnectAsync(IPAddress.Loopback, target, stop.Token);
            await Task.WhenAny(
                RequestsAsync(near.GetStream(), far.GetStream()),
                far.GetStream().CopyToAsync(near.GetStream(), stop.Token));
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException or SocketException)
        {
            // One of the two went; so does this connection.
        }
    }

    private async Task RequestsAsync(NetworkStream near, NetworkStream far)
    {
        var buffer = new byte[4096];
        int count;
        while ((count = await near.ReadAsync(buffer, stop.Token)) > 0)
        {
            var text = Encoding.ASCII.GetString(buffer, 0, count);
            if (text.StartsWith("GET /models/sse", StringComparison.Ordinal))
                continue;
            if (text.StartsWith("GET /models ", StringComparison.Ordinal))
            {
                Interlocked.Increment(ref looks);
                if (Interlocked.Decrement(ref looksToLose) >= 0)
                    return;
            }
            await far.WriteAsync(buffer.AsMemory(0, count), stop.Token);
        }
    }
}
