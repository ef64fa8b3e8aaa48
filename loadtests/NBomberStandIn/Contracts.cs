namespace NBomber.Contracts;

/// <summary>What a run of a scenario came to.</summary>
public interface IResponse
{
    string StatusCode { get; }
    bool IsError { get; }
    long SizeBytes { get; }
    string Message { get; }
}

/// <remarks>The payload is not kept: nobody here has one.</remarks>
public sealed class Response<T> : IResponse
{
    public string StatusCode { get; init; } = "";
    public bool IsError { get; init; }
    public long SizeBytes { get; init; }
    public string Message { get; init; } = "";
}

public enum ScenarioOperation { Init = 0, Clean = 1, WarmUp = 2, Bombing = 3 }

public sealed class ScenarioInfo
{
    public required string ScenarioName { get; init; }
    public required ScenarioOperation ScenarioOperation { get; init; }
}

public interface IScenarioContext
{
    ScenarioInfo ScenarioInfo { get; }
}

/// <param name="Count">Copies that begin again when they are done; with an interval, copies that run once, begun in each.</param>
/// <param name="Interval">Null: a constant number.</param>
/// <param name="During">How long.</param>
public sealed record LoadSimulation(int Count, TimeSpan? Interval, TimeSpan During);

public sealed record ScenarioProps(string ScenarioName, Func<IScenarioContext, Task<IResponse>> Run)
{
    public IReadOnlyList<LoadSimulation> LoadSimulations { get; init; } = [];
    public TimeSpan? WarmUpDuration { get; init; } = TimeSpan.FromSeconds(30);
}
