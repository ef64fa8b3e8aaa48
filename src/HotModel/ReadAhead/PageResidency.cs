using Microsoft.Win32.SafeHandles;

namespace HotModel.ReadAhead;

/// <summary>Which pages of a file lie in the page cache: known on Linux, for files that this user may write.</summary>
/// <remarks>Of a file that one may not write, and that belongs to somebody else, mincore says that all of it is there.</remarks>
internal sealed class PageResidency(SafeFileHandle file, string path)
{
    private readonly bool isTold =
        OperatingSystem.IsLinux() && Environment.Is64BitProcess && PageCalls.access(path, PageCalls.W_OK) == 0;

    private byte[] pages = [];

    /// <summary>Bytes of each piece of that part of the file which are not there; where that is not known, all.</summary>
    /// <param name="offset">A multiple of the page's size.</param>
    /// <param name="length">Of the part; 0 or less for nothing.</param>
    /// <param name="pieceBytes">A multiple of the page's size; the last piece may be shorter.</param>
    public int[] MissingBytes(long offset, int length, int pieceBytes)
    {
        if (length <= 0)
            return [];
        var missing = new int[(length + pieceBytes - 1) / pieceBytes];
        var isKnown = isTold && TryLook(offset, length);
        for (var at = 0; at < length; at += Environment.SystemPageSize)
        {
            if (!isKnown || (pages[at / Environment.SystemPageSize] & 1) == 0)
                missing[at / pieceBytes] += Math.Min(Environment.SystemPageSize, length - at);
        }
        return missing;
    }

    /// <summary>Bytes of the whole file that are there; null where that is not known.</summary>
    public long? ResidentBytes(long fileBytes)
    {
        const int windowBytes = 64 << 20;
        if (!isTold)
            return null;
        var resident = 0L;
        for (var at = 0L; at < fileBytes; at += windowBytes)
        {
            var length = (int)Math.Min(windowBytes, fileBytes - at);
            if (!TryLook(at, length))
                return null;
            var count = (length + Environment.SystemPageSize - 1) / Environment.SystemPageSize;
            for (var page = 0; page < count; page++)
            {
                if ((pages[page] & 1) != 0)
                    resident += Math.Min(Environment.SystemPageSize, length - (long)page * Environment.SystemPageSize);
            }
        }
        return resident;
    }

    private bool TryLook(long offset, int length)
    {
        var count = (length + Environment.SystemPageSize - 1) / Environment.SystemPageSize;
        if (pages.Length < count)
            pages = new byte[count];
        var address = PageCalls.mmap(0, length, PageCalls.PROT_READ, PageCalls.MAP_SHARED, file, offset);
        if (address == PageCalls.MAP_FAILED)
            return false;
        var status = PageCalls.mincore(address, length, ref pages[0]);
        _ = PageCalls.munmap(address, length);
        return status == 0;
    }
}
