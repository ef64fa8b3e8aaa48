using System.Globalization;
using System.Runtime.InteropServices;

namespace HotModel.ReadAhead;

/// <summary>What a system, or a group of processes in it, has of memory. In bytes.</summary>
/// <param name="Available">Free, or in use for cached files.</param>
/// <param name="Mapped">Of the available: cached files that some process has mapped; 0 where the system does not tell.</param>
internal readonly record struct MemoryState(long Total, long Available, long Mapped)
{
    private const string GroupRoot = "/sys/fs/cgroup";

    /// <summary>Of the system and of the control groups with a limit around this process; empty: unknown.</summary>
    public static IReadOnlyList<MemoryState> ReadAll() =>
        OperatingSystem.IsLinux() ? [.. OfLinux()]
        : (OperatingSystem.IsWindows() ? OfWindows() : OperatingSystem.IsMacOS() ? OfMac() : null) is { } one ? [one]
        : [];

    /// <summary>Of the text of /proc/meminfo.</summary>
    public static MemoryState? OfMemInfo(string text) =>
        Field(text, "MemTotal:") is { } total && Field(text, "MemAvailable:") is { } available
            ? new(total * 1024, available * 1024, (Field(text, "Mapped:") ?? 0) * 1024)
            : null;

    /// <summary>Of the files memory.max, memory.current and memory.stat of a control group; null: it has no limit.</summary>
    public static MemoryState? OfGroup(string max, string current, string stat)
    {
        if (Number(max) is not { } limit || Number(current) is not { } used)
            return null;
        // The group's cached files count as used, and give way.
        var cached = (Field(stat, "active_file") ?? 0) + (Field(stat, "inactive_file") ?? 0);
        return new(limit, limit - used + cached, Field(stat, "file_mapped") ?? 0);
    }

    /// <summary>The folders of the process's control group (version 2) and of those around it, by /proc/self/cgroup.</summary>
    public static IEnumerable<string> Groups(string text)
    {
        var own = text.Split('\n').FirstOrDefault(line => line.StartsWith("0::/", StringComparison.Ordinal));
        for (var name = own?[3..]; name is not null; name = name == "/" ? null : Path.GetDirectoryName(name))
            yield return Path.Join(GroupRoot, name);
    }

    private static IEnumerable<MemoryState> OfLinux()
    {
        if (OfMemInfo(TryRead("/proc/meminfo") ?? "") is not { } system)
            yield break;
        yield return system;
        foreach (var folder in Groups(TryRead("/proc/self/cgroup") ?? ""))
        {
            if (TryRead(Path.Join(folder, "memory.max")) is { } max
                && TryRead(Path.Join(folder, "memory.current")) is { } current
                && OfGroup(max, current, TryRead(Path.Join(folder, "memory.stat")) ?? "") is { } group)
                yield return group;
        }
    }

    private static MemoryState? OfWindows()
    {
        var status = new PageCalls.MemoryStatus { Length = (uint)Marshal.SizeOf<PageCalls.MemoryStatus>() };
        return PageCalls.GlobalMemoryStatusEx(ref status)
            ? new((long)status.TotalPhysical, (long)status.AvailablePhysical, 0)
            : null;
    }

    /// <summary>Free pages and those of files.</summary>
    private static MemoryState? OfMac() =>
        Control("hw.memsize") is { } total && Control("vm.page_free_count") is { } free
            && Control("vm.page_pageable_external_count") is { } files
            ? new(total, (free + files) * Environment.SystemPageSize, 0)
            : null;

    private static long? Control(string name)
    {
        // Some are of 4 bytes: little-endian, so the rest stays 0.
        long value = 0;
        nint length = sizeof(long);
        return PageCalls.sysctlbyname(name, ref value, ref length, 0, 0) == 0 ? value : null;
    }

    private static long? Field(string text, string name)
    {
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            if (line.StartsWith(name, StringComparison.Ordinal) && line[name.Length..] is [' ', .. var rest])
            {
                rest = rest.TrimStart();
                return Number(rest.IndexOf(' ') is >= 0 and var end ? rest[..end] : rest);
            }
        }
        return null;
    }

    private static long? Number(ReadOnlySpan<char> text) =>
        long.TryParse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static string? TryRead(string path)
    {
        try
        {
            // Most of these are not there on most systems.
            return File.Exists(path) ? File.ReadAllText(path) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
