using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace HotModel.Http;

/// <summary>epoll(7), as far as the poller needs it.</summary>
internal static partial class Epoll
{
    public const uint In = 0x001;
    public const uint Out = 0x004;
    /// <summary>An error, or the end of both directions.</summary>
    public const uint Closed = 0x008 | 0x010;
    /// <summary>The other side sends no more.</summary>
    public const uint HalfClosed = 0x2000;
    public const uint EdgeTriggered = 1u << 31;

    public const int Add = 1;
    public const int Remove = 2;
    public const int Modify = 3;

    private const int CloseOnExec = 0x80000;
    private const int Interrupted = 4;

    // struct epoll_event is packed on x86-64 only.
    private static readonly int EventBytes = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;
    private static readonly int IdOffset = EventBytes - sizeof(long);

    public static SafeFileHandle Create()
    {
        int descriptor = epoll_create1(CloseOnExec);
        return descriptor >= 0 ? new(descriptor, ownsHandle: true) : throw Failure("epoll_create1");
    }

    public static void Control(SafeHandle poll, int operation, SafeHandle socket, uint events, long id)
    {
        Span<byte> change = stackalloc byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(change, events);
        BinaryPrimitives.WriteInt64LittleEndian(change[IdOffset..], id);
        if (epoll_ctl(poll, operation, socket, ref change[0]) < 0)
            throw Failure("epoll_ctl");
    }

    /// <summary>Waits until there is something to tell.</summary>
    /// <param name="poll">What <see cref="Create"/> made.</param>
    /// <param name="buffer">For what it tells; how long it is bounds how much that is.</param>
    /// <returns>How many sockets <see cref="Read"/> has something of.</returns>
    public static int Wait(SafeHandle poll, Span<byte> buffer)
    {
        int count = epoll_wait(poll, ref buffer[0], buffer.Length / EventBytes, -1);
        if (count < 0)
            return Marshal.GetLastPInvokeError() == Interrupted ? 0 : throw Failure("epoll_wait");
        return count;
    }

    public static (uint Events, long Id) Read(ReadOnlySpan<byte> buffer, int index)
    {
        ReadOnlySpan<byte> told = buffer.Slice(index * EventBytes, EventBytes);
        return (BinaryPrimitives.ReadUInt32LittleEndian(told), BinaryPrimitives.ReadInt64LittleEndian(told[IdOffset..]));
    }

    private static IOException Failure(string call) => new($"{call}: {Marshal.GetLastPInvokeErrorMessage()}");

    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_create1(int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_ctl(SafeHandle poll, int operation, SafeHandle socket, ref byte change);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_wait(SafeHandle poll, ref byte events, int limit, int timeoutMs);
}
