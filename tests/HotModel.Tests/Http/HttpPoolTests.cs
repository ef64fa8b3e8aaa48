using System.Net;
using System.Net.Sockets;
using HotModel.Http;
using Microsoft.Extensions.Time.Testing;

namespace HotModel.Tests.Http;

public class HttpPoolTests
{
    private const string Hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    private static readonly OutgoingRequest Get = new("GET", "x");
    private static readonly OutgoingRequest Post = new("POST", "x") { Body = ["{}"u8.ToArray()] };

    [Fact]
    public async Task Nobody_listens_is_a_failure_to_connect()
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        using var endpoint = new HttpEndpoint(new($"http://localhost:{port}/"), TimeProvider.System);

        var failure = await Assert.ThrowsAsync<HttpFailure>(() => endpoint.SendAsync(Post, CancellationToken.None));

        Assert.Equal(HttpStage.Connect, failure.Stage);
    }

    [Fact]
    public async Task Name_is_looked_up()
    {
        await using var server = new ScriptedServer(ScriptedServer.Always(Hello));
        using var endpoint = new HttpEndpoint(new($"http://localhost:{server.Address.Port}/"), TimeProvider.System);

        await AskAsync(endpoint, Get);

        Assert.Contains($"Host: localhost:{server.Address.Port}\r\n", Assert.Single(server.Requests));
    }

    [Fact]
    public async Task Connections_as_many_as_answers_at_once_and_the_last_is_used_next()
    {
        await using var server = new ScriptedServer(ScriptedServer.Always(Hello), ScriptedServer.Always(Hello));
        using var endpoint = new HttpEndpoint(server.Address, TimeProvider.System);

        HttpReply one = await endpoint.SendAsync(Get, CancellationToken.None);
        HttpReply two = await endpoint.SendAsync(Get, CancellationToken.None);
        Assert.Equal(5, await one.Body.ReadAsync(new byte[10]));
        Assert.Equal(5, await two.Body.ReadAsync(new byte[10]));
        await AskAsync(endpoint, Get);
        await AskAsync(endpoint, Get);

        Assert.Equal(2, server.Accepted);
    }

    [Fact]
    public async Task Idle_connection_is_closed_before_the_server_would()
    {
        var time = new FakeTimeProvider();
        var closed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = new ScriptedServer(async connection =>
        {
            await ScriptedServer.Always(Hello)(connection);
            closed.SetResult();
        }, ScriptedServer.Always(Hello));
        using var endpoint = new HttpEndpoint(server.Address, time);

        await AskAsync(endpoint, Get);
        time.Advance(TimeSpan.FromSeconds(3.9));
        await AskAsync(endpoint, Get);
        time.Advance(TimeSpan.FromSeconds(3.9));
        Assert.False(closed.Task.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(0.2));

        await closed.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await AskAsync(endpoint, Get);
        Assert.Equal(2, server.Accepted);
    }

    [Fact]
    public async Task Connection_that_the_server_closed_meanwhile_is_not_used()
    {
        await using var server = new ScriptedServer(ScriptedServer.Once(Hello), ScriptedServer.Always(Hello));
        using var endpoint = new HttpEndpoint(server.Address, TimeProvider.System);

        for (int i = 0; i < 2; i++)
            await AskAsync(endpoint, Post);

        Assert.Equal(2, server.Requests.Count);
    }

    [Fact]
    public async Task Request_that_a_reused_connection_refuses_is_sent_again()
    {
        await using var server = new ScriptedServer(async connection =>
        {
            await connection.ReadRequestAsync();
            await connection.SendAsync(Hello);
            await connection.ReadRequestAsync();
            connection.Reset();
        }, ScriptedServer.Always(Hello));
        using var endpoint = new HttpEndpoint(server.Address, TimeProvider.System);

        await AskAsync(endpoint, Post);
        await AskAsync(endpoint, Post);

        Assert.Equal(3, server.Requests.Count);
    }

    [Fact]
    public async Task Request_that_a_reused_connection_took_and_did_not_answer_is_sent_again_only_where_it_may()
    {
        Func<ScriptedConnection, Task> answerOne = async connection =>
        {
            await connection.ReadRequestAsync();
            await connection.SendAsync(Hello);
            await connection.ReadRequestAsync();
        };
        await using var server = new ScriptedServer(answerOne, answerOne);
        using var endpoint = new HttpEndpoint(server.Address, TimeProvider.System);

        await AskAsync(endpoint, Get);
        await AskAsync(endpoint, Get);
        var failure = await Assert.ThrowsAsync<HttpFailure>(() => AskAsync(endpoint, Post));

        Assert.Equal(HttpStage.Head, failure.Stage);
        Assert.Equal(2, server.Accepted);
        Assert.Equal(4, server.Requests.Count);
    }

    [Fact]
    public async Task Request_that_a_new_connection_refuses_is_not_sent_again()
    {
        await using var server = new ScriptedServer(async connection =>
        {
            await connection.ReadRequestAsync();
            connection.Reset();
        });
        using var endpoint = new HttpEndpoint(server.Address, TimeProvider.System);

        var failure = await Assert.ThrowsAsync<HttpFailure>(() => AskAsync(endpoint, Get));

        Assert.Equal(HttpStage.Head, failure.Stage);
        Assert.Single(server.Requests);
        Assert.Equal(1, server.Accepted);
    }

    [Fact]
    public async Task Request_whose_answer_began_is_not_sent_again()
    {
        await using var server = new ScriptedServer(async connection =>
        {
            await connection.ReadRequestAsync();
            await connection.SendAsync(Hello);
            await connection.ReadRequestAsync();
            await connection.SendAsync("HTTP/1.1 200");
        });
        using var endpoint = new HttpEndpoint(server.Address, TimeProvider.System);

        await AskAsync(endpoint, Get);
        await Assert.ThrowsAsync<HttpFailure>(() => AskAsync(endpoint, Get));

        Assert.Equal(1, server.Accepted);
    }

    [Fact]
    public async Task Server_that_had_closed_as_the_request_came_is_seen_as_a_reset()
    {
        using var listener = new Socket(SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.IPv6Loopback, 0));
        listener.Listen();
        var address = new Uri($"http://[::1]:{((IPEndPoint)listener.LocalEndPoint!).Port}/");
        using HttpConnection connection =
            await HttpConnection.OpenAsync(address, TimeProvider.System, CancellationToken.None);
        using (await listener.AcceptAsync())
        {
        }

        var failure = await Assert.ThrowsAsync<HttpFailure>(async () =>
        {
            await connection.SendAsync(Post.WriteHead(address), Post.Body!, CancellationToken.None);
            await connection.ReadHeadAsync(CancellationToken.None);
        });

        Assert.True(failure.IsUnanswered);
        Assert.True(failure.WasReset);
    }

    [Fact]
    public async Task Server_that_answers_before_it_has_read_all_is_heard()
    {
        await using var server = new ScriptedServer(async connection =>
        {
            await connection.SendAsync("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig");
        });
        using var endpoint = new HttpEndpoint(server.Address, TimeProvider.System);
        var request = new OutgoingRequest("POST", "x") { Body = [new byte[64 << 20]] };

        using HttpReply reply = await endpoint.SendAsync(request, CancellationToken.None);

        Assert.Equal(413, reply.Status);
    }

    [Theory]
    [InlineData("")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe")]
    public async Task Cancelled_request_closes_the_connection_at_once(string answer)
    {
        var closed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var cancel = new CancellationTokenSource();
        await using var server = new ScriptedServer(async connection =>
        {
            await connection.ReadRequestAsync();
            await connection.SendAsync(answer);
            cancel.CancelAfter(10);
            await connection.ClosedAsync();
            closed.SetResult();
        }, ScriptedServer.Always(Hello));
        using var endpoint = new HttpEndpoint(server.Address, TimeProvider.System);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            using HttpReply reply = await endpoint.SendAsync(Get, cancel.Token);
            await reply.Body.CopyToAsync(Stream.Null, cancel.Token);
        });
        await closed.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await AskAsync(endpoint, Get);

        Assert.Equal(2, server.Accepted);
    }

    [Fact]
    public async Task Answer_given_up_closes_the_connection()
    {
        var closed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = new ScriptedServer(async connection =>
        {
            await connection.ReadRequestAsync();
            await connection.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello");
            await connection.ClosedAsync();
            closed.SetResult();
        });
        using var endpoint = new HttpEndpoint(server.Address, TimeProvider.System);

        HttpReply reply = await endpoint.SendAsync(Get, CancellationToken.None);
        reply.Dispose();
        reply.Dispose();

        await closed.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => reply.Body.CopyToAsync(Stream.Null));
    }

    [Fact]
    public async Task Endpoint_disposed_under_an_answer_lets_it_end()
    {
        var closed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = new ScriptedServer(async connection =>
        {
            await ScriptedServer.Always(Hello)(connection);
            closed.SetResult();
        });
        var endpoint = new HttpEndpoint(server.Address, TimeProvider.System);

        using HttpReply reply = await endpoint.SendAsync(Get, CancellationToken.None);
        endpoint.Dispose();
        Assert.Equal(5, await reply.Body.ReadAsync(new byte[10]));

        await closed.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    private static async Task AskAsync(HttpEndpoint endpoint, OutgoingRequest request)
    {
        using HttpReply reply = await endpoint.SendAsync(request, CancellationToken.None);
        using var reader = new StreamReader(reply.Body);
        Assert.Equal("hello", await reader.ReadToEndAsync());
    }
}
