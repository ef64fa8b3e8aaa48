using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace HotModel.FunctionalTests.Harness;

/// <summary>Ports of the loopback interface that nobody uses, each given once.</summary>
internal static class Ports
{
    private static readonly ConcurrentDictionary<int, bool> Given = [];

    public static int Next()
    {
        while (true)
        {
            // Below the range from which systems take ports for outgoing connections, so that none takes it meanwhile.
            var port = Random.Shared.Next(10_000, 30_000);
            if (IsFree(port) && Given.TryAdd(port, true))
                return port;
        }
    }

    private static bool IsFree(int port)
    {
        try
        {
            using var listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
