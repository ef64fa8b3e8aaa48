namespace HotModel.Sessions;

/// <summary>Files that hold conversations: readable by their owner only.</summary>
internal static class StateFiles
{
    private const UnixFileMode OwnerOnlyFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode OwnerOnlyDirectory = OwnerOnlyFile | UnixFileMode.UserExecute;

    /// <summary>A directory that exists keeps its mode: it may be the user's project folder.</summary>
    public static void CreateDirectory(string path)
    {
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(path);
        else
            Directory.CreateDirectory(path, OwnerOnlyDirectory);
    }

    /// <summary>Opens or creates a file for reading and writing.</summary>
    public static FileStream Open(string path, FileShare share)
    {
        var options = new FileStreamOptions
        {
            Mode = FileMode.OpenOrCreate,
            Access = FileAccess.ReadWrite,
            Share = share,
            BufferSize = 0,
        };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = OwnerOnlyFile;
        return new FileStream(path, options);
    }

    /// <summary>Creates the file, or takes everyone else's rights from an existing one.</summary>
    public static void MakePrivate(string path)
    {
        Open(path, FileShare.ReadWrite | FileShare.Delete).Dispose();
        if (!OperatingSystem.IsWindows() && File.GetUnixFileMode(path) != OwnerOnlyFile)
            File.SetUnixFileMode(path, OwnerOnlyFile);
    }
}
