using System.Globalization;

namespace HotModel.LoadTests;

/// <summary>How often a scenario is run.</summary>
/// <param name="Count">Clients, each of which begins again when it is done; with an interval, runs begun in it.</param>
/// <param name="Interval">Null: so many clients. Else runs begin at this rate, however long they take.</param>
internal sealed record Load(int Count, TimeSpan? Interval)
{
    /// <summary>"8": eight clients. "20/s", "1/5s": so many runs begun in each second, in each five.</summary>
    /// <returns>Null where it is neither.</returns>
    public static Load? Parse(string text)
    {
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        string count = slash < 0 ? text : text[..slash];
        if (!int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out int number) || number == 0)
            return null;
        if (slash < 0)
            return new(number, null);
        string seconds = text[(slash + 1)..];
        if (seconds == "s")
            return new(number, TimeSpan.FromSeconds(1));
        const NumberStyles Plain = NumberStyles.AllowDecimalPoint;
        return seconds.EndsWith('s')
            && double.TryParse(seconds[..^1], Plain, CultureInfo.InvariantCulture, out double length)
            && length > 0
            ? new(number, TimeSpan.FromSeconds(length))
            : null;
    }

    /// <summary>When the runs of a rate begin, from the start on; empty where there is none.</summary>
    public IEnumerable<TimeSpan> BeginningsWithin(TimeSpan duration)
    {
        if (Interval is not { } interval)
            yield break;
        for (long run = 0; ; run++)
        {
            // From the start each time: a sum of rounded parts would drift.
            TimeSpan at = interval * run / Count;
            if (at >= duration)
                yield break;
            yield return at;
        }
    }

    public override string ToString() => Interval is { } interval
        ? string.Create(CultureInfo.InvariantCulture, $"{Count} / {interval.TotalSeconds:0.###} s")
        : string.Create(CultureInfo.InvariantCulture, $"{Count} {(Count == 1 ? "client" : "clients")}");
}
