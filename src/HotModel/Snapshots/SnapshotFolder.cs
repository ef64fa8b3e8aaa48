using HotModel.Sessions;

namespace HotModel.Snapshots;

/// <summary>The slot files. llama-server writes them, readable for everybody: the folder keeps others out.</summary>
internal sealed class SnapshotFolder(string path)
{
    private const string Extension = ".slot";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Creates it, or takes everyone else's rights from it: it is ours alone.</summary>
    public void Create()
    {
        StateFiles.CreateDirectory(path);
        if (!OperatingSystem.IsWindows() && File.GetUnixFileMode(path) != OwnerOnly)
            File.SetUnixFileMode(path, OwnerOnly);
    }

    /// <summary>Says nothing about whose conversation it is.</summary>
    public static string NewName() => Guid.NewGuid().ToString("N") + Extension;

    public string PathOf(string file) => Path.Join(path, file);

    /// <summary>Size and time of the last change. Null where there is no such file.</summary>
    public (long Bytes, long ChangedTicks)? Look(string file)
    {
        var info = new FileInfo(PathOf(file));
        return info.Exists ? (info.Length, info.LastWriteTimeUtc.Ticks) : null;
    }

    /// <summary>Nobody has touched it: llama-server restores whatever else has a head that it knows.</summary>
    public bool IsAsSaved(StoredSnapshot snapshot) => Look(snapshot.File) == (snapshot.Bytes, snapshot.ChangedTicks);

    public string Location => path;

    public IReadOnlyList<string> Files() => Directory.Exists(path)
        ? [.. Directory.EnumerateFiles(path, "*" + Extension).Select(file => Path.GetFileName(file))]
        : [];

    /// <summary>What cannot be deleted now is left to the next sweep.</summary>
    public void Delete(string file)
    {
        try
        {
            File.Delete(PathOf(file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }
    }

    /// <summary>Of the disk; null where the system does not say.</summary>
    public long? FreeBytes()
    {
        try
        {
            return new DriveInfo(path).AvailableFreeSpace;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }
}
