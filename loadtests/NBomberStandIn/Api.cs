using NBomber.Contracts;

namespace NBomber.CSharp;

public static class Response
{
    public static Response<object> Ok(string statusCode = "", long sizeBytes = 0, string message = "") =>
        Ok<object>(statusCode, sizeBytes, message);

    public static Response<T> Ok<T>(string statusCode = "", long sizeBytes = 0, string message = "") =>
        new() { StatusCode = statusCode, SizeBytes = sizeBytes, Message = message };

    public static Response<object> Fail(string statusCode = "", string message = "", long sizeBytes = 0) =>
        Fail<object>(statusCode, message, sizeBytes);

    public static Response<T> Fail<T>(string statusCode = "", string message = "", long sizeBytes = 0) =>
        new() { StatusCode = statusCode, IsError = true, SizeBytes = sizeBytes, Message = message };
}

public static class Scenario
{
    public static ScenarioProps Create(string name, Func<IScenarioContext, Task<IResponse>> run) => new(name, run);

    public static ScenarioProps WithLoadSimulations(this ScenarioProps scenario, params LoadSimulation[] loadSimulations) =>
        scenario with { LoadSimulations = loadSimulations };

    public static ScenarioProps WithWarmUpDuration(this ScenarioProps scenario, TimeSpan duration) =>
        scenario with { WarmUpDuration = duration };

    public static ScenarioProps WithoutWarmUp(this ScenarioProps scenario) => scenario with { WarmUpDuration = null };
}

public static class Simulation
{
    public static LoadSimulation Inject(int rate, TimeSpan interval, TimeSpan during) => new(rate, interval, during);

    public static LoadSimulation KeepConstant(int copies, TimeSpan during) => new(copies, null, during);
}
