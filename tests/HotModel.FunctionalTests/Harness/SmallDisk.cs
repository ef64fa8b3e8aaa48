using System.Globalization;

namespace HotModel.FunctionalTests.Harness;

/// <summary>A file system of a test's own, which it can fill and break.</summary>
internal sealed class SmallDisk : IAsyncDisposable
{
    private const int Megabytes = 8;
    private const int BlockBytes = 1024;

    private readonly string image = Path.GetTempFileName();

    private SmallDisk()
    {
    }

    public string Folder { get; } = Directory.CreateTempSubdirectory("hotmodel-disk-").FullName;

    /// <summary>Leaves the test out where nobody may mount.</summary>
    public static async Task<SmallDisk> MountAsync()
    {
        var disk = new SmallDisk();
        // Without a journal an error makes it read-only at once, and there is no room that only root gets.
        var mounted = await Root.TryRunAsync(string.Create(CultureInfo.InvariantCulture, $$"""
            truncate -s {{Megabytes}}M '{{disk.image}}'
            mkfs.ext4 -q -b {{BlockBytes}} -m 0 -O ^has_journal '{{disk.image}}'
            mount -o loop,errors=remount-ro '{{disk.image}}' '{{disk.Folder}}'
            chown "${SUDO_UID:-0}:${SUDO_GID:-0}" '{{disk.Folder}}'
            chmod 700 '{{disk.Folder}}'
            """));
        if (mounted is null)
        {
            await disk.DisposeAsync();
            Assert.Skip("no file system can be mounted here");
        }
        return disk;
    }

    /// <summary>Not a block is left.</summary>
    public void Fill()
    {
        using var filler = new FileStream(Filler, FileMode.Append, FileAccess.Write, FileShare.None, bufferSize: 0);
        foreach (var bytes in (ReadOnlySpan<int>)[64 << 10, BlockBytes])
        {
            try
            {
                while (true)
                    filler.Write(new byte[bytes]);
            }
            catch (IOException)
            {
                // No room for so many.
            }
        }
    }

    public void MakeRoom() => File.Delete(Filler);

    /// <summary>As the kernel does it when the device fails: files that are open for writing can be written no more.</summary>
    public Task BecomeReadOnlyAsync() => Root.RunAsync(
        $"echo 1 >/sys/fs/ext4/$(basename $(findmnt -n -o SOURCE '{Folder}'))/trigger_fs_error");

    /// <summary>For programs that start.</summary>
    public Task MountReadOnlyAsync() => Root.RunAsync($"mount -o remount,ro '{Folder}'");

    public async ValueTask DisposeAsync()
    {
        await Root.TryRunAsync($"! mountpoint -q '{Folder}' || umount '{Folder}'");
        Directory.Delete(Folder);
        File.Delete(image);
    }

    private string Filler => Path.Combine(Folder, "filler");
}
