namespace HotModel.Llama;

/// <summary>Reads the data of server-sent events, one after the other. Comments and other fields are skipped.</summary>
internal sealed class SseReader(Stream stream)
{
    // "loaded" carries the model's metadata, a few KB; one that is longer than this is skipped.
    public const int EventBytesMax = 1024 * 1024;

    private byte[] buffer = new byte[8 * 1024];
    private int start;
    private int end;

    /// <returns>The data lines of the next event, joined by line feeds; null at the end of the stream.</returns>
    public async ValueTask<ReadOnlyMemory<byte>?> ReadAsync(CancellationToken cancel)
    {
        var data = new MemoryStream();
        var any = false;
        var tooLong = false;
        while (true)
        {
            var line = await ReadLineAsync(cancel);
            if (line is not { } text)
                return null;
            if (text.IsTooLong)
                tooLong = true;
            if (text.Length == 0 && !text.IsTooLong)
            {
                if (any && !tooLong)
                    return data.ToArray();
                data.SetLength(0);
                any = tooLong = false;
                continue;
            }
            if (text.IsTooLong || Data(text) is not { } value)
                continue;
            tooLong |= data.Length + value.Length > EventBytesMax;
            if (tooLong)
                continue;
            if (any)
                data.WriteByte((byte)'\n');
            data.Write(value.Span);
            any = true;
        }
    }

    private readonly record struct Line(int Start, int Length, bool IsTooLong);

    private ReadOnlyMemory<byte>? Data(Line line)
    {
        var text = buffer.AsMemory(line.Start, line.Length);
        if (!text.Span.StartsWith("data:"u8))
            return null;
        return text.Span[5..].StartsWith(" "u8) ? text[6..] : text[5..];
    }

    // The line lies in the buffer until the next call.
    private async ValueTask<Line?> ReadLineAsync(CancellationToken cancel)
    {
        var searched = 0;
        var tooLong = false;
        while (true)
        {
            var at = buffer.AsSpan(start + searched, end - start - searched).IndexOf((byte)'\n');
            if (at >= 0)
            {
                var length = searched + at;
                var returned = length > 0 && buffer[start + length - 1] == '\r' ? 1 : 0;
                var line = new Line(start, length - returned, tooLong);
                start += length + 1;
                return line;
            }
            searched = end - start;
            if (searched >= EventBytesMax)
            {
                tooLong = true;
                start = end = searched = 0;
            }
            MakeRoom();
            var count = await stream.ReadAsync(buffer.AsMemory(end), cancel);
            if (count == 0)
                return null;
            end += count;
        }
    }

    private void MakeRoom()
    {
        if (start > 0)
        {
            buffer.AsSpan(start, end - start).CopyTo(buffer);
            end -= start;
            start = 0;
        }
        if (end == buffer.Length)
            Array.Resize(ref buffer, buffer.Length * 2);
    }
}
