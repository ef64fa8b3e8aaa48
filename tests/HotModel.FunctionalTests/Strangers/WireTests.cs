using System.Globalization;

namespace HotModel.FunctionalTests.Strangers;

/// <summary>A12 of docs/security.md: requests that two servers in a row would read differently.</summary>
[Collection(StrangersCollection.Name)]
public sealed class WireTests(StrangersServer server)
{
    private const string Body = """{"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}""";
    private const string Head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    private const string Smuggled = "GET /admin/state HTTP/1.1\r\nHost: localhost\r\n\r\n";
    private static readonly string Size = Body.Length.ToString("x", CultureInfo.InvariantCulture);
    private static readonly string Chunks = $"{Size}\r\n{Body}\r\n0\r\n\r\n";

    private static readonly Dictionary<string, string> Refused = new()
    {
        ["two lengths"] = $"{Head}Content-Length: 5\r\nContent-Length: {Body.Length}\r\n\r\n{Body}",
        ["a list of lengths"] = $"{Head}Content-Length: {Body.Length}, {Body.Length}\r\n\r\n{Body}",
        ["a negative length"] = $"{Head}Content-Length: -1\r\n\r\n{Body}",
        ["a length that no number holds"] = $"{Head}Content-Length: 99999999999999999999\r\n\r\n{Body}",
        ["an encoding after chunked"] = $"{Head}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n{Chunks}",
        ["an encoding like chunked"] = $"{Head}Transfer-Encoding: xchunked\r\n\r\n{Chunks}",
        ["a space behind a name"] = $"{Head}Transfer-Encoding : chunked\r\n\r\n{Chunks}",
        ["a line that goes on"] = "GET /health HTTP/1.1\r\nHost: localhost\r\nX: y\r\n z\r\n\r\n",
        ["a bare CR"] = "GET /health HTTP/1.1\r\nHost: localhost\rX: y\r\n\r\n",
        ["a bare LF behind the request line"] = "GET /health HTTP/1.1\nHost: localhost\r\n\r\n",
        ["a bare LF behind a header"] = "GET /health HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n",
        ["a bare LF at the end"] = "GET /health HTTP/1.1\r\nHost: localhost\r\n\n",
        ["a NUL in the target"] = "GET /health\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ["a NUL in a header"] = "GET /health HTTP/1.1\r\nHost: localhost\r\nX: \0\r\n\r\n",
        ["two hosts"] = "GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        ["no host"] = "GET /health HTTP/1.1\r\n\r\n",
        ["another host in the target"] = "GET http://evil.example/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ["a host for another target"] = "GET http://localhost/health HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        ["HTTP/0.9"] = "GET /health\r\n\r\n",
        ["a LF in a chunk's extension"] = $"{Head}Transfer-Encoding: chunked\r\n\r\n{Size};\nx\r\n{Body}\r\n0\r\n\r\n",
        ["a chunk without its end"] = $"{Head}Transfer-Encoding: chunked\r\n\r\n{Size}\r\n{Body}0\r\n\r\n",
        ["a chunk that no number holds"] = $"{Head}Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n{Body}\r\n0\r\n\r\n",
        ["a chunk without a length"] = $"{Head}Transfer-Encoding: chunked\r\n\r\n\r\n{Body}\r\n0\r\n\r\n",
    };

    public static TheoryData<string> RefusedNames => [.. Refused.Keys];

    /// <summary>The connection ends, so that nothing behind is read as a request of its own.</summary>
    [Theory]
    [MemberData(nameof(RefusedNames))]
    public async Task A12_ambiguous_request_is_refused_and_ends_its_connection(string name)
    {
        var answer = await server.ExchangeAsync(Refused[name] + Smuggled);
        Assert.True(StrangersServer.StatusOf(answer) == 400, answer);
        Assert.Equal(0, answer.IndexOf("HTTP/1.1", StringComparison.Ordinal));
        Assert.Equal(0, answer.LastIndexOf("HTTP/1.1", StringComparison.Ordinal));
        await server.NothingHappenedAsync();
    }

    /// <summary>RFC 9112, 6.1: the encoding counts, and the connection ends. A proxy in front that counted otherwise gains nothing.</summary>
    [Fact]
    public async Task A12_length_beside_chunks_is_not_read_and_ends_the_connection()
    {
        var answer = await server.ExchangeAsync($"{Head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{Chunks}{Smuggled}");
        Assert.Equal(200, StrangersServer.StatusOf(answer));
        Assert.Contains("\"choices\"", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("waiting_chats", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A12_other_encoding_before_chunked_is_refused_and_ends_the_connection()
    {
        var answer = await server.ExchangeAsync($"{Head}Transfer-Encoding: gzip, chunked\r\n\r\n{Chunks}{Smuggled}");
        Assert.Equal(501, StrangersServer.StatusOf(answer));
        Assert.DoesNotContain("waiting_chats", answer, StringComparison.Ordinal);
    }

    /// <summary>What goes on to the model is framed anew: extensions and trailers stay here.</summary>
    [Fact]
    public async Task A12_extensions_and_trailers_of_chunks_do_not_go_on()
    {
        var answer = await server.ExchangeAsync(
            $"{Head}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n{Size};a=b\r\n{Body}\r\n0\r\nContent-Length: 3\r\n\r\n");
        Assert.Equal(200, StrangersServer.StatusOf(answer));
        Assert.Contains("\"choices\"", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A12_other_protocols_are_not_spoken()
    {
        // A frame that ends the connection, GOAWAY, because of HTTP_1_1_REQUIRED.
        var answer = await server.ExchangeAsync("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0");
        Assert.Equal((7, 13, 17), (answer[3], answer[^1], answer.Length));
        const string Upgrade = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: ";
        foreach (var protocol in (string[])["h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA", "websocket\r\nSec-WebSocket-Version: 13"])
            Assert.Equal(200, StrangersServer.StatusOf(await server.ExchangeAsync($"{Upgrade}{protocol}\r\n\r\n")));
        Assert.InRange(await server.StatusAsync("CONNECT", "evil.example:443", "evil.example:443"), 400, 499);
        Assert.InRange(await server.StatusAsync("TRACE", "/health"), 400, 499);
    }

    [Fact]
    public async Task A18_head_beyond_its_limits_is_refused()
    {
        Assert.Equal(431, await server.StatusAsync("GET", "/health", headers: $"X: {new string('a', 33_000)}\r\n"));
        Assert.Equal(431, await server.StatusAsync(
            "GET", "/health", headers: string.Concat(Enumerable.Range(0, 100).Select(i => $"X-{i}: y\r\n"))));
        Assert.Equal(414, await server.StatusAsync("GET", "/health?" + new string('a', 9_000)));
    }
}
