using System.Buffers;
using System.Globalization;
using System.Text;
using HotModel.Logging;

namespace HotModel.Llama;

/// <summary>Output of the children: whole lines into a ring for error reports, and into a rotated file.</summary>
internal sealed class ChildLog : IAsyncDisposable
{
    // 10 MB hold about 100,000 lines of llama-server; three files keep the last day or two of normal use.
    private const long FileBytesMax = 10_000_000;
    private const int Files = 3;

    private readonly LineWriter<string>? file;
    private readonly Lock secretsGate = new();
    private string[] secrets = [];

    /// <param name="directory">Where the file goes; null keeps lines in memory only.</param>
    /// <param name="lane">Servers that run at once write to a file each.</param>
    public ChildLog(string? directory, int lane = 0)
    {
        Name = FileName(lane);
        file = directory is null ? null : new LineWriter<string>(
            new RotatedFile(Path.Combine(directory, Name), FileBytesMax, Files),
            new LineFormat<string>(Write, WriteLoss),
            TimeProvider.System);
    }

    public static string FileName(int lane) => lane == 0
        ? "llama-server.log" : string.Create(CultureInfo.InvariantCulture, $"llama-server-{lane + 1}.log");

    /// <summary>Of the file.</summary>
    public string Name { get; }

    public LogRing Ring { get; } = new();

    /// <summary>A key that must never be seen in a line, whoever prints it.</summary>
    public void Hide(string secret)
    {
        lock (secretsGate)
            secrets = [.. secrets, secret];
    }

    public void Forget(string secret)
    {
        lock (secretsGate)
            secrets = [.. secrets.Where(known => known != secret)];
    }

    /// <summary>The last lines of all children, oldest first.</summary>
    public IReadOnlyList<string> Tail(int count) => [.. Ring.Since(0).TakeLast(count)];

    /// <summary>Reads a child's stream on a thread of its own until it ends.</summary>
    /// <remarks>Reads of an anonymous pipe block a thread in .NET; better one of ours than one of the pool's.</remarks>
    public Task Follow(Stream output)
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new Thread(() =>
        {
            try
            {
                Read(output);
            }
            catch (Exception exception) when (exception is IOException or ObjectDisposedException)
            {
                // The pipe was closed under the read: the child's last words are lost, not more.
            }
            ended.SetResult();
        }, maxStackSize: 256 * 1024)
        {
            IsBackground = true,
            Name = "child log",
        };
        thread.Start();
        return ended.Task;
    }

    public ValueTask DisposeAsync() => file?.DisposeAsync() ?? ValueTask.CompletedTask;

    internal void Read(Stream output)
    {
        var buffer = new byte[16 * 1024];
        // Bytes of a line beyond its limit are read and dropped; 4 bytes are the longest UTF-8 character.
        var line = new byte[LogRing.LineLength * 4];
        var length = 0;
        var quotes = new RequestQuotes();
        int count;
        while ((count = output.Read(buffer)) > 0)
        {
            var rest = buffer.AsSpan(0, count);
            int end;
            while ((end = rest.IndexOf((byte)'\n')) >= 0)
            {
                length += Copy(rest[..end], line.AsSpan(length));
                Add(line.AsSpan(0, length), quotes);
                length = 0;
                rest = rest[(end + 1)..];
            }
            length += Copy(rest, line.AsSpan(length));
        }
        if (length > 0)
            Add(line.AsSpan(0, length), quotes);
    }

    private static int Copy(ReadOnlySpan<byte> from, Span<byte> to)
    {
        var count = Math.Min(from.Length, to.Length);
        from[..count].CopyTo(to);
        return count;
    }

    private void Add(ReadOnlySpan<byte> bytes, RequestQuotes quotes)
    {
        if (quotes.Clean(Encoding.UTF8.GetString(bytes).TrimEnd('\r')) is not { } text)
            return;
        foreach (var secret in Volatile.Read(ref secrets))
            text = text.Replace(secret, "***", StringComparison.Ordinal);
        if (text.Length > LogRing.LineLength)
            text = text[..LogRing.LineLength];
        Ring.Add(text);
        file?.TryAdd(text);
    }

    private static void Write(string line, ArrayBufferWriter<byte> lines)
    {
        Encoding.UTF8.GetBytes(line, lines);
        lines.Write("\n"u8);
    }

    private static void WriteLoss(long count, ArrayBufferWriter<byte> lines) => Write(
        string.Create(CultureInfo.InvariantCulture, $"hotmodel: {count} lines are missing: they could not be written"), lines);
}
