using System.Net;
using System.Net.Sockets;
using System.Text;

namespace MeasureRelay;

/// <summary>One answer as the measuring client reads it: the head, HTTP chunks of any size, in them events.</summary>
internal sealed class ClientStream : IDisposable
{
    private enum Part { Head, ChunkSize, ChunkData, ChunkEnd, Ended }

    private readonly Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly EventText text;
    // The head; later an event that comes in pieces.
    private readonly List<byte> head = [];
    private readonly byte[] piece = new byte[EventText.Bytes];
    private Part part;
    private int chunkLeft;
    private int pieceBytes;
    private bool isFinished;
    private bool isLastChunk;

    public ClientStream(int port, string path, byte[] request)
    {
        text = path.Contains("chat", StringComparison.Ordinal) ? EventText.Chat : EventText.Completion;
        socket.Connect(IPAddress.Loopback, port);
        socket.Send(request);
        Handle = (int)socket.Handle;
    }

    public int Handle { get; }

    public bool HasEnded => part == Part.Ended || Fault is not null;

    /// <summary>What is wrong with the answer, or null.</summary>
    public string? Fault { get; private set; }

    /// <summary>Reads what has arrived. The number of whole events in it.</summary>
    public int Take(ReadOnlySpan<byte> bytes, Latencies? latencies, long now)
    {
        int events = 0;
        while (!bytes.IsEmpty && Fault is null)
        {
            switch (part)
            {
                case Part.Head:
                    bytes = TakeHead(bytes);
                    break;
                case Part.ChunkSize:
                    bytes = TakeChunkSize(bytes);
                    break;
                case Part.ChunkData:
                    int count = Math.Min(chunkLeft, bytes.Length);
                    events += TakeData(bytes[..count], latencies, now);
                    chunkLeft -= count;
                    bytes = bytes[count..];
                    if (chunkLeft == 0)
                        (part, chunkLeft) = (Part.ChunkEnd, 2);
                    break;
                case Part.ChunkEnd:
                    bytes = bytes[1..];
                    if (--chunkLeft == 0)
                        part = isLastChunk ? Part.Ended : Part.ChunkSize;
                    break;
                case Part.Ended:
                    Fault = "more than its end";
                    break;
            }
        }
        return events;
    }

    public void End()
    {
        if (part != Part.Ended)
            Fault ??= "it broke off";
    }

    public void Dispose() => socket.Dispose();

    private ReadOnlySpan<byte> TakeHead(ReadOnlySpan<byte> bytes)
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            head.Add(bytes[i]);
            if (bytes[i] != '\n' || head.Count < 4 || head[^3] != '\n')
                continue;
            string words = Encoding.ASCII.GetString([.. head]);
            if (!words.StartsWith("HTTP/1.1 200 ", StringComparison.Ordinal)
                || !words.Contains("chunked", StringComparison.OrdinalIgnoreCase))
            {
                Fault = words + Encoding.UTF8.GetString(bytes[(i + 1)..]);
            }
            part = Part.ChunkSize;
            return bytes[(i + 1)..];
        }
        return default;
    }

    private ReadOnlySpan<byte> TakeChunkSize(ReadOnlySpan<byte> bytes)
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            byte letter = bytes[i];
            if (letter == '\n')
            {
                // The last chunk has no bytes; an empty line follows it.
                isLastChunk = chunkLeft == 0;
                if (isLastChunk && !(isFinished && pieceBytes == EventText.End.Length))
                    Fault = "it ended without an end mark";
                (part, chunkLeft) = isLastChunk ? (Part.ChunkEnd, 2) : (Part.ChunkData, chunkLeft);
                return bytes[(i + 1)..];
            }
            if (letter != '\r')
                chunkLeft = chunkLeft << 4 | (letter <= '9' ? letter - '0' : (letter | 0x20) - 'a' + 10);
        }
        return default;
    }

    private int TakeData(ReadOnlySpan<byte> bytes, Latencies? latencies, long now)
    {
        int events = 0;
        while (!bytes.IsEmpty && Fault is null)
        {
            if (isFinished)
            {
                int count = Math.Min(bytes.Length, EventText.End.Length - pieceBytes);
                if (count == 0 || !bytes[..count].SequenceEqual(EventText.End.Slice(pieceBytes, count)))
                    Fault = "no end mark behind the last event";
                pieceBytes += count;
                bytes = bytes[count..];
            }
            else if (pieceBytes == 0 && bytes.Length >= EventText.Bytes)
            {
                events += TakeEvent(bytes[..EventText.Bytes], latencies, now);
                bytes = bytes[EventText.Bytes..];
            }
            else
            {
                int count = Math.Min(bytes.Length, EventText.Bytes - pieceBytes);
                bytes[..count].CopyTo(piece.AsSpan(pieceBytes));
                bytes = bytes[count..];
                pieceBytes += count;
                if (pieceBytes < EventText.Bytes)
                    break;
                pieceBytes = 0;
                events += TakeEvent(piece, latencies, now);
            }
        }
        return events;
    }

    private int TakeEvent(ReadOnlySpan<byte> bytes, Latencies? latencies, long now)
    {
        if (!bytes.StartsWith(EventText.Start) || bytes[^1] != '\n')
        {
            Fault = "not the events that were sent: " + Encoding.UTF8.GetString(bytes);
            return 0;
        }
        isFinished = EventText.IsFinish(bytes);
        if (isFinished)
            return 0;
        latencies?.Add(EventText.NanosecondsSince(bytes.Slice(text.StampAt, EventText.StampBytes), now));
        return 1;
    }
}
