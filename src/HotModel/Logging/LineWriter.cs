using System.Buffers;
using System.Threading.Channels;

namespace HotModel.Logging;

/// <summary>How the entries of a log become lines.</summary>
/// <param name="Write">Appends the lines of one entry, with their ends.</param>
/// <param name="WriteLoss">Appends the line that tells how many entries are missing.</param>
internal sealed record LineFormat<T>(Action<T, ArrayBufferWriter<byte>> Write, Action<long, ArrayBufferWriter<byte>> WriteLoss);

/// <summary>Takes entries from any thread and writes them on one of its own.</summary>
/// <remarks>
/// Nobody ever waits for it: while the output takes nothing, as many entries as <c>Capacity</c> wait in memory, the next are
/// dropped, and counted. So are those that the output refused. One line tells of them when lines can be written again.
/// </remarks>
internal sealed class LineWriter<T> : IAsyncDisposable
{
    /// <summary>More than the busiest minute brings; with lines of 2,000 characters, 8 MB of memory.</summary>
    public const int Capacity = 4096;
    private const int BatchBytes = 64 * 1024;

    /// <summary>At the end: an output that takes nothing may not keep the process alive.</summary>
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(2);

    private readonly Channel<T> queue = Channel.CreateBounded<T>(new BoundedChannelOptions(Capacity) { SingleReader = true });
    private readonly ILogOutput output;
    private readonly LineFormat<T> format;
    private readonly TimeProvider time;
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long lost;

    public LineWriter(ILogOutput output, LineFormat<T> format, TimeProvider time)
    {
        this.output = output;
        this.format = format;
        this.time = time;
        // Its own: a write may block for ever, and the pool's threads answer clients.
        new Thread(Run, maxStackSize: 256 * 1024) { IsBackground = true, Name = "log writer" }.Start();
    }

    /// <summary>False: it was dropped.</summary>
    public bool TryAdd(T entry)
    {
        if (queue.Writer.TryWrite(entry))
            return true;
        Interlocked.Increment(ref lost);
        return false;
    }

    /// <summary>Writes what has come, unless the output takes nothing.</summary>
    public async ValueTask DisposeAsync()
    {
        queue.Writer.TryComplete();
        try
        {
            await ended.Task.WaitAsync(LastWords, time);
        }
        catch (TimeoutException)
        {
            // The thread stays in its write, and ends with the process.
        }
    }

    private void Run()
    {
        var lines = new ArrayBufferWriter<byte>(BatchBytes);
        using (output)
        {
            while (queue.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
                WriteBatch(lines);
        }
        ended.SetResult();
    }

    private void WriteBatch(ArrayBufferWriter<byte> lines)
    {
        lines.ResetWrittenCount();
        long count = 0;
        while (lines.WrittenCount < BatchBytes && queue.Reader.TryRead(out var entry))
        {
            format.Write(entry, lines);
            count++;
        }
        // What was dropped came after all that had a place in the queue.
        if (!queue.Reader.TryPeek(out _) && Interlocked.Exchange(ref lost, 0) is > 0 and var missing)
        {
            format.WriteLoss(missing, lines);
            count += missing;
        }
        if (!output.TryWrite(lines.WrittenSpan))
            Interlocked.Add(ref lost, count);
    }
}
