using System.Text;
using HotModel.Http;

namespace HotModel.Tests.Http;

public class ChunkDecoderTests
{
    private const string Whole =
        "5\r\nhello\r\nA;name=\"v;\"\r\n, chunked \r\n005  \r\nworld\r\n0;last\r\nX-Trailer: 1\r\nY: 2\r\n\r\n";

    [Fact]
    public void Body_in_pieces_of_every_size_is_the_same()
    {
        for (int size = 1; size <= Whole.Length; size++)
            Assert.Equal("hello, chunked world", Decode(Whole, size, out _));
    }

    [Fact]
    public void Body_split_at_every_position_is_the_same()
    {
        for (int at = 0; at <= Whole.Length; at++)
        {
            var decoder = new ChunkDecoder();
            string text = Feed(ref decoder, Whole[..at], out _) + Feed(ref decoder, Whole[at..], out _);
            Assert.Equal("hello, chunked world", text);
            Assert.True(decoder.IsDone);
        }
    }

    [Fact]
    public void Body_that_is_not_whole_is_not_done()
    {
        for (int length = 0; length < Whole.Length; length++)
        {
            var decoder = new ChunkDecoder();
            Assert.NotNull(Feed(ref decoder, Whole[..length], out _));
            Assert.False(decoder.IsDone);
        }
    }

    [Fact]
    public void Bytes_after_the_end_are_left()
    {
        Assert.Equal("hello, chunked world", Decode(Whole + "HTTP/1.1", 1000, out int left));
        Assert.Equal(8, left);
    }

    [Theory]
    [InlineData("\r\n")]
    [InlineData(" 5\r\nhello\r\n")]
    [InlineData("-5\r\nhello\r\n")]
    [InlineData("0x5\r\nhello\r\n")]
    [InlineData("g\r\n")]
    [InlineData(";x\r\n")]
    [InlineData("5\nhello\r\n")]
    [InlineData("5\rhello\r\n")]
    [InlineData("5;x\nhello\r\n")]
    [InlineData("5\r\nhelloX\r\n")]
    [InlineData("5\r\nhello\n")]
    [InlineData("5\r\nhello\r5")]
    [InlineData("FFFFFFFFFFFFFFFF\r\n")]
    [InlineData("10000000000000000\r\n")]
    [InlineData("0\r\n\n")]
    [InlineData("0\r\nTrailer\n\r\n")]
    [InlineData("0\r\n\rX")]
    public void Malformed_frame_is_refused(string body)
    {
        Assert.Null(Decode(body, 1, out _));
        Assert.Null(Decode(body, 1000, out _));
    }

    [Fact]
    public void Endless_extension_and_endless_trailers_are_refused()
    {
        Assert.Null(Decode("5;" + new string('x', 20_000), 1000, out _));
        Assert.Null(Decode("0\r\n" + string.Concat(Enumerable.Repeat("A: b\r\n", 4000)), 1000, out _));
    }

    [Fact]
    public void Many_short_extensions_are_no_endless_one()
    {
        string body = string.Concat(Enumerable.Repeat("1;abcdefgh\r\nx\r\n", 5000)) + "0\r\n\r\n";
        Assert.Equal(new string('x', 5000), Decode(body, 1000, out _));
    }

    private static string? Decode(string body, int size, out int left)
    {
        var decoder = new ChunkDecoder();
        var text = new StringBuilder();
        left = 0;
        for (int at = 0; at < body.Length && !decoder.IsDone; at += size)
        {
            if (Feed(ref decoder, body[at..Math.Min(at + size, body.Length)], out left) is not { } piece)
                return null;
            text.Append(piece);
        }
        return text.ToString();
    }

    private static string? Feed(ref ChunkDecoder decoder, string piece, out int left)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(piece);
        int data = decoder.Decode(bytes, out int used);
        left = bytes.Length - used;
        return data < 0 ? null : Encoding.ASCII.GetString(bytes, 0, data);
    }
}
