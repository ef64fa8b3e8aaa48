using System.Net.Sockets;

namespace HotModel.Http;

/// <summary>TCP's own look whether the other end is still there, for ends that vanish without a word.</summary>
internal static class KeepAlive
{
    /// <param name="socket">One that listens gives it to those that it accepts.</param>
    /// <param name="silentSeconds">Without a byte, before the first look.</param>
    /// <param name="pauseSeconds">Between two.</param>
    /// <param name="looks">So many without an answer end the connection.</param>
    public static void Set(Socket socket, int silentSeconds, int pauseSeconds, int looks)
    {
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, silentSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, pauseSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, looks);
    }
}
