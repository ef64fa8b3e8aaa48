using System.Net;
using System.Net.Sockets;

namespace HotModel.Tests.Llama;

internal static class TestPorts
{
    public static int Next()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
