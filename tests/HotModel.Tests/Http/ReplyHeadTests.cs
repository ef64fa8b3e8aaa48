using System.Text;
using HotModel.Http;

namespace HotModel.Tests.Http;

public class ReplyHeadTests
{
    [Fact]
    public void Headers_are_read_in_any_case_and_with_any_space()
    {
        ReplyHead head = Parse(
            "HTTP/1.1 503 Service Unavailable\r\nserver: x\r\nCONTENT-TYPE:text/html; charset=utf-8 \r\n"
            + "content-Length:\t12\r\nX-Empty:\r\nRetry-After: 7\r\n\r\n");

        Assert.Equal(503, head.Status);
        Assert.Equal("text/html; charset=utf-8", head.ContentType);
        Assert.Equal(12, head.ContentLength);
        Assert.Equal("7", head.RetryAfter);
        Assert.False(head.IsChunked);
        Assert.True(head.KeepsAlive);
    }

    [Theory]
    [InlineData("HTTP/1.1 200")]
    [InlineData("HTTP/1.1 200 ")]
    [InlineData("HTTP/1.9 200 Fine, thank you")]
    public void Reason_may_be_anything(string line) => Assert.Equal(200, Parse(line + "\r\n\r\n").Status);

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\n", true)]
    [InlineData("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n", true)]
    [InlineData("HTTP/1.1 200 OK\r\nconnection: x, Close\r\n", false)]
    [InlineData("HTTP/1.0 200 OK\r\n", false)]
    [InlineData("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n", false)]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", false)]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n", true)]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n", false)]
    [InlineData("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\n", false)]
    public void Connection_serves_again_unless_the_answer_speaks_against_it(string head, bool keepsAlive) =>
        Assert.Equal(keepsAlive, Parse(head + "\r\n").KeepsAlive);

    [Fact]
    public void Chunks_win_over_a_length()
    {
        ReplyHead head = Parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: Chunked\r\n\r\n");

        Assert.True(head.IsChunked);
        Assert.Null(head.ContentLength);
    }

    [Fact]
    public void Lengths_may_be_repeated_but_not_differ()
    {
        Assert.Equal(5, Parse("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\nContent-Length: 5\r\n\r\n").ContentLength);
        AssertRefused("HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n");
        AssertRefused("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n");
    }

    [Theory]
    [InlineData("HTTP/1.1 20 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 2000 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 099 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 +20 OK\r\n\r\n")]
    [InlineData("HTTP/2 200 OK\r\n\r\n")]
    [InlineData("HTTP/1.x 200 OK\r\n\r\n")]
    [InlineData("ICY 200 OK abcdef\r\n\r\n")]
    [InlineData("\r\nHTTP/1.1 200 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\n folded: x\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nA: b\r\n\tfolded\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nName : x\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\n: x\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nno colon\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nA: \0\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n")]
    public void Malformed_head_is_refused(string head) => AssertRefused(head);

    [Fact]
    public void Too_many_headers_are_refused() =>
        AssertRefused("HTTP/1.1 200 OK\r\n" + string.Concat(Enumerable.Repeat("A: b\r\n", 201)) + "\r\n");

    [Fact]
    public void Type_that_is_no_text_is_none() =>
        Assert.Null(Parse("HTTP/1.1 200 OK\r\nContent-Type: caf\u00e9\r\n\r\n").ContentType);

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nA: b\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\nA: b\n\n")]
    [InlineData("HTTP/1.1 200 OK\r\nA: b\n\r\n")]
    public void End_is_found_wherever_the_head_is_split(string head)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(head + "\r\n\r\nbody");
        for (int at = 0; at <= bytes.Length; at++)
        {
            int first = ReplyHead.FindEnd(bytes.AsSpan(0, at), 0);
            Assert.Equal(at < head.Length ? -1 : head.Length, first);
            if (first < 0)
                Assert.Equal(head.Length, ReplyHead.FindEnd(bytes, at));
        }
        Assert.Equal(200, Parse(head).Status);
    }

    private static ReplyHead Parse(string head)
    {
        ReplyHead? parsed = ReplyHead.Parse(Encoding.Latin1.GetBytes(head), out string? problem);
        Assert.Null(problem);
        return parsed!;
    }

    private static void AssertRefused(string head)
    {
        Assert.Null(ReplyHead.Parse(Encoding.Latin1.GetBytes(head), out string? problem));
        Assert.NotNull(problem);
    }
}
