using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests.Harness;

/// <param name="Status">HTTP status.</param>
/// <param name="Head">Status line and headers.</param>
/// <param name="Body">Without the chunks' frames.</param>
/// <param name="IsWhole">The body has come to its proper end; else it ended early, or with an error event.</param>
internal sealed record WireReply(int Status, string Head, byte[] Body, bool IsWhole)
{
    public string Text => Encoding.UTF8.GetString(Body);

    public string? Header(string name) => Head.Split("\r\n").Skip(1)
        .FirstOrDefault(line => line.StartsWith(name + ":", StringComparison.OrdinalIgnoreCase))?[(name.Length + 1)..].Trim();
}

/// <summary>One connection to hotmodel, of which a test decides every byte and when it is read.</summary>
internal sealed class RawClient : IDisposable
{
    private readonly int port;
    private readonly byte[] buffer = new byte[64 << 10];
    private Socket socket;
    private int start;
    private int end;
    private bool isOver;

    private RawClient(int port, Socket socket) => (this.port, this.socket) = (port, socket);

    /// <param name="port">Of hotmodel.</param>
    /// <param name="receiveBufferBytes">What the system holds for a client that does not read; 0: as it likes.</param>
    public static async Task<RawClient> ConnectAsync(int port, int receiveBufferBytes = 0) =>
        new(port, await OpenAsync(port, receiveBufferBytes));

