namespace HotModel.FunctionalTests.Routes;

/// <summary>More clients at once than the model has slots.</summary>
public sealed class CrowdTests(SlowServer server) : IClassFixture<SlowServer>
{
    private const int Clients = 16;
    private const int Tokens = 3900;
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

    /// <remarks>A llama-server that chose the number of its threads itself has none left for it.</remarks>
    [Fact]
    public async Task Short_request_is_answered_while_many_streams_run_or_wait_for_a_slot()
    {
        using var leaving = new CancellationTokenSource();
        var streams = Enumerable.Range(0, Clients)
            .Select(_ => server.Through.BeginAsync("completion", Prompts.ForAll(Tokens), leaving.Token)).ToList();
        await Until.True(async () => await InFlightAsync() == Clients, Soon, "all are let in");

        var reply = await server.Through.RawAsync(HttpMethod.Post, "tokenize", """{"content": "short"}"""u8.ToArray());

        Assert.Equal(200, reply.Status);
        Assert.Equal(Clients, await InFlightAsync());
        await leaving.CancelAsync();
        foreach (var stream in streams)
        {
            try
            {
                (await stream).Dispose();
            }
            catch (OperationCanceledException)
            {
                // It had no slot yet.
            }
        }
        await Until.True(async () => await InFlightAsync() == 0, Soon, "nothing is left");
    }

    private async Task<int?> InFlightAsync() => (int?)(await server.Process.StateAsync())["inflight_chats"];
}
