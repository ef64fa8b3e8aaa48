using System.Globalization;

namespace HotModel.Llama;

/// <summary>
/// Which children run, in a file of the state directory, for a next start that finds them still alive.
/// </summary>
/// <remarks>
/// One "pid start name" a line. A pid alone may be somebody else's by then; the three together are not.
/// </remarks>
internal sealed class ChildRecord(string directory)
{
    private const string FileName = "children";
    private readonly Lock gate = new();
    private readonly Dictionary<int, string> lines = [];
    private readonly string path = Path.Combine(directory, FileName);

    /// <param name="binary">The name it will run under; until it has become that, the process is still a copy of
    /// us.</param>
    public void Add(int pid, string binary)
    {
        if (ProcessTree.Identify(pid) is not { } identity)
            return;
        lock (gate)
        {
            lines[pid] = string.Create(CultureInfo.InvariantCulture, $"{pid} {identity.Start} {NameOf(binary)}");
            Write();
        }
    }

    public void Remove(int pid)
    {
        lock (gate)
        {
            if (lines.Remove(pid))
                Write();
        }
    }

    /// <summary>Kills what an earlier run left behind. Call once, before the first child is started.</summary>
    /// <returns>The pids that were killed.</returns>
    public IReadOnlyList<int> Sweep()
    {
        var killed = new List<int>();
        if (!File.Exists(path))
            return killed;
        foreach (var line in File.ReadAllLines(path))
        {
            var parts = line.Split(' ', 3);
            if (parts.Length != 3
                || !int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
                || !ulong.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var start)
                || ProcessTree.Identify(pid) is not { } identity
                || identity.Start != start
                || NameOf(identity.Name) != parts[2])
                continue;
            ChildProcess.KillForeignTree(pid);
            killed.Add(pid);
        }
        File.Delete(path);
        return killed;
    }

    // Linux keeps 15 characters of it.
    private static string NameOf(string binary)
    {
        var name = OperatingSystem.IsWindows() ? Path.GetFileNameWithoutExtension(binary) : Path.GetFileName(binary);
        return name.Length > 15 ? name[..15] : name;
    }

    private void Write()
    {
        try
        {
            var fresh = path + ".new";
            File.WriteAllLines(fresh, lines.Values);
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(fresh, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            File.Move(fresh, path, overwrite: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The record is the third net under the parent-death signal and the guard; a full disk may take it.
        }
    }
}
