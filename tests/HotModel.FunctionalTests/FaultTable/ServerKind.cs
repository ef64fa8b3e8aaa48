using System.Globalization;

namespace HotModel.FunctionalTests.FaultTable;

/// <summary>The ways in which the HotModels of the table are configured.</summary>
internal sealed record ServerKind
{
    private const string StopTimeout = "stop-timeout";
    private const string Stop = "stop_timeout_seconds";

    /// <summary>Time-outs that nothing in the table reaches.</summary>
    private static readonly Dictionary<string, double> Long = new()
    {
        ["load_timeout_seconds"] = 60,
        ["switch_drain_timeout_seconds"] = 60,
        [Stop] = 60,
        ["gpu_settle_timeout_seconds"] = 60,
        [StopTimeout] = 10,
    };

    public static readonly ServerKind Usual = new() { Timeouts = Long, Workers = 4 };
    /// <summary>Where a time-out is what ends it. Too short to start llama-server again within a load.</summary>
    public static readonly ServerKind Hasty = new()
    {
        Timeouts = With(("load_timeout_seconds", 5), ("switch_drain_timeout_seconds", 4), (Stop, 2)),
        Workers = 4,
    };
    /// <summary>Where llama-server is started again besides.</summary>
    public static readonly ServerKind Restarting = new()
    {
        Timeouts = With(("load_timeout_seconds", 15), (StopTimeout, 1)),
        Workers = 4,
    };
    public static readonly ServerKind Warm = Usual with { Snapshots = "min_tokens = 1\nmax_bytes = 1000000", Workers = 2 };
    public static readonly ServerKind NoEvents = Usual with { Faults = "no-sse", Workers = 1 };
    public static readonly ServerKind Gpu = Usual with { HasGpu = true, Workers = 1 };
    public static readonly ServerKind HastyGpu = Gpu with { Timeouts = With(("gpu_settle_timeout_seconds", 2)) };

    /// <summary>In seconds.</summary>
    public required IReadOnlyDictionary<string, double> Timeouts { get; init; }
    public string Snapshots { get; private init; } = "";
    /// <summary>Of the fake, always.</summary>
    public string Faults { get; private init; } = "";
    public bool HasGpu { get; private init; }
    /// <summary>How many of them share the cells.</summary>
    public int Workers { get; private init; }

    /// <summary>Lines for the configuration's section.</summary>
    public string Server => Lines(Timeouts);

    /// <summary>The same with long time-outs, but for the one that a reload does not change.</summary>
    public string ServerAtStart => Lines(With((Stop, Timeouts[Stop])));

    /// <summary>Lines for each model's section.</summary>
    public string Model => string.Create(
        CultureInfo.InvariantCulture, $"extra_args = [\"--{StopTimeout}\", \"{Timeouts[StopTimeout]}\"]");

    private static Dictionary<string, double> With(params ReadOnlySpan<(string Name, double Seconds)> shorter)
    {
        var timeouts = new Dictionary<string, double>(Long);
        foreach (var (name, seconds) in shorter)
            timeouts[name] = seconds;
        return timeouts;
    }

    private static string Lines(IEnumerable<KeyValuePair<string, double>> timeouts) => string.Concat(timeouts
        .Where(t => t.Key != StopTimeout)
        .Select(t => string.Create(CultureInfo.InvariantCulture, $"{t.Key} = {t.Value}\n")));
}
