using HotModel.Sessions;

namespace HotModel.Snapshots;

/// <summary>
/// Brings saved files from the system's cache to the disk, one after another, behind the switch that saved them.
/// </summary>
/// <remarks>
/// After a power cut a file may have its right length and zeros in it, and llama-server would take them for a cache. So
/// a file counts in the run of the system in which it was written, and in others only once it was flushed.
/// </remarks>
internal sealed class DiskFlush(SnapshotFolder folder, SessionStore store) : IAsyncDisposable
{
    private const string BootIdPath = "/proc/sys/kernel/random/boot_id";

    private readonly Lock sync = new();
    private Task last = Task.CompletedTask;

    /// <summary>Of the system's present run; where it has no name for that, of this process.</summary>
    public string Boot { get; } = File.Exists(BootIdPath)
        ? File.ReadAllText(BootIdPath).Trim()
        : Guid.NewGuid().ToString("N");

    public void Begin(string file)
    {
        lock (sync)
            last = AfterAsync(last, file);
    }

    /// <summary>Returns when all that was begun is on the disk.</summary>
    public async ValueTask DisposeAsync()
    {
        Task pending;
        lock (sync)
            pending = last;
        await pending;
    }

    private async Task AfterAsync(Task before, string file)
    {
        await before;
        await Task.Run(() =>
        {
            try
            {
                using var handle = File.OpenHandle(
                    folder.PathOf(file), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
                RandomAccess.FlushToDisk(handle);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Deleted meanwhile, or it stays one that the next run of the system does not trust.
                return;
            }
            store.SnapshotIsOnDisk(file);
        });
    }
}