    private static async Task<Socket> OpenAsync(int port, int receiveBufferBytes)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        if (receiveBufferBytes > 0)
            socket.ReceiveBufferSize = receiveBufferBytes;
        await socket.ConnectAsync(IPAddress.Loopback, port);
        return socket;
    }

    /// <summary>A chat request that the script of that name answers.</summary>
    public static JsonObject Chat(string script, string text = "hello") => new()
    {
        ["script"] = script,
        ["model"] = "active",
        ["stream"] = true,
        ["messages"] = new JsonArray(Chats.Message("user", text)),
    };

    /// <summary>A POST as bytes.</summary>
    public static byte[] Request(string path, JsonObject body, string version = "1.1", params string[] headers)
    {
        var text = body.ToJsonString();
        var head = new StringBuilder();
        head.Append(CultureInfo.InvariantCulture, $"POST {path} HTTP/{version}\r\nHost: 127.0.0.1\r\n");
        head.Append("Content-Type: application/json\r\n");
        head.Append(CultureInfo.InvariantCulture, $"Content-Length: {Encoding.UTF8.GetByteCount(text)}\r\n");
        foreach (var header in headers)
            head.Append(header).Append("\r\n");
        return Encoding.UTF8.GetBytes(head.Append("\r\n").Append(text).ToString());
    }

    /// <summary>Behind a reply that was not whole on a new connection.</summary>
    public async Task SendAsync(byte[] bytes)
    {
        if (isOver)
        {
            socket.Dispose();
            (socket, start, end, isOver) = (await OpenAsync(port, 0), 0, 0, false);
        }
        for (var sent = 0; sent < bytes.Length;)
            sent += await socket.SendAsync(bytes.AsMemory(sent));
    }

    public Task PostChatAsync(string script, params string[] headers) =>
        SendAsync(Request("/v1/chat/completions", Chat(script), headers: headers));

    public async Task<WireReply> PostAsync(string path, JsonObject body)
    {
        await SendAsync(Request(path, body));
        return await ReadReplyAsync();
    }

    public async Task<WireReply> ChatAsync(string script, params string[] headers)
    {
        await PostChatAsync(script, headers);
        return await ReadReplyAsync();
    }

    public async Task<WireReply> ReadReplyAsync()
    {
        var head = await ReadHeadAsync();
        var body = new MemoryStream();
        var isWhole = await ReadBodyAsync(head, (bytes) => body.Write(bytes.Span), () => SseAnswer.EndsWithError(body));
        isOver = !isWhole;
        return new(Status(head), head, body.ToArray(), isWhole);
    }

    /// <summary>Status line and headers, with the empty line.</summary>
    public async Task<string> ReadHeadAsync()
    {
        var head = new StringBuilder();
        while (!head.EndsWithEmptyLine())
            head.Append((char)(await ByteAsync() ?? throw new IOException("closed within the head: " + head)));
        return head.ToString();
    }

    /// <summary>The body of an answer whose head was read, as it comes. False where it did not come to its proper end.</summary>
    /// <param name="head">Of the answer.</param>
    /// <param name="take">Gets the body.</param>
    /// <param name="isEnough">Asked behind each chunk, whether to read no more of a chunked body.</param>
    public async Task<bool> ReadBodyAsync(string head, Action<ReadOnlyMemory<byte>> take, Func<bool>? isEnough = null)
    {
        var reply = new WireReply(0, head, [], false);
        if (reply.Header("Content-Length") is { } length)
            return await TakeAsync(long.Parse(length, CultureInfo.InvariantCulture), take);
        if (reply.Header("Transfer-Encoding") is null)
        {
            try
            {
                while (start < end || await FillAsync())
                    Take(end - start, take);
                return true;
            }
            catch (SocketException)
            {
                return false;
            }
        }
        while (await LineAsync() is { } size)
        {
            var count = long.Parse(size, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            if (!await TakeAsync(count, take) || await LineAsync() is not "")
                return false;
            if (count == 0)
                return true;
            if (isEnough?.Invoke() == true)
                return false;
        }
        return false;
    }

    /// <summary>All that comes until the connection ends, frames and all.</summary>
    public async Task<byte[]> ReadToEndAsync()
    {
        var all = new MemoryStream();
        while (start < end || await FillOrBreakAsync())
            Take(end - start, bytes => all.Write(bytes.Span));
        return all.ToArray();
    }

    /// <summary>So many bytes as they come, frames and all; fewer at the connection's end.</summary>
    public async Task<int> ReadSomeAsync(int count)
    {
        var read = 0;
        while (read < count && (start < end || await FillOrBreakAsync()))
        {
            var taken = Math.Min(count - read, end - start);
            start += taken;
            read += taken;
        }
        return read;
    }

    /// <summary>Whether the other side has closed, properly or not, when what is unread has been read.</summary>
    public async Task<bool> IsClosedAsync()
    {
        try
        {
            return start == end && !await FillAsync();
        }
        catch (SocketException)
        {
            return true;
        }
    }

    /// <summary>Closes with a reset, as a program that crashes with unread bytes does.</summary>
    public void Reset()
    {
        socket.LingerState = new LingerOption(true, 0);
        socket.Dispose();
    }

    public void Dispose() => socket.Dispose();

    private static int Status(string head) => int.Parse(head.AsSpan(9, 3), CultureInfo.InvariantCulture);

    private async Task<bool> TakeAsync(long count, Action<ReadOnlyMemory<byte>> take)
    {
        while (count > 0)
        {
            if (start == end && !await FillOrBreakAsync())
                return false;
            var taken = (int)Math.Min(count, end - start);
            Take(taken, take);
            count -= taken;
        }
        return true;
    }

    private void Take(int count, Action<ReadOnlyMemory<byte>> take)
    {
        take(buffer.AsMemory(start, count));
        start += count;
    }

    private async Task<string?> LineAsync()
    {
        var line = new StringBuilder();
        while (await ByteAsync() is { } value)
        {
            if (value == '\n')
                return line.ToString(0, line.Length - 1);
            line.Append((char)value);
        }
        return null;
    }

    private async ValueTask<byte?> ByteAsync() => start < end || await FillOrBreakAsync() ? buffer[start++] : null;

    private async Task<bool> FillOrBreakAsync()
    {
        try
        {
            return await FillAsync();
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private async Task<bool> FillAsync()
    {
        start = end = 0;
        end = await socket.ReceiveAsync(buffer.AsMemory(), SocketFlags.None);
        return end > 0;
    }
}

file static class HeadEnd
{
    public static bool EndsWithEmptyLine(this StringBuilder text) => text.Length >= 4
        && text[^4] == '\r' && text[^3] == '\n' && text[^2] == '\r' && text[^1] == '\n';
}
