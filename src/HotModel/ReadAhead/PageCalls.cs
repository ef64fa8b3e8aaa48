using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace HotModel.ReadAhead;

/// <summary>What the systems say of memory and of cached pages. Native names kept.</summary>
internal static partial class PageCalls
{
    public const int W_OK = 2;
    public const int PROT_READ = 1;
    public const int MAP_SHARED = 1;
    public const nint MAP_FAILED = -1;

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int access(string path, int mode);

    [LibraryImport("libc")]
    public static partial nint mmap(nint address, nint length, int protection, int flags, SafeFileHandle file, long offset);

    [LibraryImport("libc")]
    public static partial int munmap(nint address, nint length);

    /// <param name="pages">A byte for each page; the lowest bit: it is resident.</param>
    [LibraryImport("libc")]
    public static partial int mincore(nint address, nint length, ref byte pages);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int sysctlbyname(string name, ref long value, ref nint length, nint newValue, nint newLength);

    [LibraryImport("kernel32")]
    [return: MarshalAs(UnmanagedType.Bool)]
    public static partial bool GlobalMemoryStatusEx(ref MemoryStatus status);

    /// <summary>MEMORYSTATUSEX.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct MemoryStatus
    {
        public uint Length;
        public uint LoadPercent;
        public ulong TotalPhysical;
        public ulong AvailablePhysical;
        public ulong TotalPageFile;
        public ulong AvailablePageFile;
        public ulong TotalVirtual;
        public ulong AvailableVirtual;
        public ulong AvailableExtendedVirtual;
    }
}
