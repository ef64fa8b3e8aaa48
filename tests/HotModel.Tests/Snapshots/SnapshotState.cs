using HotModel.Configuration;
using HotModel.Sessions;
using HotModel.Snapshots;
using HotModel.Tests.Sessions;
using Microsoft.Extensions.Logging.Abstractions;

namespace HotModel.Tests.Snapshots;

/// <summary>A state folder with conversations and their snapshots, without a server.</summary>
internal sealed class SnapshotState : IAsyncDisposable
{
    public StateFolder State { get; } = new();
    public SessionStore Store { get; private set; }
    public SnapshotKeeper Keeper { get; private set; }
    public string Folder => Path.Combine(State.Path, "snapshots");
    public long? FreeBytes { get; set; } = 1L << 40;

    public SnapshotState(SnapshotConfig? config = null)
    {
        Store = State.Open();
        Keeper = NewKeeper(config);
    }

    public static SnapshotConfig Config(long? maxBytes = null, int minTokens = 64, bool enabled = true) =>
        new() { Enabled = enabled, MinTokens = minTokens, MaxBytes = maxBytes, PrefillAhead = TimeSpan.Zero };

    public IReadOnlyList<string> Files =>
        [.. Directory.EnumerateFiles(Folder).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];

    public async Task ReopenAsync(SnapshotConfig? config = null)
    {
        await Keeper.DisposeAsync();
        Store.Dispose();
        Store = State.Open();
        Keeper = NewKeeper(config);
    }

    /// <summary>A new conversation's key. Each is used a second later than the one before.</summary>
    public long Session(string id)
    {
        State.Time.Advance(TimeSpan.FromSeconds(1));
        Store.Append(new TurnWrite(id, null, null, null, [new NewMessage("user", "{}"u8.ToArray(), default, null)]), _ => false);
        return Store.Find(id)!.Key;
    }

    /// <summary>Adds a file as a save would, without a server.</summary>
    public string Add(long session, int bytes, string fingerprint = "f", string modelAndBuild = "m")
    {
        State.Time.Advance(TimeSpan.FromSeconds(1));
        var file = SnapshotFolder.NewName();
        Assert.Null(Store.AddSnapshot(
            new StoredSnapshot(file, session, "a", fingerprint, modelAndBuild, default, 100, bytes, Write(file, bytes)),
            Boot));
        return file;
    }

    /// <summary>When the file was written, as its row tells it.</summary>
    public long Write(string file, int bytes)
    {
        var path = Path.Combine(Folder, file);
        File.WriteAllBytes(path, new byte[bytes]);
        return File.GetLastWriteTimeUtc(path).Ticks;
    }

    public string Boot { get; } = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();

    public async ValueTask DisposeAsync()
    {
        await Keeper.DisposeAsync();
        Store.Dispose();
        State.Dispose();
    }

    private SnapshotKeeper NewKeeper(SnapshotConfig? config) => new(
        config ?? Config(), Folder, Store, State.Time, NullLogger.Instance, () => FreeBytes);
}
