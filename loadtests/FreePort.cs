using System.Net;
using System.Net.Sockets;

namespace LoadTests;

/// <summary>A port of 127.0.0.1 on which nothing listens. Part of each program that measures.</summary>
internal static class FreePort
{
    public static int Next()
    {
        while (true)
        {
            // Below the range from which systems take ports for outgoing connections.
            var port = Random.Shared.Next(10_000, 30_000);
            try
            {
                using var listener = new TcpListener(IPAddress.Loopback, port);
                listener.Start();
                return port;
            }
            catch (SocketException)
            {
                // Taken: another.
            }
        }
    }
}
