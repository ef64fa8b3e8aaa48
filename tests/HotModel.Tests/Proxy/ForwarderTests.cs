using HotModel.Http;
using HotModel.Llama;
using HotModel.Proxy;
using HotModel.Tests.Http;

namespace HotModel.Tests.Proxy;

/// <summary>The pool for each model's server, and whether one is there.</summary>
public class ForwarderTests
{
    private const string Hello = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

    private static string Reply(int status, string body) =>
        $"HTTP/1.1 {status} It is\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}";

    private static Upstream At(ScriptedServer server) => new(server.Address, "an id", "our-key");

    private static async Task AskAsync(Forwarder forwarder, ScriptedServer server)
    {
        using var scope = new RequestScope(TimeProvider.System, CancellationToken.None, CancellationToken.None);
        ForwardResult result = await forwarder.SendAsync(At(server), new OutgoingRequest("GET", "health"), scope);
        using HttpReply reply = result.Reply!;
        while (await reply.Body.ReadAsync(new byte[10], CancellationToken.None) > 0)
        {
        }
    }

    [Fact]
    public async Task Models_that_are_loaded_at_once_have_a_pool_each()
    {
        await using var a = new ScriptedServer(ScriptedServer.Always(Hello));
        await using var b = new ScriptedServer(ScriptedServer.Always(Hello));
        using var forwarder = new Forwarder(TimeProvider.System);

        for (int i = 0; i < 5; i++)
        {
            await AskAsync(forwarder, a);
            await AskAsync(forwarder, b);
        }

        Assert.Equal((1, 1), (a.Accepted, b.Accepted));
        Assert.Equal((5, 5), (a.Requests.Count, b.Requests.Count));
    }

    [Fact]
    public async Task Pools_of_models_that_have_left_are_closed_in_the_end()
    {
        const int More = 16;
        var closed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var first = new ScriptedServer(async connection =>
        {
            await ScriptedServer.Always(Hello)(connection);
            closed.SetResult();
        });
        using var forwarder = new Forwarder(TimeProvider.System);
        await AskAsync(forwarder, first);
        var others = Enumerable.Range(0, More).Select(_ => new ScriptedServer(ScriptedServer.Always(Hello))).ToList();
        foreach (ScriptedServer other in others)
            await AskAsync(forwarder, other);

        await closed.Task.WaitAsync(TimeSpan.FromSeconds(30));
        foreach (ScriptedServer other in others)
            await other.DisposeAsync();
    }

    [Theory]
    [InlineData(200, "{}", true)]
    [InlineData(404, "{}", true)]
    [InlineData(500, "{\"error\":{}}", true)]
    // What the router says where a model has gone.
    [InlineData(400, "{\"error\":{\"message\":\"model is not loaded\"}}", false)]
    [InlineData(500, "proxy error: Could not establish connection", false)]
    [InlineData(503, "{\"error\":{\"message\":\"Loading model\"}}", false)]
    public async Task Server_is_there_where_it_answers_for_the_model(int status, string body, bool expected)
    {
        await using var server = new ScriptedServer(ScriptedServer.Always(Reply(status, body)));
        using var forwarder = new Forwarder(TimeProvider.System);

        Assert.Equal(expected, await forwarder.AnswersAsync(At(server), CancellationToken.None));

        string request = Assert.Single(server.Requests);
        Assert.StartsWith("GET /props?model=an%20id&autoload=false HTTP/1.1\r\n", request);
        Assert.Contains("Authorization: Bearer our-key\r\n", request);
    }

    [Fact]
    public async Task Server_that_hangs_up_or_does_not_listen_is_not_there()
    {
        using var forwarder = new Forwarder(TimeProvider.System);
        var server = new ScriptedServer();
        Upstream gone = At(server);
        Assert.False(await forwarder.AnswersAsync(gone, CancellationToken.None));
        await server.DisposeAsync();
        Assert.False(await forwarder.AnswersAsync(gone, CancellationToken.None));
    }

    [Fact]
    public async Task Nobody_waits_for_the_answer_whose_client_has_gone()
    {
        await using var server = new ScriptedServer(async connection => await connection.ClosedAsync());
        using var forwarder = new Forwarder(TimeProvider.System);
        using var gone = new CancellationTokenSource();
        Task<bool> asking = forwarder.AnswersAsync(At(server), gone.Token);
        await gone.CancelAsync();
        Assert.False(await asking);
    }
}
