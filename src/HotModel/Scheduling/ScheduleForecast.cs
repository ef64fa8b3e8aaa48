namespace HotModel.Scheduling;

/// <summary>What a request that waits may be told. For display: nothing is decided by it.</summary>
/// <param name="Position">1: nobody is served before it.</param>
/// <param name="Wait">Until it is let in, if things take as long as they did before. The loaded model may be left sooner.</param>
internal readonly record struct ScheduleForecast(int Position, TimeSpan Wait);
