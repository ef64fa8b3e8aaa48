using System.Net;
using System.Net.Sockets;
using System.Text;

namespace HotModel.Tests.Http;

/// <summary>A TCP server that does with each connection, in order, what the test says; more of them are closed.</summary>
internal sealed class ScriptedServer : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stopping = new(TimeSpan.FromSeconds(60));
    private readonly Task serving;

    public ScriptedServer(params Func<ScriptedConnection, Task>[] scripts)
    {
        listener.Start();
        serving = ServeAsync(scripts);
    }

    public Uri Address => new($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/");
    public int Accepted { get; private set; }

    /// <summary>All requests, as they came.</summary>
    public List<string> Requests { get; } = [];

    /// <summary>Answers each request of a connection with the same bytes.</summary>
    public static Func<ScriptedConnection, Task> Always(string answer) => async connection =>
    {
        while (await connection.ReadRequestAsync() is not null)
            await connection.SendAsync(answer);
    };

    /// <summary>Answers one request with the bytes and closes.</summary>
    public static Func<ScriptedConnection, Task> Once(string answer) => async connection =>
    {
        await connection.ReadRequestAsync();
        await connection.SendAsync(answer);
    };

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        await serving;
        listener.Stop();
        stopping.Dispose();
    }

    private async Task ServeAsync(Func<ScriptedConnection, Task>[] scripts)
    {
        var running = new List<Task>();
        try
        {
            while (true)
            {
                Socket socket = await listener.AcceptSocketAsync(stopping.Token);
                socket.NoDelay = true;
                int number = Accepted++;
                running.Add(RunAsync(socket, number < scripts.Length ? scripts[number] : _ => Task.CompletedTask));
            }
        }
        catch (OperationCanceledException)
        {
        }
        await Task.WhenAll(running);
    }

    private async Task RunAsync(Socket socket, Func<ScriptedConnection, Task> script)
    {
        using (socket)
        {
            try
            {
                await script(new(socket, Requests, stopping.Token));
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException)
            {
                // The client left, as it may.
            }
        }
    }
}

internal sealed class ScriptedConnection(Socket socket, List<string> requests, CancellationToken stopping)
{
    private readonly byte[] bytes = new byte[64 << 10];
    private string received = "";

    /// <summary>The head and the body that it announces; null at the end.</summary>
    public async Task<string?> ReadRequestAsync()
    {
        while (true)
        {
            int end = received.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
            if (end >= 4)
            {
                const string Name = "Content-Length: ";
                int at = received.IndexOf(Name, 0, end, StringComparison.Ordinal);
                if (at >= 0)
                    end += int.Parse(received.AsSpan(at + Name.Length, received.IndexOf('\r', at) - at - Name.Length));
                if (received.Length >= end)
                {
                    string request = received[..end];
                    received = received[end..];
                    lock (requests)
                        requests.Add(request);
                    return request;
                }
            }
            int count = await socket.ReceiveAsync(bytes, stopping);
            if (count == 0)
                return null;
            received += Encoding.Latin1.GetString(bytes, 0, count);
        }
    }

    public Task SendAsync(string text) => SendAsync(Encoding.Latin1.GetBytes(text));

    public async Task SendAsync(byte[] text) => await socket.SendAsync(text.AsMemory(), stopping);

    public void EndSending() => socket.Shutdown(SocketShutdown.Send);

    public async Task SendByteByByteAsync(string text)
    {
        foreach (byte value in Encoding.Latin1.GetBytes(text))
            await socket.SendAsync(new[] { value }, stopping);
    }

    /// <summary>Completes when the client has closed, properly or not.</summary>
    public async Task ClosedAsync()
    {
        try
        {
            while (await socket.ReceiveAsync(bytes, stopping) > 0)
            {
            }
        }
        catch (SocketException)
        {
        }
    }

    /// <summary>Completes when there is something to read, which stays unread.</summary>
    public async Task ArrivedAsync() => await socket.ReceiveAsync(Memory<byte>.Empty, stopping);

    /// <summary>Ends both directions, as the step before closing.</summary>
    public void Shutdown() => socket.Shutdown(SocketShutdown.Both);

    /// <summary>Closes with a reset, as a system does that has bytes for a connection nobody reads.</summary>
    public void Reset() => socket.Close(0);
}
