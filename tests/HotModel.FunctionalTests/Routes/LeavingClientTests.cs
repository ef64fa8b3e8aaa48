namespace HotModel.FunctionalTests.Routes;

/// <summary>A hotmodel with a model that takes seconds for some thousand tokens.</summary>
public sealed class SlowServer : IAsyncLifetime
{
    private HotModelProcess? process;

    internal HotModelProcess Process => process!;
    internal Api Through => Process.Api;
    internal Api Direct { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        var setup = new Setup { ActiveModel = "slow", Router = "parallel = 1" }.Tiny("slow", "slow-coder");
        process = await HotModelProcess.StartAsync(setup);
        Direct = await process.OpenModelAsync();
    }

    public ValueTask DisposeAsync()
    {
        Direct?.Dispose();
        return process?.DisposeAsync() ?? ValueTask.CompletedTask;
    }
}

/// <summary>Clients that leave before their answer has ended.</summary>
public sealed class LeavingClientTests(SlowServer server) : IClassFixture<SlowServer>
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(5);

    [Theory]
    [InlineData("completion", true)]
    [InlineData("completion", false)]
    [InlineData("v1/completions", false)]
    [InlineData("v1/messages", true)]
    [InlineData("v1/messages", false)]
    [InlineData("v1/responses", true)]
    [InlineData("infill", true)]
    public async Task Client_that_leaves_frees_the_slot(string path, bool isStreamed)
    {
        using var leaving = new CancellationTokenSource();
        var body = Prompts.ForAll(3000, isStreamed);
        if (isStreamed)
        {
            using var answer = await server.Through.BeginAsync(path, body);
            Assert.Equal(200, answer.Status);
            Assert.NotNull(await answer.NextAsync());
            Assert.True(await IsBusyAsync());
        }
        else
        {
            var asked = server.Through.BeginAsync(path, body, leaving.Token);
            await Until.True(IsBusyAsync, Soon, "the model works");
            await leaving.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
        }
        await Until.True(async () => !await IsBusyAsync(), Soon, "the slot is idle");
        await Until.True(
            async () => (int?)(await server.Process.StateAsync())["inflight_chats"] == 0, Soon, "the lease is back");
    }

    private async Task<bool> IsBusyAsync() =>
        (await server.Direct.GetAsync("slots")).Text.Contains("\"is_processing\":true", StringComparison.Ordinal);
}
