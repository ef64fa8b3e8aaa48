using System.Net;
using System.Net.Sockets;
using HotModel.Http;
using Microsoft.Extensions.Time.Testing;

namespace HotModel.Tests.Http;

/// <summary>On .NET's own sockets and, where there is one, on the poller.</summary>
public abstract class HttpPoolTests(bool isPolled)
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
        using var endpoint = Open(new($"http://localhost:{port}/"), TimeProvider.System);

        var failure = await Assert.ThrowsAsync<HttpFailure>(() => endpoint.SendAsync(Post, CancellationToken.None));

        Assert.Equal(HttpStage.Connect, failure.Stage);
    }

    [Fact]
    public async Task Name_is_looked_up()
    {
        await using var server = new ScriptedServer(ScriptedServer.Always(Hello));
        using var endpoint = Open(new($"http://localhost:{server.Address.Port}/"), TimeProvider.System);

        await AskAsync(endpoint, Get);

        Assert.Contains($"Host: localhost:{server.Address.Port}\r\n", Assert.Single(server.Requests));
    }

    [Fact]
    public async Task Connections_as_many_as_answers_at_once_and_the_last_is_used_next()
    {
        await using var server = new ScriptedServer(ScriptedServer.Always(Hello), ScriptedServer.Always(Hello));
        using var endpoint = Open(server.Address, TimeProvider.System);

        HttpReply one = await endpoint.SendAsync(Get, CancellationToken.None);
        HttpReply two = await endpoint.SendAsync(Get, CancellationToken.None);
        Assert.Equal(5, await one.Body.ReadAsync(new byte[10]));
        Assert.Equal(5, await two.Body.ReadAsync(new byte[10]));
        await AskAsync(endpoint, Get);
        await AskAsync(endpoint, Get);

        Assert.Equal(2, server.Accepted);
    }

    [Fact]
    public async Task Reset_that_comes_behind_the_end_of_the_stream_is_one()
    {
        await using var server = new ScriptedServer(
            async connection =>
            {
                await connection.ReadRequestAsync();
                await connection.SendAsync(Hello);
                // What llama-server does with an idle connection, with our next request between the two steps.
                await connection.ArrivedAsync();
                connection.Shutdown();
                await Task.Delay(20);
                connection.Reset();
            },
            ScriptedServer.Once(Hello));
        using var endpoint = Open(server.Address, TimeProvider.System);

        await AskAsync(endpoint, Post);
        await AskAsync(endpoint, Post);

        Assert.Equal(2, server.Accepted);
        Assert.Equal(2, server.Requests.Count);
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
        using var endpoint = Open(server.Address, time);

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

    /// <summary>To the server it is idle since it has sent the answer, however long a slow client takes it from us.</summary>
    [Fact]
    public async Task Time_in_which_an_answer_is_read_slowly_counts_as_idle()
    {
        var time = new FakeTimeProvider();
        await using var server = new ScriptedServer(ScriptedServer.Always(Hello), ScriptedServer.Always(Hello));
        using var endpoint = Open(server.Address, time);

        HttpReply slow = await endpoint.SendAsync(Get, CancellationToken.None);
        time.Advance(TimeSpan.FromSeconds(4.5));
        Assert.Equal(5, await slow.Body.ReadAsync(new byte[10]));
        await AskAsync(endpoint, Get);

        Assert.Equal(2, server.Accepted);
    }

    /// <summary>What is left to wait must not come out as less than nothing, which no timer takes.</summary>
    [Fact]
    public async Task Sweep_goes_on_where_a_connection_comes_of_age_meanwhile()
    {
        var time = new HurryingTime();
        await using var server = new ScriptedServer([.. Enumerable.Repeat(ScriptedServer.Always(Hello), 3)]);
        using var endpoint = Open(server.Address, time);
        HttpReply first = await endpoint.SendAsync(Get, CancellationToken.None);
        HttpReply second = await endpoint.SendAsync(Get, CancellationToken.None);
        Assert.Equal(5, await first.Body.ReadAsync(new byte[10]));
        Assert.Equal(5, await second.Body.ReadAsync(new byte[10]));
        time.Advance(TimeSpan.FromMilliseconds(120));
        await AskAsync(endpoint, Get);

        // The second one is too young at the second look, and would be too old at the third.
        time.Hurry = TimeSpan.FromMilliseconds(50);
        time.Advance(TimeSpan.FromSeconds(4) - TimeSpan.FromMilliseconds(120));
        time.Hurry = TimeSpan.Zero;
        time.Advance(TimeSpan.FromSeconds(1));

        await AskAsync(endpoint, Get);
        Assert.Equal(3, server.Accepted);
    }

    /// <summary>Goes on by so much at each look at it.</summary>
    private sealed class HurryingTime : FakeTimeProvider
    {
        private long hurried;

        public TimeSpan Hurry { get; set; }

        public override long GetTimestamp() => base.GetTimestamp() + (hurried += Hurry.Ticks);
    }

    [Fact]
    public async Task Connection_that_the_server_closed_meanwhile_is_not_used()
    {
        await using var server = new ScriptedServer(ScriptedServer.Once(Hello), ScriptedServer.Always(Hello));
        using var endpoint = Open(server.Address, TimeProvider.System);

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
        using var endpoint = Open(server.Address, TimeProvider.System);

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
        using var endpoint = Open(server.Address, TimeProvider.System);

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
        using var endpoint = Open(server.Address, TimeProvider.System);

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
        using var endpoint = Open(server.Address, TimeProvider.System);

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
            await HttpConnection.OpenAsync(address, isPolled ? Poller.Shared : null, TimeProvider.System, CancellationToken.None);
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
        using var endpoint = Open(server.Address, TimeProvider.System);
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
        using var endpoint = Open(server.Address, TimeProvider.System);

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
        using var endpoint = Open(server.Address, TimeProvider.System);

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
        var endpoint = Open(server.Address, TimeProvider.System);

        using HttpReply reply = await endpoint.SendAsync(Get, CancellationToken.None);
        endpoint.Dispose();
        Assert.Equal(5, await reply.Body.ReadAsync(new byte[10]));

        await closed.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task Request_that_has_ended_is_not_sent_on_an_idle_connection()
    {
        await using var server = new ScriptedServer(ScriptedServer.Always(Hello));
        using var endpoint = Open(server.Address, TimeProvider.System);

        await AskAsync(endpoint, Get);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => endpoint.SendAsync(Post, new CancellationToken(canceled: true)));
        await AskAsync(endpoint, Get);

        Assert.Equal(2, server.Requests.Count(sent => sent.StartsWith("GET", StringComparison.Ordinal)));
        Assert.DoesNotContain(server.Requests, sent => sent.StartsWith("POST", StringComparison.Ordinal));
    }

    /// <summary>As when a model dies, and the switch loop learns of it in the same moment.</summary>
    [Fact]
    public async Task Request_that_ends_while_a_reset_is_looked_for_ends_as_cancelled()
    {
        using var cancel = new CancellationTokenSource();
        await using var server = new ScriptedServer(async connection =>
        {
            await connection.ReadRequestAsync();
            connection.Shutdown();
            await connection.ClosedAsync();
        });
        using var endpoint = Open(server.Address, new PauseEndingClock(cancel));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => endpoint.SendAsync(Post, cancel.Token));
    }

    private static async Task AskAsync(HttpEndpoint endpoint, OutgoingRequest request)
    {
        using HttpReply reply = await endpoint.SendAsync(request, CancellationToken.None);
        using var reader = new StreamReader(reply.Body);
        Assert.Equal("hello", await reader.ReadToEndAsync());
    }

    private HttpEndpoint Open(Uri address, TimeProvider time) => new(address, time, isPolled ? Poller.Shared : null);
}

public sealed class HttpPoolTestsOfAsyncSockets() : HttpPoolTests(isPolled: false);

public sealed class HttpPoolTestsOfPolledSockets() : HttpPoolTests(isPolled: true);

/// <summary>Short pauses are over at once, and whoever waited for one is cancelled just then.</summary>
internal sealed class PauseEndingClock(CancellationTokenSource ended) : TimeProvider
{
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (dueTime <= TimeSpan.Zero || dueTime > TimeSpan.FromMilliseconds(100))
            return System.CreateTimer(callback, state, dueTime, period);
        callback(state);
        ended.Cancel();
        return System.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }
}
