using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace MeasureRelay;

/// <summary>A connection to the scripted upstream: one request after the other, one HTTP chunk for each event.</summary>
internal sealed class UpstreamConnection(Socket socket) : IDisposable
{
    // Chunks that an answer without a pace sends at once, about 16 KB.
    private const int BlockChunks = 56;

    private static readonly byte[] Head = Encoding.ASCII.GetBytes(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    private static readonly byte[] LastChunks = [.. Chunk(EventText.End), .. "0\r\n\r\n"u8];
    private static readonly int ChunkStart = EventText.Bytes.ToString("x", CultureInfo.InvariantCulture).Length + 2;
    private static readonly int ChunkBytes = ChunkStart + EventText.Bytes + 2;

    private byte[] request = [];
    private int requestBytes;
    private EventText text = EventText.Chat;
    private AnswerPlan plan = new(0, 0, 0);
    private long end;
    private byte[] chunks = [];
    // What the socket had no room for.
    private ReadOnlyMemory<byte> rest;
    private uint watched = Libc.In;

    public int Handle { get; } = (int)socket.Handle;

    public bool IsAnswering { get; private set; }

    public bool IsBroken { get; private set; }

    public bool IsClosed { get; private set; }

    /// <summary>What the socket is to be watched for; null where that has not changed.</summary>
    public uint? NeedsWatch
    {
        get
        {
            uint what = !rest.IsEmpty || (IsAnswering && plan.IntervalMicroseconds == 0) ? Libc.In | Libc.Out : Libc.In;
            if (what == watched)
                return null;
            return watched = what;
        }
    }

    public void Take(ReadOnlySpan<byte> bytes)
    {
        if (request.Length < requestBytes + bytes.Length)
            Array.Resize(ref request, (requestBytes + bytes.Length) * 2);
        bytes.CopyTo(request.AsSpan(requestBytes));
        requestBytes += bytes.Length;
    }

    /// <summary>The request, once it has come whole. Its body is good until more bytes come.</summary>
    public (string Path, ReadOnlyMemory<byte> Body)? TakeRequest()
    {
        ReadOnlySpan<byte> bytes = request.AsSpan(0, requestBytes);
        int headBytes = bytes.IndexOf("\r\n\r\n"u8) + 4;
        if (headBytes < 4)
            return null;
        string head = Encoding.ASCII.GetString(bytes[..headBytes]);
        int length = ContentLength(head);
        if (requestBytes < headBytes + length)
            return null;
        requestBytes = 0;
        return (head.Split(' ', 3)[1], request.AsMemory(headBytes, length));
    }

    public void Begin(EventText answerText, AnswerPlan answerPlan)
    {
        text = answerText;
        plan = answerPlan;
        end = Stopwatch.GetTimestamp() + plan.DurationMs * 1_000_000;
        byte[] chunk = Chunk(text.Token);
        chunks = plan.IntervalMicroseconds > 0 ? chunk : [.. Enumerable.Repeat(chunk, BlockChunks).SelectMany(c => c)];
        IsAnswering = true;
        Send(Head);
    }

    /// <summary>The first time after one given that is this stream's in its interval.</summary>
    public long NextDue(long after)
    {
        long interval = plan.IntervalMicroseconds * 1000;
        long phase = plan.PhaseMicroseconds * 1000;
        return after - (after - phase) % interval + interval;
    }

    public void SendEvent()
    {
        // A reader that is too slow for its pace gets fewer events.
        if (!rest.IsEmpty)
            return;
        if (Stopwatch.GetTimestamp() >= end)
        {
            IsAnswering = false;
            Send((byte[])[.. Chunk(text.Finish), .. LastChunks]);
            return;
        }
        for (int i = 0; i < chunks.Length; i += ChunkBytes)
            EventText.WriteStamp(chunks.AsSpan(i + ChunkStart + text.StampAt));
        Send(chunks);
    }

    /// <summary>There is room again.</summary>
    public void SendMore()
    {
        if (!rest.IsEmpty)
            Send(rest);
        else if (IsAnswering)
            SendEvent();
    }

    /// <summary>Only where nothing is left of what was sent before. The bytes must stay until they are sent.</summary>
    public void Send(ReadOnlyMemory<byte> bytes)
    {
        int count = Libc.Send(Handle, bytes.Span);
        IsBroken |= count < 0;
        rest = bytes[Math.Max(0, count)..];
    }

    public void Dispose()
    {
        IsClosed = true;
        IsAnswering = false;
        socket.Dispose();
    }

    private static byte[] Chunk(ReadOnlySpan<byte> data)
    {
        string size = data.Length.ToString("x", CultureInfo.InvariantCulture);
        return [.. Encoding.ASCII.GetBytes(size), .. "\r\n"u8, .. data, .. "\r\n"u8];
    }

    private static int ContentLength(string head)
    {
        const string Name = "\r\nContent-Length:";
        int at = head.IndexOf(Name, StringComparison.OrdinalIgnoreCase);
        if (at < 0)
            return 0;
        at += Name.Length;
        return int.Parse(head.AsSpan(at, head.IndexOf('\r', at) - at), CultureInfo.InvariantCulture);
    }
}
