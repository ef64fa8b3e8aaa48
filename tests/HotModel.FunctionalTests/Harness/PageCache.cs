using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace HotModel.FunctionalTests.Harness;

/// <summary>What of a file lies in the page cache, by Linux itself.</summary>
internal static partial class PageCache
{
    private const int DontNeed = 4;
    private const int ReadProtection = 1;
    private const int SharedMapping = 1;

    /// <summary>Drops the file from the cache; the test is skipped where that cannot be done.</summary>
    public static void Evict(string path)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "no way to drop a file's pages is known on this system");
        using (var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite))
        {
            // Only what is on the disk already can be dropped.
            RandomAccess.FlushToDisk(file);
            Assert.Equal(0, posix_fadvise(file, 0, 0, DontNeed));
        }
        Assert.SkipUnless(ResidentBytes(path) == 0, $"the pages of {path} stay: it lies in memory (tmpfs)");
    }

    /// <summary>In whole pages, so that it may be more than the file's length.</summary>
    public static long ResidentBytes(string path)
    {
        using var file = File.OpenHandle(path);
        var length = (nint)RandomAccess.GetLength(file);
        var address = mmap(0, length, ReadProtection, SharedMapping, file, 0);
        Assert.NotEqual(-1, address);
        var pages = new byte[(length + Environment.SystemPageSize - 1) / Environment.SystemPageSize];
        Assert.Equal(0, mincore(address, length, ref pages[0]));
        Assert.Equal(0, munmap(address, length));
        return pages.Count(page => (page & 1) != 0) * (long)Environment.SystemPageSize;
    }

    public static bool IsWhollyResident(string path) => ResidentBytes(path) >= new FileInfo(path).Length;

    [LibraryImport("libc")]
    private static partial int posix_fadvise(SafeFileHandle file, long offset, long length, int advice);

    [LibraryImport("libc")]
    private static partial nint mmap(nint address, nint length, int protection, int flags, SafeFileHandle file, long offset);

    [LibraryImport("libc")]
    private static partial int mincore(nint address, nint length, ref byte pages);

    [LibraryImport("libc")]
    private static partial int munmap(nint address, nint length);
}
