using System.ComponentModel;
using System.Runtime.InteropServices;

namespace MeasureRelay;

/// <summary>The calls of Linux behind the loops of both ends: a socket of .NET costs more than what is measured.</summary>
internal static partial class Libc
{
    public const uint In = 0x1;
    public const uint Out = 0x4;
    public const uint HangUp = 0x10 | 0x8;

    private const int DoNotWait = 0x40;
    private const int NoSignal = 0x4000;
    private const int Again = 11;
    private const int Interrupted = 4;

    /// <summary>Bytes sent; 0 where there is no room; -1 where the other side is gone.</summary>
    public static unsafe int Send(int socket, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            int count = (int)send(socket, start, bytes.Length, DoNotWait | NoSignal);
            return count >= 0 ? count : Marshal.GetLastPInvokeError() == Again ? 0 : -1;
        }
    }

    /// <summary>Bytes received; -1 where there are none yet; 0 at the end, in whatever way it came.</summary>
    public static unsafe int Receive(int socket, Span<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            int count = (int)recv(socket, start, buffer.Length, DoNotWait);
            return count >= 0 ? count : Marshal.GetLastPInvokeError() == Again ? -1 : 0;
        }
    }

    public static void Terminate(int process) => _ = kill(process, 15);

    public static int Check(int result) => result >= 0 ? result : throw new Win32Exception();

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial nint send(int socket, byte* bytes, nint length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial nint recv(int socket, byte* buffer, nint length, int flags);

    [LibraryImport("libc")]
    private static partial int kill(int process, int signal);

    /// <summary>One epoll set.</summary>
    public sealed unsafe partial class Poll : IDisposable
    {
        private const int Add = 1;
        private const int Remove = 2;
        private const int Modify = 3;
        private const int EventsMax = 256;

        // struct epoll_event is packed on x64 only.
        private static readonly int Stride = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;
        private readonly int set = Check(epoll_create1(0));
        private readonly byte[] events = new byte[EventsMax * 16];
        private readonly byte[] one = new byte[16];

        private struct TimeSpec
        {
            public long Seconds;
            public long Nanoseconds;
        }

        public void Watch(int socket, uint what) => Control(Add, socket, what);

        public void Change(int socket, uint what) => Control(Modify, socket, what);

        public void Forget(int socket) => Control(Remove, socket, 0);

        /// <summary>The number of events. Never waits longer than asked; less where a signal came.</summary>
        public int Wait(long nanoseconds)
        {
            var limit = new TimeSpec
            {
                Seconds = Math.Max(0, nanoseconds) / 1_000_000_000,
                Nanoseconds = Math.Max(0, nanoseconds) % 1_000_000_000,
            };
            fixed (byte* start = events)
            {
                int count = epoll_pwait2(set, start, EventsMax, &limit, null);
                if (count < 0 && Marshal.GetLastPInvokeError() != Interrupted)
                    throw new Win32Exception();
                return Math.Max(0, count);
            }
        }

        public (int Socket, uint What) this[int index]
        {
            get
            {
                ReadOnlySpan<byte> entry = events.AsSpan(index * Stride, Stride);
                return (MemoryMarshal.Read<int>(entry[(Stride - 8)..]), MemoryMarshal.Read<uint>(entry));
            }
        }

        public void Dispose() => _ = close(set);

        private void Control(int operation, int socket, uint what)
        {
            one.AsSpan().Clear();
            MemoryMarshal.Write(one, what);
            MemoryMarshal.Write(one.AsSpan(Stride - 8), socket);
            fixed (byte* start = one)
                Check(epoll_ctl(set, operation, socket, start));
        }

        [LibraryImport("libc", SetLastError = true)]
        private static partial int epoll_create1(int flags);

        [LibraryImport("libc", SetLastError = true)]
        private static partial int epoll_ctl(int set, int operation, int socket, byte* entry);

        [LibraryImport("libc")]
        private static partial int close(int descriptor);

        // glibc 2.35, Linux 5.11: the older calls wait whole milliseconds.
        [LibraryImport("libc", SetLastError = true)]
        private static partial int epoll_pwait2(int set, byte* events, int most, TimeSpec* limit, void* signals);
    }
}
