using System.Diagnostics;
using System.Globalization;

namespace HotModel.Llama;

/// <summary>What /proc says about processes. Elsewhere than on Linux the answers are "nothing known".</summary>
internal static class ProcessTree
{
    /// <param name="Group">Process group.</param>
    /// <param name="StartTicks">Clock ticks between boot and the start of the process.</param>
    /// <param name="Name">First 15 characters of the executable's name.</param>
    public readonly record struct Entry(int Pid, int Parent, int Group, char State, ulong StartTicks, string Name)
    {
        /// <summary>A zombie holds no memory: it only waits for its parent to look at it.</summary>
        public bool IsLive => State is not ('Z' or 'X');
    }

    public static Entry? Read(int pid)
    {
        try
        {
            return Parse(File.ReadAllText($"/proc/{pid}/stat"));
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

    /// <summary>Live processes below <paramref name="pid"/>, itself not included.</summary>
    public static List<int> Descendants(int pid)
    {
        var found = new List<int>();
        if (!OperatingSystem.IsLinux())
            return found;
        // The kernel's own list of children (CONFIG_PROC_CHILDREN) spares a walk over every process of the machine,
        // which takes longer than a whole switch is allowed to on a busy desktop.
        if (File.Exists($"/proc/{pid}/task/{pid}/children"))
            CollectFromTasks(pid, found);
        else
            Collect(pid, found, Snapshot().ToLookup(entry => entry.Parent));
        return found;
    }

    /// <summary>Live members of a process group.</summary>
    public static List<Entry> GroupMembers(int group) =>
        [.. Snapshot().Where(entry => entry.Group == group && entry.IsLive)];

    /// <summary>True while this very process lives, not another one that got its pid.</summary>
    public static bool IsThere(Entry process) =>
        Read(process.Pid) is { IsLive: true } now && now.StartTicks == process.StartTicks;

    /// <summary>The name to remember a process by, and its start; null once it is gone.</summary>
    public static (string Name, ulong Start)? Identify(int pid)
    {
        if (OperatingSystem.IsLinux())
            return Read(pid) is { IsLive: true } entry ? (entry.Name, entry.StartTicks) : null;
        try
        {
            using var process = Process.GetProcessById(pid);
            return (process.ProcessName, (ulong)process.StartTime.ToUniversalTime().Ticks);
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException
            or System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    // The name stands in parentheses and may itself hold any character: the last parenthesis ends it.
    internal static Entry? Parse(string stat)
    {
        var open = stat.IndexOf('(', StringComparison.Ordinal);
        var close = stat.LastIndexOf(')');
        if (open < 2 || close < open)
            return null;
        var fields = stat[(close + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var invariant = CultureInfo.InvariantCulture;
        if (fields.Length < 20
            || !int.TryParse(stat.AsSpan(0, open).Trim(), NumberStyles.None, invariant, out var pid)
            || !int.TryParse(fields[1], NumberStyles.None, invariant, out var parent)
            || !int.TryParse(fields[2], NumberStyles.None, invariant, out var group)
            || !ulong.TryParse(fields[19], NumberStyles.None, invariant, out var start))
            return null;
        return new Entry(pid, parent, group, fields[0][0], start, stat[(open + 1)..close]);
    }

    private static void CollectFromTasks(int pid, List<int> found)
    {
        var children = new List<int>();
        try
        {
            foreach (var task in Directory.EnumerateDirectories($"/proc/{pid}/task"))
            {
                foreach (var child in File.ReadAllText(task + "/children").Split(' ', StringSplitOptions.TrimEntries))
                {
                    if (int.TryParse(child, NumberStyles.None, CultureInfo.InvariantCulture, out var childPid))
                        children.Add(childPid);
                }
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // A thread or the process itself ended while we looked: what was found so far stands.
        }
        foreach (var child in children)
        {
            if (Read(child) is { IsLive: true })
                found.Add(child);
            CollectFromTasks(child, found);
        }
    }

    private static List<Entry> Snapshot()
    {
        var entries = new List<Entry>();
        if (!OperatingSystem.IsLinux())
            return entries;
        foreach (var path in Directory.EnumerateDirectories("/proc"))
        {
            var name = Path.GetFileName(path.AsSpan());
            if (int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
                && Read(pid) is { } entry)
                entries.Add(entry);
        }
        return entries;
    }

    private static void Collect(int pid, List<int> found, ILookup<int, Entry> byParent)
    {
        foreach (var entry in byParent[pid])
        {
            if (entry.IsLive)
                found.Add(entry.Pid);
            Collect(entry.Pid, found, byParent);
        }
    }
}
