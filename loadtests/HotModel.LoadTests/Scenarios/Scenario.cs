namespace HotModel.LoadTests.Scenarios;

/// <summary>What a client does. Which engine runs it, and how often, it does not know.</summary>
/// <param name="Name">What it is called on the command line and in the report.</param>
/// <param name="Load">For the engine.</param>
/// <param name="Run">Once. May be running many times at once.</param>
internal sealed record Scenario(string Name, Load Load, Func<Task<Outcome>> Run)
{
    public async Task<Outcome> RunAsync()
    {
        try
        {
            return await Run();
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            // The innermost says what happened to the socket.
            return Outcome.NoAnswer($"{e.GetType().Name}: {e.GetBaseException().Message}");
        }
    }
}
