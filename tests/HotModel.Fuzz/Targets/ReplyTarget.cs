using System.Text;
using HotModel.Http;

namespace HotModel.Fuzz.Targets;

/// <summary>
/// The head of an answer, and its body in chunks. Claims: the head's end is found wherever the pieces end; what of it
/// goes to our client is fit for a header; and the chunks' data is what the simplest reader finds, whatever the pieces.
/// </summary>
internal static class ReplyTarget
{
    // Beyond this the decoder refuses extensions and trailers for their length, which the reference does not.
    private const int InputBytesMax = 16 << 10;

    public static void Run(byte[] input)
    {
        if (input.Length > InputBytesMax)
            return;
        int length = EndOf(input);
        foreach (IReadOnlyList<byte[]> pieces in Splits.Of(input))
            Require.Equal(length, EndByPieces(input, pieces));
        if (length >= 0)
            Head(input.AsSpan(0, length));
        byte[] body = input[Math.Max(length, 0)..];
        var (data, used) = Unchunk(body);
        foreach (IReadOnlyList<byte[]> pieces in Splits.Of(body))
            Chunks(pieces, data, used);
    }

    private static int EndOf(ReadOnlySpan<byte> input)
    {
        for (int i = 0; i < input.Length; i++)
        {
            if (input[..(i + 1)].EndsWith("\n\n"u8) || input[..(i + 1)].EndsWith("\n\r\n"u8))
                return i + 1;
        }
        return -1;
    }

    private static int EndByPieces(byte[] input, IReadOnlyList<byte[]> pieces)
    {
        int searched = 0;
        foreach (byte[] piece in pieces)
        {
            int length = ReplyHead.FindEnd(input.AsSpan(0, searched + piece.Length), searched);
            if (length >= 0)
                return length;
            searched += piece.Length;
        }
        return -1;
    }

    private static void Head(ReadOnlySpan<byte> bytes)
    {
        var head = ReplyHead.Parse(bytes, out string? problem);
        Require.That(head is null != problem is null);
        if (head is null)
        {
            Require.IsOneLine(problem!);
            return;
        }
        Require.That(head.Status is >= 100 and <= 999);
        Require.That(head.ContentLength is null or >= 0);
        Require.That(head is not { IsChunked: true, ContentLength: not null });
        _ = head.KeepsAlive;
        if (head.ContentType is { } type)
            Require.IsOneLine(type);
        if (head.RetryAfter is { } after)
            Require.IsOneLine(after);
    }

    /// <summary>The data, and how much of the bytes it took; null where these are no chunks, -1 where they do not end.</summary>
    private static (byte[]? Data, int Used) Unchunk(byte[] body)
    {
        var data = new List<byte>();
        int at = 0;
        while (Line(body, ref at) is { } line)
        {
            string digits = string.Concat(line.TakeWhile(char.IsAsciiHexDigit));
            if (digits.Length is 0 or > 15 || (digits.Length < line.Length && line[digits.Length] is not (';' or ' ' or '\t')))
                return (null, 0);
            long length = Convert.ToInt64(digits, 16);
            if (length == 0)
                return Trailers(body, at, data);
            int have = (int)Math.Min(length, body.Length - at);
            data.AddRange(body[at..(at + have)]);
            at += have;
            if (!"\r\n"u8.StartsWith(body.AsSpan(at, Math.Min(2, body.Length - at))))
                return (null, 0);
            at = Math.Min(at + 2, body.Length);
        }
        return IsBegunLine(body.AsSpan(at)) ? ([.. data], -1) : (null, 0);
    }

    private static (byte[]? Data, int Used) Trailers(byte[] body, int at, List<byte> data)
    {
        while (Line(body, ref at) is { } line)
        {
            if (line.Length == 0)
                return ([.. data], at);
        }
        int returned = body.AsSpan(at).IndexOfAny("\r\n"u8);
        return returned < 0 || (body[at + returned] == '\r' && at + returned + 1 == body.Length) ? ([.. data], -1) : (null, 0);
    }

    /// <summary>Null where there is no whole line that ends properly.</summary>
    private static string? Line(byte[] body, ref int at)
    {
        int end = body.AsSpan(at).IndexOfAny("\r\n"u8);
        if (end < 0 || !body.AsSpan(at + end).StartsWith("\r\n"u8))
            return null;
        string line = Encoding.Latin1.GetString(body.AsSpan(at, end));
        at += end + 2;
        return line;
    }

    /// <summary>May yet become the line of a chunk's size.</summary>
    private static bool IsBegunLine(ReadOnlySpan<byte> rest)
    {
        int end = rest.IndexOfAny("\r\n"u8);
        string line = Encoding.Latin1.GetString(end < 0 ? rest : rest[..end]);
        string digits = string.Concat(line.TakeWhile(char.IsAsciiHexDigit));
        return (end < 0 || (rest[end] == '\r' && end + 1 == rest.Length && digits.Length > 0))
            && digits.Length <= 15 && (line.Length == 0 || digits.Length > 0)
            && (digits.Length == line.Length || line[digits.Length] is ';' or ' ' or '\t');
    }

    private static void Chunks(IReadOnlyList<byte[]> pieces, byte[]? expected, int expectedUsed)
    {
        var decoder = new ChunkDecoder();
        var data = new List<byte>();
        int taken = 0;
        foreach (byte[] piece in pieces)
        {
            byte[] bytes = [.. piece];
            int count = decoder.Decode(bytes, out int used);
            if (count < 0)
            {
                Require.That(expected is null);
                return;
            }
            Require.That(count <= used && used <= bytes.Length);
            Require.That(decoder.IsDone || used == bytes.Length);
            data.AddRange(bytes[..count]);
            taken += used;
            if (decoder.IsDone)
                break;
        }
        Require.That(expected is not null);
        Require.Equal(expected, data.ToArray());
        Require.Equal(expectedUsed >= 0, decoder.IsDone);
        if (decoder.IsDone)
            Require.Equal(expectedUsed, taken);
    }
}
