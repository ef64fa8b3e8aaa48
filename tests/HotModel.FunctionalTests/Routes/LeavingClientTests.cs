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
        var setup = new Setup { ActiveModel = "slow", Router = "parallel = 1" }
            .Tiny("slow", "slow-coder", "extra_args = [\"--metrics\"]");
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
/// <remarks>
/// llama-server looks whether the client of a whole answer is still there after each second in which nobody has got a
/// result. A test that kept asking for the slots would keep it from looking.
/// </remarks>
public sealed class LeavingClientTests(SlowServer server) : IClassFixture<SlowServer>
{
    private const int Tokens = 3900;
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

    [Theory]
    [InlineData("completion")]
    [InlineData("v1/completions")]
    [InlineData("v1/responses")]
    [InlineData("v1/messages")]
    [InlineData("infill")]
    public async Task Client_that_leaves_a_stream_frees_the_slot(string path)
    {
        var before = await PredictedAsync();
        using (var answer = await server.Through.BeginAsync(path, Prompts.ForAll(Tokens)))
        {
            Assert.Equal(200, answer.Status);
            Assert.NotNull(await answer.NextAsync());
            Assert.True(await IsBusyAsync());
        }
        await AssertFreeAsync(before);
    }

    [Theory]
    [InlineData("completion")]
    [InlineData("v1/completions")]
    [InlineData("v1/messages")]
    public async Task Client_that_leaves_before_a_whole_answer_frees_the_slot(string path)
    {
        var before = await PredictedAsync();
        using var leaving = new CancellationTokenSource();
        var asked = server.Through.BeginAsync(path, Prompts.ForAll(Tokens, isStreamed: false), leaving.Token);
        await Until.True(IsBusyAsync, Soon, "the model works");
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
        await AssertFreeAsync(before);
    }

    /// <summary>The next request has the only slot, and the one that was left did not get to its end.</summary>
    private async Task AssertFreeAsync(int before)
    {
        var next = await server.Direct.RawAsync(
            HttpMethod.Post, "completion", """{"prompt": "next", "n_predict": 1}"""u8.ToArray());
        Assert.Equal(200, next.Status);
        Assert.InRange(await PredictedAsync() - before, 1, Tokens - 1);
        await Until.True(
            async () => (int?)(await server.Process.StateAsync())["inflight_chats"] == 0, Soon, "the lease is back");
    }

    private async Task<bool> IsBusyAsync() =>
        (await server.Direct.GetAsync("slots")).Text.Contains("\"is_processing\":true", StringComparison.Ordinal);

    private async Task<int> PredictedAsync()
    {
        const string name = "llamacpp:tokens_predicted_total ";
        var lines = (await server.Direct.GetAsync("metrics")).Text.Split('\n');
        return int.Parse(lines.Single(line => line.StartsWith(name, StringComparison.Ordinal))[name.Length..], null);
    }
}
