using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace FakeLlamaServer;

/// <summary>Whether the process at the other end of a loopback connection has read what was sent.</summary>
/// <remarks>
/// TCP itself never tells: it acknowledges what has reached the other system. But here that is the same one, and Linux
/// tells how many bytes of a socket are unread (sock_diag(7)). Elsewhere a pause must do.
/// </remarks>
internal static partial class PeerQueue
{
    private const int Netlink = 16;
    private const int Datagram = 2;
    private const int SockDiag = 4;
    private const ushort DiagByFamily = 20;
    private const int HeaderBytes = 16;
    private const int IdBytes = 48;
    private const int RequestBytes = HeaderBytes + 8 + IdBytes;
    // Of struct inet_diag_msg: family, state, timer, retransmits, id, expiry, unread bytes.
    private const int UnreadOffset = HeaderBytes + 4 + IdBytes + 4;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan BlindPause = TimeSpan.FromMilliseconds(5);
    private static readonly Lock Gate = new();
    private static readonly int Diagnosis = OperatingSystem.IsLinux() ? OpenSocket(Netlink, Datagram, SockDiag) : -1;

    /// <summary>Returns when nothing is unread, or after a time in which a peer that reads at all would have.</summary>
    public static async Task DrainedAsync(Socket socket, CancellationToken cancel)
    {
        var peer = (IPEndPoint)socket.RemoteEndPoint!;
        var own = (IPEndPoint)socket.LocalEndPoint!;
        if (Unread(own, peer) is null)
        {
            await Task.Delay(BlindPause, cancel);
            return;
        }
        var started = Stopwatch.GetTimestamp();
        while (Unread(peer, own) > 0 && Stopwatch.GetElapsedTime(started) < Limit)
            await Task.Delay(Pause, cancel);
    }

    /// <summary>Null where there is no such socket any more, or the system does not tell.</summary>
    private static uint? Unread(IPEndPoint local, IPEndPoint remote)
    {
        if (Diagnosis < 0)
            return null;
        Span<byte> message = stackalloc byte[1024];
        message[..RequestBytes].Clear();
        // struct nlmsghdr: length, type, flags (a request), number, sender; then struct inet_diag_req_v2.
        MemoryMarshal.Write(message, RequestBytes);
        MemoryMarshal.Write(message[4..], DiagByFamily);
        MemoryMarshal.Write(message[6..], (ushort)1);
        message[HeaderBytes] = (byte)AddressFamily.InterNetwork;
        message[HeaderBytes + 1] = (byte)ProtocolType.Tcp;
        MemoryMarshal.Write(message[(HeaderBytes + 4)..], uint.MaxValue);
        var id = message[(HeaderBytes + 8)..RequestBytes];
        BinaryPrimitives.WriteUInt16BigEndian(id, (ushort)local.Port);
        BinaryPrimitives.WriteUInt16BigEndian(id[2..], (ushort)remote.Port);
        local.Address.TryWriteBytes(id[4..], out _);
        remote.Address.TryWriteBytes(id[20..], out _);
        // Any cookie.
        id[40..].Fill(0xff);
        nint length;
        lock (Gate)
        {
            if (Send(Diagnosis, message, RequestBytes, 0) != RequestBytes)
                return null;
            length = Receive(Diagnosis, message, message.Length, 0);
        }
        return length >= UnreadOffset + 4 && MemoryMarshal.Read<ushort>(message[4..]) == DiagByFamily
            ? MemoryMarshal.Read<uint>(message[UnreadOffset..]) : null;
    }

    [LibraryImport("libc", EntryPoint = "socket")]
    private static partial int OpenSocket(int domain, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "send")]
    private static partial nint Send(int socket, Span<byte> bytes, nint length, int flags);

    [LibraryImport("libc", EntryPoint = "recv")]
    private static partial nint Receive(int socket, Span<byte> bytes, nint length, int flags);
}
