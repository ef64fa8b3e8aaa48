using System.Text;

namespace HotModel.Proxy;

/// <summary>A form with files (RFC 7578), and where in it the model is named.</summary>
internal sealed record FormBody
{
    /// <summary>llama-server's own bound. A transcription has ten at most.</summary>
    public const int PartsMax = 1024;

    public required ReadOnlyMemory<byte> Body { get; init; }
    public required ReadOnlyMemory<byte> Boundary { get; init; }
    /// <summary>Where the first part's delimiter begins.</summary>
    public required int FirstPart { get; init; }
    /// <summary>How many there are; those beyond the most are not looked at.</summary>
    public required int Parts { get; init; }
    /// <summary>The values of all fields "model".</summary>
    public required IReadOnlyList<Extent> ModelValues { get; init; }
    /// <summary>A stream of events is asked for: by one field "stream", which llama-server reads as JSON.</summary>
    public required bool Stream { get; init; }
    /// <summary>The last of them, as of members with one name in JSON.</summary>
    public string? ModelName => ModelValues is [.., var last]
        ? Encoding.UTF8.GetString(Body.Span[last.Start..last.End]) : null;

    /// <summary>Null where it is no such form: llama-server says best what is wrong with it.</summary>
    public static FormBody? Read(ReadOnlyMemory<byte> body, string contentType)
    {
        if (BoundaryOf(contentType) is not { Length: > 0 } boundary)
            return null;
        ReadOnlySpan<byte> bytes = body.Span;
        byte[] delimiter = [.. "\r\n--"u8, .. Encoding.Latin1.GetBytes(boundary)];
        // By the rules of llama-server's own reader, or it would find other parts than we do: the first delimiter may stand
        // anywhere, a part's content begins behind its empty line, and behind a delimiter comes a line end or "--".
        int first = bytes.IndexOf([.. delimiter.AsSpan(2), .. "\r\n"u8]);
        if (first < 0)
            return null;
        var values = new List<Extent>(1);
        var streams = new List<Extent>(1);
        int at = first + delimiter.Length - 2;
        int parts = 0;
        while (bytes[at..].StartsWith("\r\n"u8) && ++parts <= PartsMax)
        {
            int headersEnd = bytes[at..].IndexOf("\r\n\r\n"u8);
            if (headersEnd < 0)
                return null;
            ReadOnlySpan<byte> lines = bytes.Slice(at, headersEnd);
            int start = at + headersEnd + 4;
            int length = bytes[start..].IndexOf(delimiter);
            if (length < 0)
                return null;
            string? name = NameOf(lines);
            if (name is "model" or "stream")
                (name == "model" ? values : streams).Add(new(start, start + length));
            at = start + length + delimiter.Length;
        }
        if (parts <= PartsMax && !bytes[at..].StartsWith("--"u8))
            return null;
        return new FormBody
        {
            Body = body,
            Boundary = delimiter.AsMemory(2),
            FirstPart = first,
            Parts = parts,
            ModelValues = values,
            Stream = streams is [var one] && bytes[one.Start..one.End].Trim(" \t\r\n"u8).SequenceEqual("true"u8),
        };
    }

    /// <summary>The form with that model and no other.</summary>
    public RequestSplice WithModel(string model)
    {
        byte[] name = Encoding.UTF8.GetBytes(model);
        if (ModelValues.Count > 0)
            return RequestSplice.Of(Body, [.. ModelValues.Select(value => new BodyEdit(value, [name]))]);
        byte[] part = [.. Boundary.Span, .. "\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n"u8, .. name, .. "\r\n"u8];
        return RequestSplice.Of(Body, [new(new(FirstPart, FirstPart), [part])]);
    }

    private static string? BoundaryOf(string contentType)
    {
        int semicolon = contentType.IndexOf(';', StringComparison.Ordinal);
        return semicolon < 0 ? null : Parameter(contentType.AsSpan(semicolon), "boundary");
    }

    private static string? NameOf(ReadOnlySpan<byte> headers)
    {
        foreach (Range range in headers.Split("\r\n"u8))
        {
            ReadOnlySpan<byte> line = headers[range];
            if (!Ascii.EqualsIgnoreCase(line[..Math.Min(line.Length, 20)], "content-disposition:"u8))
                continue;
            string text = Encoding.Latin1.GetString(line);
            int semicolon = text.IndexOf(';', StringComparison.Ordinal);
            return semicolon < 0 ? null : Parameter(text.AsSpan(semicolon), "name");
        }
        return null;
    }

    /// <summary>The value of one of ";name=value" or ";name=\"value\"".</summary>
    private static string? Parameter(ReadOnlySpan<char> rest, ReadOnlySpan<char> wanted)
    {
        while (!rest.IsEmpty)
        {
            rest = rest[1..].TrimStart();
            int equals = rest.IndexOf('=');
            if (equals < 0)
                return null;
            ReadOnlySpan<char> name = rest[..equals].Trim();
            rest = rest[(equals + 1)..].TrimStart();
            bool isQuoted = rest.StartsWith("\"");
            rest = isQuoted ? rest[1..] : rest;
            int end = rest.IndexOf(isQuoted ? '"' : ';');
            ReadOnlySpan<char> value = end < 0 ? rest : rest[..end];
            if (name.Equals(wanted, StringComparison.OrdinalIgnoreCase))
                return (isQuoted ? value : value.Trim()).ToString();
            int next = end < 0 ? -1 : rest[end..].IndexOf(';');
            rest = next < 0 ? [] : rest[(end + next)..];
        }
        return null;
    }
}
