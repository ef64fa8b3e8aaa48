using System.Net.Sockets;
using System.Text;

namespace FakeLlamaServer;

/// <summary>Reads requests from one connection and answers each by the script that it names.</summary>
internal sealed class ScriptConnection(Socket socket, string folder, ScriptCounts counts)
{
    private const int PieceBytes = 64 << 10;
    private const string NameMember = "\"script\":\"";

    private readonly byte[] buffer = new byte[PieceBytes];
    // Latin 1: one character a byte. What came and belongs to no request yet.
    private string received = "";

    public async Task RunAsync()
    {
        try
        {
            while (await ServeAsync())
            {
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            // The peer left.
        }
    }

    /// <summary>One request. False at the connection's end.</summary>
    private async Task<bool> ServeAsync()
    {
        int head;
        while ((head = received.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4) < 4)
        {
            if (!await ReceiveAsync())
                return false;
        }
        if (received.StartsWith("GET ", StringComparison.Ordinal))
        {
            var path = received.Split(' ', 3)[1];
            received = received[head..];
            await AnswerAsync(path == "/counts" ? counts.Describe().ToJsonString() : """{"status":"ok"}""");
            return true;
        }
        var end = head + BodyLength(received[..head]);
        string? name;
        while ((name = ScriptName(received.AsSpan(head))) is null)
        {
            if (received.Length >= end || !await ReceiveAsync())
                return false;
        }
        var count = counts.Of(name);
        Interlocked.Increment(ref count.Requests);
        var script = Script.Load(Path.Combine(folder, name));
        if (!script.IsEarly && !await ReadRequestAsync(end))
            return false;
        return await PlayAsync(script, count, end);
    }

    private async Task<bool> PlayAsync(Script script, ScriptCount count, int requestEnd)
    {
        using var ended = new CancellationTokenSource();
        // A peer that has sent its whole request says nothing but that it leaves.
        var left = script.IsEarly ? Task.FromResult(false) : HasLeftAsync(ended.Token);
        var playing = StepsAsync(script, count, requestEnd, ended.Token);
        try
        {
            if (await Task.WhenAny(left, playing) == left && await left)
                await ended.CancelAsync();
            var goesOn = await playing;
            Interlocked.Increment(ref count.Ended);
            return goesOn;
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            Volatile.Write(ref count.LeftAt, TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds());
            Interlocked.Increment(ref count.Left);
            return false;
        }
        finally
        {
            await ended.CancelAsync();
        }
    }

    /// <summary>False where the script closes the connection.</summary>
    private async Task<bool> StepsAsync(Script script, ScriptCount count, int requestEnd, CancellationToken cancel)
    {
        foreach (var step in script.Steps)
        {
            switch (step.Kind)
            {
                case StepKind.Send:
                    await SendAsync(step.Bytes, count, cancel);
                    await PeerQueue.DrainedAsync(socket, cancel);
                    break;
                case StepKind.Repeat:
                    await RepeatAsync(step, count, cancel);
                    break;
                case StepKind.Pause:
                    await Task.Delay(step.Count, cancel);
                    break;
                case StepKind.Read:
                    if (!await ReadRequestAsync(requestEnd))
                        return false;
                    break;
                case StepKind.Close:
                    return false;
                case StepKind.Reset:
                    socket.LingerState = new LingerOption(true, 0);
                    return false;
                case StepKind.ResetNext:
                    // Closed with unread bytes: the system resets.
                    await socket.ReceiveAsync(Memory<byte>.Empty, cancel);
                    return false;
                case StepKind.UntilLeft:
                    await Task.Delay(Timeout.InfiniteTimeSpan, cancel);
                    break;
                default:
                    throw new InvalidOperationException($"no step {step.Kind}");
            }
        }
        return true;
    }

    private async Task RepeatAsync(Step step, ScriptCount count, CancellationToken cancel)
    {
        var atOnce = Math.Clamp(PieceBytes / step.Bytes.Length, 1, step.Count);
        var batch = new byte[atOnce * step.Bytes.Length];
        for (var i = 0; i < atOnce; i++)
            step.Bytes.CopyTo(batch, i * step.Bytes.Length);
        for (var left = step.Count; left > 0; left -= atOnce)
            await SendAsync(batch.AsMemory(0, Math.Min(left, atOnce) * step.Bytes.Length), count, cancel);
    }

    private async Task SendAsync(ReadOnlyMemory<byte> bytes, ScriptCount count, CancellationToken cancel)
    {
        while (!bytes.IsEmpty)
        {
            var sent = await socket.SendAsync(bytes, SocketFlags.None, cancel);
            Interlocked.Add(ref count.SentBytes, sent);
            bytes = bytes[sent..];
        }
    }

    private async Task<bool> HasLeftAsync(CancellationToken cancel)
    {
        try
        {
            return await socket.ReceiveAsync(new byte[1], SocketFlags.Peek, cancel) == 0;
        }
        catch (SocketException)
        {
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>Takes the request off what came. False where the peer left before its end.</summary>
    private async Task<bool> ReadRequestAsync(int end)
    {
        while (received.Length < end)
        {
            if (!await ReceiveAsync())
                return false;
        }
        received = received[end..];
        return true;
    }

    private async Task<bool> ReceiveAsync()
    {
        var count = await socket.ReceiveAsync(buffer, SocketFlags.None);
        received += Encoding.Latin1.GetString(buffer, 0, count);
        return count > 0;
    }

    private async Task AnswerAsync(string json) => await socket.SendAsync(Encoding.Latin1.GetBytes(
        $"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {json.Length}\r\n\r\n{json}"));

    private static int BodyLength(string head)
    {
        const string Header = "\r\nContent-Length: ";
        var at = head.IndexOf(Header, StringComparison.OrdinalIgnoreCase);
        if (at < 0)
            return 0;
        at += Header.Length;
        return int.Parse(head.AsSpan(at, head.IndexOf('\r', at) - at));
    }

    private static string? ScriptName(ReadOnlySpan<char> body)
    {
        var at = body.IndexOf(NameMember);
        if (at < 0)
            return null;
        var name = body[(at + NameMember.Length)..];
        var end = name.IndexOf('"');
        return end < 0 ? null : name[..end].ToString();
    }
}
