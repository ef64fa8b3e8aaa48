using System.Globalization;
using System.Text;

namespace HotModel.Http;

/// <param name="Method">Such as GET.</param>
/// <param name="Path">Relative to the endpoint's address, escaped, with its query.</param>
internal sealed record OutgoingRequest(string Method, string Path)
{
    private const string Json = "application/json";

    public string? ApiKey { get; init; }
    public string? Accept { get; init; }

    /// <summary>In pieces. They are sent twice where the request is repeated.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>>? Body { get; init; }

    /// <summary>Of the body; null: not said.</summary>
    public string? ContentType { get; init; } = Json;

    /// <summary>To do it twice is to do it once (RFC 9110, 9.2.2).</summary>
    public bool IsIdempotent => Method is not ("POST" or "PATCH");

    /// <exception cref="ArgumentException">A value would end its line: what follows would be a header.</exception>
    public byte[] WriteHead(Uri address)
    {
        var head = new StringBuilder(256);
        head.Append(Token(Method)).Append(' ').Append(Token(address.AbsolutePath)).Append(Token(Path));
        head.Append(" HTTP/1.1\r\nHost: ").Append(address.Authority);
        if (ApiKey is not null)
            head.Append("\r\nAuthorization: Bearer ").Append(Line(ApiKey));
        if (Accept is not null)
            head.Append("\r\nAccept: ").Append(Line(Accept));
        if (Body is not null && ContentType is not null)
            head.Append("\r\nContent-Type: ").Append(Line(ContentType));
        if (Body is not null || !IsIdempotent)
        {
            long lengthBytes = Body?.Sum(piece => (long)piece.Length) ?? 0;
            head.Append(CultureInfo.InvariantCulture, $"\r\nContent-Length: {lengthBytes}");
        }
        return Encoding.UTF8.GetBytes(head.Append("\r\n\r\n").ToString());
    }

    private static string Token(string text) => text.AsSpan().ContainsAnyExceptInRange('!', '~')
        ? throw new ArgumentException("A space, a control character or one that is not ASCII in a request line.")
        : text;

    // Others may be odd but do no harm (RFC 9110, 5.5), and a client may have sent them.
    private static string Line(string text) => text.AsSpan().ContainsAny('\r', '\n', '\0')
        ? throw new ArgumentException("A line end or a NUL in the value of a header.")
        : text;
}
