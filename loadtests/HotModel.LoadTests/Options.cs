using System.Globalization;
using HotModel.LoadTests.Scenarios;

namespace HotModel.LoadTests;

/// <summary>The command line.</summary>
/// <param name="Server">hotmodel's address.</param>
/// <param name="Schedule">How long.</param>
/// <param name="Loads">The scenarios to be run, by name.</param>
/// <param name="JsonFile">For the report; null for none.</param>
internal sealed record Options(
    Uri Server, Schedule Schedule, IReadOnlyDictionary<string, Load> Loads, string? JsonFile)
{
    public static readonly string Usage = $"""
        usage: HotModel.LoadTests URL [--seconds N] [--warm-up N] [--scenarios NAME[=LOAD],…] [--json FILE]

        Runs scenarios against the hotmodel at URL, all at once. The default is all of them, 120 s after 5 s of warm-up.
        LOAD is "8" for 8 clients, each of which begins again when it is done, or "20/s", "1/5s" for so many runs begun
        in each second, in each 5 seconds. The scenarios with the loads that they have by default:

            {string.Join(", ", Catalogue.DefaultLoads.Select(d => $"{d.Key} ({d.Value})"))}

        Exit status: 0 if no request failed, 1 if one did, 2 if the command line is wrong.
        """;

    /// <summary>Null where it is not understood.</summary>
    public static Options? Read(string[] words)
    {
        if (words is not [var url, .. var rest] || !Uri.TryCreate(url, UriKind.Absolute, out Uri? server))
            return null;
        var options = new Options(
            server, new(TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(120)), Catalogue.DefaultLoads, null);
        for (int i = 0; i + 1 < rest.Length; i += 2)
        {
            if (With(options, rest[i], rest[i + 1]) is not { } more)
                return null;
            options = more;
        }
        return rest.Length % 2 == 0 ? options : null;
    }

    private static Options? With(Options options, string name, string value) => name switch
    {
        "--seconds" => Seconds(value) is { } duration
            ? options with { Schedule = options.Schedule with { Duration = duration } } : null,
        "--warm-up" => Seconds(value) is { } warmUp
            ? options with { Schedule = options.Schedule with { WarmUp = warmUp } } : null,
        "--scenarios" => ReadLoads(value) is { } loads ? options with { Loads = loads } : null,
        "--json" => options with { JsonFile = value },
        _ => null,
    };

    private static TimeSpan? Seconds(string text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds)
            ? TimeSpan.FromSeconds(seconds) : null;

    private static Dictionary<string, Load>? ReadLoads(string list)
    {
        var loads = new Dictionary<string, Load>();
        foreach (string item in list.Split(','))
        {
            string[] parts = item.Split('=', 2);
            Load? load = parts.Length == 2 ? Load.Parse(parts[1]) : Catalogue.DefaultLoads.GetValueOrDefault(parts[0]);
            if (load is null || !Catalogue.DefaultLoads.ContainsKey(parts[0]) || !loads.TryAdd(parts[0], load))
                return null;
        }
        return loads;
    }
}
