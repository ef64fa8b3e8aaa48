using System.Buffers;
using System.Buffers.Text;
using System.Text;

namespace HotModel.Http;

/// <summary>Status line and headers of an answer (RFC 9112), as far as they matter here.</summary>
internal sealed class ReplyHead
{
    // llama-server sends fewer than 20.
    private const int HeadersMax = 200;

    private static readonly SearchValues<byte> NameBytes = SearchValues.Create(
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"u8);

    private bool isHttp10;
    private bool saysClose;
    private long? declaredBytes;

    private ReplyHead() { }

    public int Status { get; private set; }
    public string? ContentType { get; private set; }
    public string? RetryAfter { get; private set; }
    public bool IsChunked { get; private set; }

    /// <summary>Chunks win over a length (RFC 9112, 6.3).</summary>
    public long? ContentLength => IsChunked ? null : declaredBytes;

    /// <summary>Where the body's end can be told from the connection's, the connection serves again after it.</summary>
    /// <remarks>
    /// HTTP/1.0 can keep alive too, but nothing that speaks it is worth it. After an event stream llama-server closes,
    /// though it says Keep-Alive: it ends its side, and reads and throws away what comes until we close too. A request
    /// that is on its way then is lost without a reset to tell of it.
    /// </remarks>
    public bool KeepsAlive =>
        !isHttp10 && !saysClose && !(IsChunked && declaredBytes is not null) && !IsOfType("text/event-stream");

    public bool IsOfType(string mediaType)
    {
        ReadOnlySpan<char> type = ContentType;
        int parameters = type.IndexOf(';');
        if (parameters >= 0)
            type = type[..parameters];
        return type.Trim().Equals(mediaType, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>How long the head is, its empty line included; -1 where that has not come yet.</summary>
    /// <param name="bytes">All that came.</param>
    /// <param name="searched">So many of them had no end in them.</param>
    public static int FindEnd(ReadOnlySpan<byte> bytes, int searched)
    {
        int from = Math.Max(0, searched - 2);
        while (true)
        {
            int at = bytes[from..].IndexOf((byte)'\n');
            if (at < 0)
                return -1;
            from += at + 1;
            if (bytes[from..].StartsWith("\n"u8))
                return from + 1;
            if (bytes[from..].StartsWith("\r\n"u8))
                return from + 2;
        }
    }

    /// <param name="head">With its empty line.</param>
    /// <param name="problem">What is wrong with it, where the result is null.</param>
    public static ReplyHead? Parse(ReadOnlySpan<byte> head, out string? problem)
    {
        var result = new ReplyHead();
        problem = result.ReadStatus(NextLine(ref head));
        int count = 0;
        while (problem is null)
        {
            ReadOnlySpan<byte> line = NextLine(ref head);
            if (line.IsEmpty)
                return result;
            problem = ++count > HeadersMax ? "too many headers" : result.ReadHeader(line);
        }
        return null;
    }

    private static ReadOnlySpan<byte> NextLine(ref ReadOnlySpan<byte> rest)
    {
        int at = rest.IndexOf((byte)'\n');
        ReadOnlySpan<byte> line = rest[..at];
        rest = rest[(at + 1)..];
        return line.EndsWith("\r"u8) ? line[..^1] : line;
    }

    // "HTTP/1.1 200 OK"; the words after the number may be missing, and in some servers the space before them.
    private string? ReadStatus(ReadOnlySpan<byte> line)
    {
        if (line.Length < 12 || !line.StartsWith("HTTP/1."u8) || !char.IsAsciiDigit((char)line[7]) || line[8] != ' '
            || (line.Length > 12 && line[12] != ' ')
            || !Utf8Parser.TryParse(line[9..12], out int status, out int used) || used != 3 || status < 100)
            return "a status line that is not one of HTTP/1.1";
        isHttp10 = line[7] == '0';
        Status = status;
        return null;
    }

    private string? ReadHeader(ReadOnlySpan<byte> line)
    {
        int colon = line.IndexOf((byte)':');
        // A line that begins with a space continues the one before it: obsolete, and a way to smuggle.
        if (colon <= 0 || line[..colon].ContainsAnyExcept(NameBytes))
            return "a header without a proper name";
        ReadOnlySpan<byte> name = line[..colon];
        ReadOnlySpan<byte> value = line[(colon + 1)..].Trim(" \t"u8);
        if (value.ContainsAny((byte)'\r', (byte)0))
            return "a control character in a header";
        if (Ascii.EqualsIgnoreCase(name, "content-length"u8))
            return ReadLength(value);
        if (Ascii.EqualsIgnoreCase(name, "transfer-encoding"u8))
        {
            if (IsChunked || !Ascii.EqualsIgnoreCase(value, "chunked"u8))
                return "a transfer encoding other than chunked";
            IsChunked = true;
        }
        else if (Ascii.EqualsIgnoreCase(name, "connection"u8))
        {
            saysClose |= HasClose(value);
        }
        else if (Ascii.EqualsIgnoreCase(name, "content-type"u8))
        {
            ContentType ??= Printable(value);
        }
        else if (Ascii.EqualsIgnoreCase(name, "retry-after"u8))
        {
            RetryAfter ??= Printable(value);
        }
        return null;
    }

    // The same length several times is allowed, in one header or in several.
    private string? ReadLength(ReadOnlySpan<byte> value)
    {
        foreach (Range item in value.Split((byte)','))
        {
            ReadOnlySpan<byte> digits = value[item].Trim(" \t"u8);
            if (digits.IsEmpty || digits.ContainsAnyExceptInRange((byte)'0', (byte)'9')
                || !Utf8Parser.TryParse(digits, out long length, out int used) || used != digits.Length)
                return "a content length that is no number";
            if (declaredBytes is { } other && other != length)
                return "two content lengths";
            declaredBytes = length;
        }
        return null;
    }

    private static bool HasClose(ReadOnlySpan<byte> value)
    {
        foreach (Range item in value.Split((byte)','))
        {
            if (Ascii.EqualsIgnoreCase(value[item].Trim(" \t"u8), "close"u8))
                return true;
        }
        return false;
    }

    // What is passed on to our own client must be fit for a header there.
    private static string? Printable(ReadOnlySpan<byte> value) =>
        value.IsEmpty || value.ContainsAnyExceptInRange((byte)' ', (byte)'~') ? null : Encoding.ASCII.GetString(value);
}
