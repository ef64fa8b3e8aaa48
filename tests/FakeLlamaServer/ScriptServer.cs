using System.Net;
using System.Net.Sockets;

namespace FakeLlamaServer;

/// <summary>
/// A llama-server that was started with -m and answers with exactly the bytes of script files, in the TCP segments that
/// they say. A request's member "script" names its file. GET /counts tells what happened; any other GET is answered.
/// </summary>
internal sealed class ScriptServer(FakeOptions options, string folder)
{
    private readonly ScriptCounts counts = new();

    /// <exception cref="SocketException">The port is taken.</exception>
    public void Start()
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Parse(options.Host), options.Port));
        listener.Listen(512);
        _ = AcceptAsync(listener);
    }

    private async Task AcceptAsync(Socket listener)
    {
        while (true)
        {
            var socket = await listener.AcceptAsync();
            socket.NoDelay = true;
            _ = ServeAsync(socket);
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        Interlocked.Increment(ref counts.Accepted);
        Interlocked.Increment(ref counts.Open);
        try
        {
            using (socket)
                await new ScriptConnection(socket, folder, counts).RunAsync();
        }
        catch (Exception e)
        {
            Console.Error.WriteLine($"script: {e}");
        }
        finally
        {
            Interlocked.Decrement(ref counts.Open);
        }
    }
}
