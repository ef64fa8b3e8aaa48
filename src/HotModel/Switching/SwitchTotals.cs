using System.Text.Json;

namespace HotModel.Switching;

/// <summary>Switches since the start, of all lanes. From any thread.</summary>
internal sealed class SwitchTotals
{
    private readonly Lock sync = new();
    private readonly SortedDictionary<string, int> outcomes = new(StringComparer.Ordinal);
    private readonly List<PhaseTime> phases = [];
    private int lostModels;

    /// <summary>One that has ended; those that were answered with the report of another do not count.</summary>
    public void Add(SwitchReport report)
    {
        lock (sync)
        {
            var outcome = JsonNamingPolicy.SnakeCaseLower.ConvertName(report.Outcome.ToString());
            outcomes.TryGetValue(outcome, out var count);
            outcomes[outcome] = count + 1;
            foreach (var phase in report.Phases)
            {
                var at = phases.FindIndex(known => known.Name == phase.Name);
                if (at < 0)
                    phases.Add(phase);
                else
                    phases[at] = phase with { Seconds = Math.Round(phases[at].Seconds + phase.Seconds, 6) };
            }
        }
    }

    /// <summary>A loaded model's process ended by itself.</summary>
    public void CountLoss() => Interlocked.Increment(ref lostModels);

    public SwitchCounts Counts
    {
        get
        {
            lock (sync)
                return new SwitchCounts(
                    new SortedDictionary<string, int>(outcomes, StringComparer.Ordinal), [.. phases], lostModels);
        }
    }
}

/// <param name="Outcomes">How many ended so: "switched", "rolled_back" and so on.</param>
/// <param name="Phases">What all of them took together, in the order in which they came first.</param>
/// <param name="LostModels">Loaded models whose process ended by itself.</param>
internal sealed record SwitchCounts(
    IReadOnlyDictionary<string, int> Outcomes, IReadOnlyList<PhaseTime> Phases, int LostModels);
