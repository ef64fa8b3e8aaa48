using System.Diagnostics;
using HotModel.LoadTests;
using HotModel.LoadTests.Scenarios;

namespace Soak;

/// <summary>When which fault was, and which failures of requests it excuses. May be used from any thread.</summary>
internal sealed class FaultRecord
{
    private static readonly TimeSpan PauseAfterFailure = TimeSpan.FromMilliseconds(100);

    private readonly Lock gate = new();
    private readonly List<Window> windows = [];
    private readonly Dictionary<string, Effect> effects = [];

    /// <summary>By the name of the fault.</summary>
    public IReadOnlyDictionary<string, Effect> Effects => effects;

    /// <summary>Begins a fault.</summary>
    /// <returns>Ends it, given how long it took until all was well again; null where nothing was done.</returns>
    public Action<TimeSpan?> Begin(Fault fault)
    {
        var window = new Window(fault, Stopwatch.GetTimestamp());
        lock (gate)
        {
            windows.Add(window);
            effects.TryAdd(fault.Name, new());
        }
        return recovery =>
        {
            lock (gate)
            {
                window.Ended = Stopwatch.GetTimestamp();
                if (recovery is { } time)
                    effects[fault.Name].Recoveries.Add(time);
            }
        };
    }

    /// <summary>The scenario with what faults excuse taken away from its failures.</summary>
    /// <param name="aftermath">For how long a fault that is over may still be felt.</param>
    public Scenario Watch(Scenario scenario, TimeSpan aftermath = default) => scenario with
    {
        Run = async () =>
        {
            long began = Stopwatch.GetTimestamp();
            Outcome outcome = await scenario.RunAsync();
            if (outcome.Failure is null)
                return outcome;
            outcome = Judge(outcome, began, Stopwatch.GetTimestamp(), aftermath);
            // A server that is gone would be asked thousands of times.
            if (outcome.Failure is null)
                await Task.Delay(PauseAfterFailure);
            return outcome;
        },
    };

    private Outcome Judge(Outcome outcome, long began, long ended, TimeSpan aftermath)
    {
        lock (gate)
        {
            Window? cause = windows
                .Where(w => w.Began <= ended && (w.Ended is not { } end || Stopwatch.GetElapsedTime(end, began) <= aftermath))
                .FirstOrDefault(w => w.Fault.MayBreak is { } worst && IsWithin(outcome.Kind, worst));
            if (cause is null)
                return outcome;
            Effect effect = effects[cause.Fault.Name];
            if (outcome.Kind == FailureKind.Told)
                effect.Told++;
            else
                effect.Torn++;
            return outcome with { Failure = null, Status = "broken by a fault" };
        }
    }

    private static bool IsWithin(FailureKind seen, FailureKind worst) =>
        seen == worst || (seen == FailureKind.Told && worst == FailureKind.Torn);

    private sealed record Window(Fault Fault, long Began)
    {
        public long? Ended { get; set; }
    }
}

/// <summary>What came of all faults of one kind.</summary>
internal sealed class Effect
{
    /// <summary>Of each, how long it took until a request was answered again.</summary>
    public List<TimeSpan> Recoveries { get; } = [];

    /// <summary>Requests that failed of it, as hotmodel said itself.</summary>
    public int Told { get; set; }

    /// <summary>Requests of which nothing more came.</summary>
    public int Torn { get; set; }
}
