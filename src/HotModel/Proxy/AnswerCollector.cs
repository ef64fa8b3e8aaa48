using System.Buffers;
using System.Text.Json;
using HotModel.Snapshots;

namespace HotModel.Proxy;

/// <summary>Puts the assistant's message together from the deltas of a stream's first choice.</summary>
/// <remarks>
/// Strings are gathered as they stand in the JSON, escapes included: a fragment needs no unescaping and no escaping
/// again, and a surrogate pair split over two fragments becomes whole. No event allocates but where a buffer grows.
/// </remarks>
internal sealed class AnswerCollector(int limitBytes = AnswerCollector.DefaultLimitBytes)
{
    // What a JSON answer may have as well; far beyond any context.
    public const int DefaultLimitBytes = 64 << 20;
    // Calls without text count nothing against it. No answer has a hundred.
    private const int ToolCallsMax = 1024;

    private readonly ArrayBufferWriter<byte> content = new();
    private readonly ArrayBufferWriter<byte> reasoning = new();
    private readonly ArrayBufferWriter<byte> refusal = new();
    private readonly List<ToolCall> toolCalls = [];
    private readonly RepeatedEvent last = new();
    private int gatheredBytes;
    // Of the event that is read: how many texts it had, and where the last one is and belongs.
    private int texts;
    private bool isRepeatable;
    private (int Start, int End) textExtent;
    private ArrayBufferWriter<byte>? textOwner;
    // A bit for each choice.
    private ulong seenChoices;
    private ulong finishedChoices;
    private bool hasUntrackedChoice;

