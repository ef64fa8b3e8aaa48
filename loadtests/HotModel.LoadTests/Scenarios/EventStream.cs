namespace HotModel.LoadTests.Scenarios;

/// <summary>Takes an answer of server-sent events apart, and sees that it comes whole.</summary>
internal sealed class EventStream(Stream body)
{
    private byte[] buffer = new byte[16 << 10];
    private int start;
    private int end;

    public long Bytes { get; private set; }

    public bool IsDone { get; private set; }

    /// <summary>Of the events so far.</summary>
    public int Tokens { get; private set; }

    /// <summary>What is wrong with the events so far; null: nothing.</summary>
    public string? Problem { get; private set; }

    public FailureKind Kind { get; private set; }

    /// <summary>Called with the JSON of each event that holds a token of the answer's text.</summary>
    public Action<ReadOnlySpan<byte>> OnToken { get; init; } = _ => { };

    /// <summary>Reads once.</summary>
    /// <param name="atMostBytes">Null: as many as have come.</param>
    /// <param name="cancellation">Closes the connection.</param>
    /// <returns>False: this was the end.</returns>
    public async ValueTask<bool> ReadAsync(int? atMostBytes, CancellationToken cancellation)
    {
        MakeRoom();
        int room = buffer.Length - end;
        int count = await ReadBodyAsync(buffer.AsMemory(end, Math.Min(room, atMostBytes ?? room)), cancellation);
        Bytes += count;
        end += count;
        while (TakeEvent())
        {
        }
        if (count == 0 && Problem is null)
            Problem = ProblemAtEnd();
        return count > 0;
    }

    /// <remarks>After an error event the connection breaks, so that nobody takes the stream for a whole one.</remarks>
    private async ValueTask<int> ReadBodyAsync(Memory<byte> room, CancellationToken cancellation)
    {
        try
        {
            return await body.ReadAsync(room, cancellation);
        }
        catch (IOException) when (Kind == FailureKind.Told)
        {
            return 0;
        }
    }

    private string? ProblemAtEnd()
    {
        Kind = FailureKind.Torn;
        if (start < end)
            return $"it ended within an event: {JsonReply.Shown(buffer.AsSpan(start, end - start))}";
        if (!IsDone)
            return $"it ended without [DONE] after {Tokens} tokens";
        Kind = FailureKind.Wrong;
        return Tokens == 0 ? "it has no token" : null;
    }

    private bool TakeEvent()
    {
        ReadOnlySpan<byte> rest = buffer.AsSpan(start, end - start);
        int length = rest.IndexOf("\n\n"u8);
        if (length < 0)
            return false;
        Take(rest[..length]);
        start += length + 2;
        return true;
    }

    private void Take(ReadOnlySpan<byte> text)
    {
        // A comment: llama-server's sign of life.
        if (text.StartsWith(":"u8))
            return;
        if (IsDone)
            Problem ??= $"it goes on after [DONE]: {JsonReply.Shown(text)}";
        else if (!text.StartsWith("data: "u8) || text.StartsWith("data: {\"error\""u8))
        {
            Kind = text.StartsWith("data: "u8) && Problem is null ? FailureKind.Told : FailureKind.Wrong;
            Problem ??= $"an event says: {JsonReply.Shown(text)}";
        }
        else if (text.SequenceEqual("data: [DONE]"u8))
            IsDone = true;
        else if (text.IndexOf("\"content\":\""u8) >= 0)
        {
            Tokens++;
            OnToken(text["data: "u8.Length..]);
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
