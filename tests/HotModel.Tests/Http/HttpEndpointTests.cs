using System.Text;
using HotModel.Http;

namespace HotModel.Tests.Http;

/// <summary>On .NET's own sockets and, where there is one, on the poller.</summary>
public abstract class HttpEndpointTests(bool isPolled)
{
    private const string Hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    private const string Chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: t\r\n\r\n";
    private static readonly OutgoingRequest Get = new("GET", "x");
    private static readonly OutgoingRequest Post = new("POST", "x") { Body = ["{}"u8.ToArray()] };

    [Theory]
    [InlineData(Hello, "hello")]
    [InlineData(Chunked, "hello!")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "")]
    [InlineData("HTTP/1.1 204 No Content\r\n\r\n", "")]
    [InlineData("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "")]
    [InlineData("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + Hello, "hello")]
    public async Task Answer_is_read_to_its_end_and_the_connection_serves_again(string answer, string body)
    {
        await using var server = new ScriptedServer(ScriptedServer.Always(answer));
        using var endpoint = Open(server.Address, TimeProvider.System);

        for (int i = 0; i < 3; i++)
            Assert.Equal(body, await ReadAsync(endpoint, Post));

        Assert.Equal(1, server.Accepted);
        Assert.Equal(3, server.Requests.Count);
    }

    [Theory]
    [InlineData("HTTP/1.0 200 OK\r\n\r\nhello")]
    [InlineData("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello")]
    [InlineData("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello")]
    [InlineData("HTTP/1.1 200 OK\r\n\r\nhello")]
    [InlineData(Hello + "and more")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nand more")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")]
    public async Task Answer_that_does_not_keep_alive_is_read_and_its_connection_closed(string answer)
    {
        await using var server = new ScriptedServer(ScriptedServer.Once(answer), ScriptedServer.Once(answer));
        using var endpoint = Open(server.Address, TimeProvider.System);

        Assert.Equal("hello", await ReadAsync(endpoint, Post));
        Assert.Equal("hello", await ReadAsync(endpoint, Post));

        Assert.Equal(2, server.Accepted);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(4096)]
    public async Task Answer_that_comes_byte_by_byte_is_whole_at_every_reader(int bufferBytes)
    {
        await using var server = new ScriptedServer(async connection =>
        {
            while (await connection.ReadRequestAsync() is not null)
                await connection.SendByteByByteAsync(Chunked);
        });
        using var endpoint = Open(server.Address, TimeProvider.System);

        Assert.Equal("hello!", await ReadAsync(endpoint, Get, bufferBytes));
        Assert.Equal("hello!", await ReadAsync(endpoint, Get, bufferBytes));
        Assert.Equal(1, server.Accepted);
    }

    [Fact]
    public async Task Head_has_no_body()
    {
        await using var server = new ScriptedServer(
            ScriptedServer.Always("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"));
        using var endpoint = Open(server.Address, TimeProvider.System);

        Assert.Equal("", await ReadAsync(endpoint, new("HEAD", "x")));
        Assert.Equal("", await ReadAsync(endpoint, new("HEAD", "x")));
        Assert.Equal(1, server.Accepted);
    }

    [Fact]
    public async Task Body_is_there_as_soon_as_its_first_bytes_are()
    {
        var mayGoOn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = new ScriptedServer(async connection =>
        {
            await connection.ReadRequestAsync();
            await connection.SendAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\nhe");
            await mayGoOn.Task;
            await connection.SendAsync("llo you!\r\n0\r\n\r\n");
        });
        using var endpoint = Open(server.Address, TimeProvider.System);

        using HttpReply reply = await endpoint.SendAsync(Get, CancellationToken.None);
        var buffer = new byte[100];
        int count = await reply.Body.ReadAsync(buffer);
        Assert.InRange(count, 1, 2);
        mayGoOn.SetResult();

        using var rest = new StreamReader(reply.Body);
        Assert.Equal("hello you!", Encoding.ASCII.GetString(buffer, 0, count) + await rest.ReadToEndAsync());
    }

    /// <summary>Its end of stream is no room: the rest of the request goes out when it reads on.</summary>
    [Fact]
    public async Task Server_that_answers_and_ends_its_side_before_it_reads_a_long_request_is_sent_all_of_it()
    {
        string body = new('x', 8_000_000);
        var received = new TaskCompletionSource<string?>();
        await using var server = new ScriptedServer(async connection =>
        {
            await connection.SendAsync("HTTP/1.1 200 OK\r\n\r\nhello");
            connection.EndSending();
            received.SetResult(await connection.ReadRequestAsync());
        });
        using var endpoint = Open(server.Address, TimeProvider.System);
        var request = new OutgoingRequest("POST", "x") { Body = [Encoding.ASCII.GetBytes(body)] };

        Assert.Equal("hello", await ReadAsync(endpoint, request));
        Assert.EndsWith("\r\n\r\n" + body, await received.Task);
    }

    // The poller tells of an arrival once, however much of it is taken.
    [Theory]
    [InlineData(1)]
    [InlineData(1000)]
    [InlineData(10_000)]
    public async Task Reader_that_waits_before_each_read_misses_nothing_of_a_burst_nor_its_end(int bufferBytes)
    {
        const int BurstBytes = 10_000;
        var isRead = new SemaphoreSlim(0);
        await using var server = new ScriptedServer(async connection =>
        {
            await connection.ReadRequestAsync();
            await connection.SendAsync("HTTP/1.1 200 OK\r\n\r\n");
            for (int burst = 0; burst < 3; burst++)
            {
                await connection.SendAsync(new string('x', BurstBytes));
                await isRead.WaitAsync();
            }
            await connection.SendAsync(new string('x', BurstBytes));
        });
        using var endpoint = Open(server.Address, TimeProvider.System);
        using HttpReply reply = await endpoint.SendAsync(Get, CancellationToken.None);
        var buffer = new byte[bufferBytes];
        int total = 0;

        while (true)
        {
            Assert.Equal(0, await reply.Body.ReadAsync(Memory<byte>.Empty));
            int count = await reply.Body.ReadAsync(buffer);
            if (count == 0)
                break;
            total += count;
            if (total % BurstBytes == 0)
                isRead.Release();
        }

        Assert.Equal(4 * BurstBytes, total);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello world")]
    public async Task Body_that_breaks_off_is_no_whole_one(string answer)
    {
        await using var server = new ScriptedServer(ScriptedServer.Once(answer));
        using var endpoint = Open(server.Address, TimeProvider.System);

        var failure = await Assert.ThrowsAsync<HttpFailure>(() => ReadAsync(endpoint, Get));

        Assert.Equal(HttpStage.Body, failure.Stage);
        Assert.Equal(1, server.Accepted);
    }

    [Fact]
    public async Task Body_of_unknown_length_that_is_reset_is_no_whole_one()
    {
        await using var server = new ScriptedServer(async connection =>
        {
            await connection.ReadRequestAsync();
            await connection.SendAsync("HTTP/1.1 200 OK\r\n\r\nhello");
            connection.Reset();
        });
        using var endpoint = Open(server.Address, TimeProvider.System);

        await Assert.ThrowsAsync<HttpFailure>(() => ReadAsync(endpoint, Get));
    }

    [Fact]
    public async Task Heads_and_interim_heads_without_end_are_refused()
    {
        await using var server = new ScriptedServer(
            ScriptedServer.Once("HTTP/1.1 200 OK\r\nA: " + new string('x', 40_000)),
            ScriptedServer.Once(string.Concat(Enumerable.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 1000))),
            ScriptedServer.Once("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
            ScriptedServer.Once("HTTP/1.1 200 OK\r\nCont"),
            ScriptedServer.Once("SSH-2.0-OpenSSH_9.2\r\n\r\n"));
        using var endpoint = Open(server.Address, TimeProvider.System);

        for (int i = 0; i < 5; i++)
        {
            var failure = await Assert.ThrowsAsync<HttpFailure>(() => ReadAsync(endpoint, Get));
            Assert.Equal(HttpStage.Head, failure.Stage);
        }
        Assert.Equal(5, server.Accepted);
    }

    [Fact]
    public async Task Long_head_and_long_bodies_pass()
    {
        var random = new Random(7);
        string body = string.Create(3_000_000, random, (text, random) =>
        {
            for (int i = 0; i < text.Length; i++)
                text[i] = (char)random.Next(32, 127);
        });
        string name = new('n', 30_000);
        await using var server = new ScriptedServer(
            ScriptedServer.Always($"HTTP/1.1 200 OK\r\nX: {name}\r\nContent-Length: {body.Length}\r\n\r\n{body}"));
        using var endpoint = Open(server.Address, TimeProvider.System);
        ReadOnlyMemory<byte> text = Encoding.ASCII.GetBytes(body);
        var request = new OutgoingRequest("POST", "x")
        {
            Body =
            [
                text[..3], text[3..9], text[9..20_000], text[20_000..20_001], text[20_001..2_000_000],
                text[2_000_000..],
            ],
        };

        Assert.Equal(body, await ReadAsync(endpoint, request));
        Assert.Equal(body, await ReadAsync(endpoint, request));
        Assert.Equal(1, server.Accepted);
        Assert.All(server.Requests, sent => Assert.EndsWith("\r\n\r\n" + body, sent));
    }

    private static async Task<string> ReadAsync(HttpEndpoint endpoint, OutgoingRequest request, int bufferBytes = 4096)
    {
        using HttpReply reply = await endpoint.SendAsync(request, CancellationToken.None);
        var text = new StringBuilder();
        var buffer = new byte[bufferBytes];
        int count;
        while ((count = await reply.Body.ReadAsync(buffer)) > 0)
            text.Append(Encoding.Latin1.GetString(buffer, 0, count));
        Assert.Equal(0, await reply.Body.ReadAsync(buffer));
        return text.ToString();
    }

    private HttpEndpoint Open(Uri address, TimeProvider time) => new(address, time, isPolled ? Poller.Shared : null);
}

public sealed class HttpEndpointTestsOfAsyncSockets() : HttpEndpointTests(isPolled: false);

public sealed class HttpEndpointTestsOfPolledSockets() : HttpEndpointTests(isPolled: true);
