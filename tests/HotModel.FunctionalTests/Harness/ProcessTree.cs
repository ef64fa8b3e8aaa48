using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace HotModel.FunctionalTests.Harness;

internal enum Signal { HangUp = 1, Terminate = 15, Kill = 9, Stop = 19, Continue = 18 }

/// <param name="Pid">Its number.</param>
/// <param name="Parent">Its parent's.</param>
/// <param name="CommandLine">Its arguments, spaces between.</param>
internal sealed record ProcessEntry(int Pid, int Parent, string CommandLine);

/// <summary>What /proc says. Part of the soak as well.</summary>
internal static partial class ProcessTree
{
    public static IReadOnlyList<ProcessEntry> All()
    {
        var entries = new List<ProcessEntry>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var pid)
                && Read(pid) is { } entry)
                entries.Add(entry);
        }
        return entries;
    }

    /// <summary>Children, their children, and so on, without the dead.</summary>
    public static IReadOnlyList<ProcessEntry> Descendants(int pid)
    {
        var all = All();
        var found = new List<ProcessEntry>();
        var parents = new Queue<int>([pid]);
        while (parents.TryDequeue(out var parent))
        {
            foreach (var child in all.Where(e => e.Parent == parent))
            {
                found.Add(child);
                parents.Enqueue(child.Pid);
            }
        }
        return found;
    }

    /// <summary>Processes whose command line or environment holds the text, this one apart.</summary>
    public static IReadOnlyList<ProcessEntry> Marked(string marker) =>
        [.. All().Where(e => e.Pid != Environment.ProcessId
            && (e.CommandLine.Contains(marker, StringComparison.Ordinal) || HasInEnvironment(e.Pid, marker)))];

    public static bool IsAlive(int pid) => Read(pid) is not null;

    /// <summary>By SIGSTOP.</summary>
    public static bool IsStopped(int pid) =>
        (ReadText(pid, "status") ?? "").Contains("\nState:\tT", StringComparison.Ordinal);

    public static string? EnvironmentVariable(int pid, string name) =>
        ReadText(pid, "environ")?.Split('\0').FirstOrDefault(v => v.StartsWith(name + "=", StringComparison.Ordinal))
            ?[(name.Length + 1)..];

    public static void Send(int pid, Signal signal) => _ = Kill(pid, (int)signal);

    public static long ResidentBytes(int pid)
    {
        var line = (ReadText(pid, "status") ?? "").Split('\n').First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
        var kilobytes = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];
        return long.Parse(kilobytes, CultureInfo.InvariantCulture) * 1024;
    }

    public static int OpenFiles(int pid) => Directory.GetFileSystemEntries($"/proc/{pid}/fd").Length;

    /// <summary>How many files it may have open, and how far it may raise that itself.</summary>
    public static (long Soft, long Hard) OpenFilesLimit(int pid)
    {
        var line = ReadText(pid, "limits")!.Split('\n').First(l => l.StartsWith("Max open files", StringComparison.Ordinal));
        var fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return (long.Parse(fields[3], CultureInfo.InvariantCulture), long.Parse(fields[4], CultureInfo.InvariantCulture));
    }

    /// <summary>What it has open stays open.</summary>
    public static void LimitOpenFiles(int pid, long soft)
    {
        long[] limit = [soft, OpenFilesLimit(pid).Hard];
        if (Limit(pid, NumberOfFiles, limit, 0) != 0)
            throw new InvalidOperationException($"no limit for {pid}: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    public static IReadOnlyList<string> ThreadNames(int pid) =>
        [.. Directory.GetDirectories($"/proc/{pid}/task")
            .Select(task => (ReadText(pid, $"task/{Path.GetFileName(task)}/comm") ?? "").TrimEnd())];

    private static ProcessEntry? Read(int pid)
    {
        // "pid (name) state parent …": the name may hold anything, so fields are counted from the last bracket.
        if (ReadText(pid, "stat") is not { } stat || stat.LastIndexOf(')') is not (>= 0 and var end))
            return null;
        var fields = stat[(end + 2)..].Split(' ');
        if (fields[0] is "Z" or "X")
            return null;
        var commandLine = (ReadText(pid, "cmdline") ?? "").Replace('\0', ' ').TrimEnd();
        return new ProcessEntry(pid, int.Parse(fields[1], CultureInfo.InvariantCulture), commandLine);
    }

    private static bool HasInEnvironment(int pid, string marker) =>
        ReadText(pid, "environ")?.Contains(marker, StringComparison.Ordinal) ?? false;

    private static string? ReadText(int pid, string file)
    {
        try
        {
            return Encoding.UTF8.GetString(File.ReadAllBytes($"/proc/{pid}/{file}"));
        }
        catch (IOException)
        {
            return null;
        }
        catch (UnauthorizedAccessException)
        {
            return null;
        }
    }

    // RLIMIT_NOFILE of Linux.
    private const int NumberOfFiles = 7;

    [LibraryImport("libc", EntryPoint = "prlimit", SetLastError = true)]
    private static partial int Limit(int pid, int resource, long[] limit, nint old);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);
}