    /// <summary>A delta of the first choice was seen.</summary>
    public bool HasAnswer { get; private set; }
    /// <summary>The first choice and all others seen have their finish_reason.</summary>
    /// <remarks>A choice beyond 64 is never known to be finished: then only the stream's end mark tells.</remarks>
    public bool IsFinished =>
        !hasUntrackedChoice && (finishedChoices & 1) != 0 && finishedChoices == seenChoices;
    /// <summary>The upstream itself said that it failed.</summary>
    public bool HasError { get; private set; }
    /// <summary>What the upstream said of the answer's cost.</summary>
    public AnswerTimings? Timings { get; private set; }
    /// <summary>Something was not understood or too long: what was gathered is not the whole answer.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>Reads the data of one event. False where it is not a JSON object.</summary>
    public bool Read(ReadOnlySpan<byte> data)
    {
        if (last.IsRepeatedBy(data, out ReadOnlySpan<byte> text))
        {
            Append(textOwner!, text);
            return true;
        }
        last.Forget();
        (texts, isRepeatable) = (0, true);
        try
        {
            var reader = new Utf8JsonReader(data);
            if (reader.Read() && reader.TokenType == JsonTokenType.StartObject)
            {
                Event(ref reader);
                // Throws on anything but white space behind the object.
                reader.Read();
                // All else that an event of one text does, it may do again.
                if (texts == 1 && isRepeatable && !IsBroken)
                    last.Learn(data, textExtent.Start, textExtent.End);
                return true;
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The latter where a name has an unpaired surrogate.
        }
        IsBroken = true;
        return false;
    }

    /// <summary>The message as OpenAI has it, or null where there is no whole and sound one.</summary>
    public byte[]? BuildMessage()
    {
        if (IsBroken || HasError || !HasAnswer)
            return null;
        var json = new ArrayBufferWriter<byte>(content.WrittenCount + reasoning.WrittenCount + 128);
        json.Write("{\"role\":\"assistant\",\"content\":"u8);
        if (content.WrittenCount == 0 && toolCalls.Count > 0)
            json.Write("null"u8);
        else
            WriteString(json, content);
        if (reasoning.WrittenCount > 0)
        {
            json.Write(",\"reasoning_content\":"u8);
            WriteString(json, reasoning);
        }
        if (refusal.WrittenCount > 0)
        {
            json.Write(",\"refusal\":"u8);
            WriteString(json, refusal);
        }
        if (toolCalls.Count > 0)
        {
            json.Write(",\"tool_calls\":["u8);
            for (int i = 0; i < toolCalls.Count; i++)
            {
                if (i > 0)
                    json.Write(","u8);
                toolCalls[i].WriteTo(json);
            }
            json.Write("]"u8);
        }
        json.Write("}"u8);
        return JsonText.IsSound(json.WrittenSpan) ? json.WrittenSpan.ToArray() : null;
    }

    private void Event(ref Utf8JsonReader reader)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("choices"u8))
            {
                reader.Read();
                if (reader.TokenType != JsonTokenType.StartArray)
                {
                    reader.Skip();
                    continue;
                }
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                    Choice(ref reader);
            }
            else if (reader.ValueTextEquals("timings"u8))
            {
                reader.Read();
                Timings = AnswerTimings.Read(ref reader);
                isRepeatable = false;
            }
            else
            {
                bool isError = reader.ValueTextEquals("error"u8);
                reader.Read();
                HasError |= isError && reader.TokenType != JsonTokenType.Null;
                reader.Skip();
            }
        }
    }

    private void Choice(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return;
        }
        int index = IndexOf(reader) ?? 0;
        bool isTracked = index is >= 0 and < 64;
        ulong choice = isTracked ? 1UL << index : 0;
        hasUntrackedChoice |= !isTracked;
        seenChoices |= choice;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("delta"u8))
            {
                reader.Read();
                if (index == 0 && reader.TokenType == JsonTokenType.StartObject)
                    Delta(ref reader);
                else
                    reader.Skip();
            }
            else
            {
                bool isFinish = reader.ValueTextEquals("finish_reason"u8);
                reader.Read();
                if (isFinish && reader.TokenType == JsonTokenType.String)
                    finishedChoices |= choice;
                reader.Skip();
            }
        }
    }

    private void Delta(ref Utf8JsonReader reader)
    {
        HasAnswer = true;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("content"u8))
                Gather(ref reader, content);
            else if (reader.ValueTextEquals("reasoning_content"u8))
                Gather(ref reader, reasoning);
            else if (reader.ValueTextEquals("refusal"u8))
                Gather(ref reader, refusal);
            else if (reader.ValueTextEquals("tool_calls"u8))
                ToolCalls(ref reader);
            else
                reader.Skip();
        }
    }

    private void ToolCalls(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            reader.Skip();
            return;
        }
        int position = 0;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.StartObject)
            {
                reader.Skip();
                IsBroken = true;
                continue;
            }
            ToolCallFragment(ref reader, ToolCallAt(IndexOf(reader) ?? position));
            position++;
        }
    }

    private void ToolCallFragment(ref Utf8JsonReader reader, ToolCall call)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("id"u8))
                Once(ref reader, call.Id);
            else if (reader.ValueTextEquals("type"u8))
                Once(ref reader, call.Type);
            else if (reader.ValueTextEquals("function"u8))
                Function(ref reader, call);
            else
                reader.Skip();
        }
    }

    private void Function(ref Utf8JsonReader reader, ToolCall call)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return;
        }
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("name"u8))
                Once(ref reader, call.Name);
            else if (reader.ValueTextEquals("arguments"u8))
                Gather(ref reader, call.Arguments);
            else
                reader.Skip();
        }
    }

    /// <summary>Kept in the order of their indexes, whatever order they come in.</summary>
    private ToolCall ToolCallAt(int index)
    {
        int at = toolCalls.Count;
        while (at > 0 && toolCalls[at - 1].Index >= index)
            at--;
        if (at < toolCalls.Count && toolCalls[at].Index == index)
            return toolCalls[at];
        var call = new ToolCall(index);
        if (toolCalls.Count < ToolCallsMax)
            toolCalls.Insert(at, call);
        else
            IsBroken = true;
        return call;
    }

    /// <summary>Servers send these whole; some send them again with every fragment.</summary>
    private void Once(ref Utf8JsonReader reader, ArrayBufferWriter<byte> text)
    {
        if (text.WrittenCount == 0)
            Gather(ref reader, text);
        else
            reader.Skip();
        isRepeatable = false;
    }

    private void Gather(ref Utf8JsonReader reader, ArrayBufferWriter<byte> text)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.Null)
            return;
        if (reader.TokenType != JsonTokenType.String)
        {
            IsBroken = true;
            reader.Skip();
            return;
        }
        texts++;
        textOwner = text;
        int start = (int)reader.TokenStartIndex + 1;
        textExtent = (start, start + reader.ValueSpan.Length);
        Append(text, reader.ValueSpan);
    }

    private void Append(ArrayBufferWriter<byte> text, ReadOnlySpan<byte> more)
    {
        IsBroken |= gatheredBytes + more.Length > limitBytes;
        if (IsBroken)
            return;
        gatheredBytes += more.Length;
        text.Write(more);
    }

    /// <summary>"index" of the object at which the reader stands: it may come behind what it is needed for.</summary>
    private static int? IndexOf(Utf8JsonReader reader)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("index"u8))
                return reader.Read() && reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out int index)
                    ? index
                    : null;
            reader.Skip();
        }
        return null;
    }

    private static void WriteString(ArrayBufferWriter<byte> json, ArrayBufferWriter<byte> text)
    {
        json.Write("\""u8);
        json.Write(text.WrittenSpan);
        json.Write("\""u8);
    }

    private sealed class ToolCall(int index)
    {
        public int Index { get; } = index;
        public ArrayBufferWriter<byte> Id { get; } = new();
        public ArrayBufferWriter<byte> Type { get; } = new();
        public ArrayBufferWriter<byte> Name { get; } = new();
        public ArrayBufferWriter<byte> Arguments { get; } = new();

        public void WriteTo(ArrayBufferWriter<byte> json)
        {
            json.Write("{\"id\":"u8);
            WriteString(json, Id);
            json.Write(",\"type\":\""u8);
            json.Write(Type.WrittenCount > 0 ? Type.WrittenSpan : "function"u8);
            json.Write("\",\"function\":{\"name\":"u8);
            WriteString(json, Name);
            json.Write(",\"arguments\":"u8);
            WriteString(json, Arguments);
            json.Write("}}"u8);
        }
    }
}
