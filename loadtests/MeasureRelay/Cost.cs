using System.Globalization;

namespace MeasureRelay;

/// <summary>What the processes of a proxy have used up to now, and their memory at this moment.</summary>
internal sealed record Cost(double CpuSeconds, long ResidentBytes)
{
    // USER_HZ, which is part of Linux's interface and 100 on all its systems.
    private const double TicksPerSecond = 100;

    public static Cost Of(IEnumerable<int> processes)
    {
        long ticks = 0;
        long pages = 0;
        foreach (int process in processes)
        {
            string[] fields = Fields(process);
            ticks += long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture);
            pages += long.Parse(fields[21], CultureInfo.InvariantCulture);
        }
        return new(ticks / TicksPerSecond, pages * Environment.SystemPageSize);
    }

    public Cost Since(Cost before) => this with { CpuSeconds = CpuSeconds - before.CpuSeconds };

    public static IEnumerable<int> ChildrenOf(int parent) =>
        from folder in Directory.EnumerateDirectories("/proc")
        where int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out _)
        let process = int.Parse(Path.GetFileName(folder), CultureInfo.InvariantCulture)
        where IsChild(process, parent)
        select process;

    private static bool IsChild(int process, int parent)
    {
        try
        {
            return int.Parse(Fields(process)[1], CultureInfo.InvariantCulture) == parent;
        }
        catch (IOException)
        {
            // It has ended meanwhile.
            return false;
        }
    }

    /// <summary>Of /proc/PID/stat from the state on, which is the third: the name before it may hold blanks.</summary>
    private static string[] Fields(int process)
    {
        string line = File.ReadAllText($"/proc/{process}/stat");
        return line[(line.LastIndexOf(')') + 2)..].Split(' ');
    }
}
