namespace HotModel.Proxy;

/// <summary>Reads the lines of an event stream in passing.</summary>
/// <param name="answer">Reads the events; null: nobody does, and a look at how each line begins is all.</param>
internal sealed class SseScanner(AnswerCollector? answer)
{
    /// <summary>The stream's own end mark was read.</summary>
    public bool IsDone { get; private set; }
    /// <summary>The next line is no line of an event stream, and none is read after it.</summary>
    public bool IsForeign { get; private set; }
    /// <summary>The upstream itself said that it failed.</summary>
    public bool HasError { get; private set; }
    /// <summary>Data was read that a blank line has yet to make an event.</summary>
    /// <remarks>
    /// A name alone is none yet: what is written behind it gives it data, and another name before that takes its place.
    /// Clients read a blank line behind a name as an event whose data is no JSON.
    /// </remarks>
    public bool IsInsideEvent { get; private set; }

    /// <summary>Reads all whole lines.</summary>
    /// <param name="bytes">Begins where a line begins.</param>
    /// <param name="searched">So many bytes at the beginning are known to hold no line end.</param>
    /// <returns>How many bytes the whole lines have together; fewer where a foreign line begins.</returns>
    public int Scan(ReadOnlySpan<byte> bytes, int searched)
    {
        int lineStart = 0;
        while (!IsForeign)
        {
            int newline = bytes[searched..].IndexOf((byte)'\n');
            if (newline < 0)
                break;
            int lineEnd = searched + newline;
            if (!Line(bytes[lineStart..lineEnd]))
                break;
            searched = lineStart = lineEnd + 1;
        }
        return lineStart;
    }

    /// <summary>Reads what stands behind the last line end when the stream has ended.</summary>
    /// <returns>How many bytes of it belong to the stream: all or none.</returns>
    public int ScanEnd(ReadOnlySpan<byte> rest)
    {
        // The beginning of an event that was cut off belongs to no answer.
        bool isCut = answer is null ? !IsEndMark(Value(rest))
            : rest.StartsWith("data:"u8) && !IsEndMark(Value(rest)) && !JsonText.IsSound(Value(rest));
        bool wasInsideEvent = IsInsideEvent;
        bool isWhole = !rest.IsEmpty && !IsForeign && !isCut && Line(rest);
        // The client gets it only when the answer is complete with it, and then nothing comes after it.
        IsInsideEvent = wasInsideEvent;
        return isWhole ? rest.Length : 0;
    }

    private bool Line(ReadOnlySpan<byte> line)
    {
        if (line is [.., (byte)'\r'])
            line = line[..^1];
        if (line.IsEmpty)
        {
            IsInsideEvent = false;
            return true;
        }
        int colon = line.IndexOf((byte)':');
        ReadOnlySpan<byte> field = colon < 0 ? line : line[..colon];
        // A comment has an empty name. "error" is how llama-server once named an event of its own. The standard lets
        // other names pass, but then the router's raw "proxy error: ..." of a model that died would be one.
        bool isData = field.SequenceEqual("data"u8);
        bool isError = field.SequenceEqual("error"u8);
        if (!isData && !isError && !field.IsEmpty && !field.SequenceEqual("event"u8) && !field.SequenceEqual("id"u8)
            && !field.SequenceEqual("retry"u8))
        {
            IsForeign = true;
            return false;
        }
        IsInsideEvent |= isData || isError;
        // What stands behind the end mark says nothing of the answer, which was complete before it came.
        if (IsDone)
            return true;
        if (isError)
            HasError = true;
        else if (isData && colon >= 0)
            Data(Value(line));
        else if (answer is null && field.SequenceEqual("event"u8) && Value(line).SequenceEqual("error"u8))
            HasError = true;
        return true;
    }

    private void Data(ReadOnlySpan<byte> value)
    {
        if (IsEndMark(value))
            IsDone = true;
        else if (answer is null)
            HasError |= value.StartsWith("{\"error\":"u8);
        else if (!value.IsEmpty)
            Read(answer, value);
    }

    private void Read(AnswerCollector collector, ReadOnlySpan<byte> value)
    {
        collector.Read(value);
        HasError |= collector.HasError;
    }

    private static ReadOnlySpan<byte> Value(ReadOnlySpan<byte> line) =>
        line[(line.IndexOf((byte)':') + 1)..].Trim(" \r"u8);

    private static bool IsEndMark(ReadOnlySpan<byte> value) => value.SequenceEqual("[DONE]"u8);
}
