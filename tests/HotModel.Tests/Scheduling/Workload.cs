using HotModel.Scheduling;

namespace HotModel.Tests.Scheduling;

/// <summary>Schedules by seed.</summary>
internal sealed class Workload(int seed)
{
    private readonly Random random = new(seed);

    public Random Random => random;

    public TimeSpan Seconds(double least, double most) => TimeSpan.FromMilliseconds(
        Math.Round((least + random.NextDouble() * (most - least)) * 1000));

    /// <summary>Most are short, some are long.</summary>
    public TimeSpan Exponential(double meanSeconds) => TimeSpan.FromMilliseconds(
        Math.Round(Math.Min(-Math.Log(1 - random.NextDouble()) * meanSeconds, 8 * meanSeconds) * 1000) + 1);

    public Dictionary<string, SimulatedModel> Models(int count, double mostLoadSeconds) => Enumerable.Range(0, count)
        .ToDictionary(i => Name(i), _ => new SimulatedModel(Seconds(0.2, 2), Seconds(0.5, mostLoadSeconds)));

    public static string Name(int model) => ((char)('a' + model)).ToString();

    /// <summary>Independent clients.</summary>
    public IEnumerable<SimulatedRequest> Poisson(
        string model, double everySeconds, double answerSeconds, TimeSpan until, TimeSpan from = default)
    {
        for (var at = from + Exponential(everySeconds); at < until; at += Exponential(everySeconds))
            yield return new SimulatedRequest(at, model, Exponential(answerSeconds));
    }

    /// <summary>Many at once, now and then.</summary>
    public IEnumerable<SimulatedRequest> Bursts(string model, double everySeconds, double answerSeconds, TimeSpan until)
    {
        for (var at = Exponential(everySeconds); at < until; at += Exponential(everySeconds))
        {
            var many = random.Next(2, 7);
            for (var i = 0; i < many; i++)
                yield return new SimulatedRequest(at + Seconds(0, 1), model, Exponential(answerSeconds));
        }
    }

    /// <summary>A client that thinks between the end of an answer and its next request.</summary>
    public SimulatedRequest Agent(string model, TimeSpan at, int calls, double answerSeconds, double thinkSeconds) =>
        new(at, model, Exponential(answerSeconds))
        {
            Next = calls <= 1 ? null
                : ended => Agent(model, ended + Exponential(thinkSeconds), calls - 1, answerSeconds, thinkSeconds),
        };

    public static ScheduleRules Rules(double maxWaitSeconds = 60) => new()
    {
        MaxWait = TimeSpan.FromSeconds(maxWaitSeconds),
        Patience = TimeSpan.FromHours(10),
        QueueLimit = 100_000,
        QueueLimitPerModel = 100_000,
    };
}
