using HotModel.Switching;

namespace HotModel.ReadAhead;

/// <summary>One model's files on their way into the page cache, on a thread of its own.</summary>
/// <remarks>
/// It reads, and throws away what it read: the one way that fills the cache on every system. Asked in advance
/// (posix_fadvise, readahead), Linux takes no more of a request than the device's read-ahead window, and drops the rest.
/// The thread is of normal priority: it works for 0.15 s per GB, which an answer computed on the CPU hardly feels, but at a
/// lower one (nice 10) a busy machine kept it from that for 15 s, past the begin of the load.
/// </remarks>
internal sealed class ModelReading
{
    /// <summary>So much is looked up and weighed against the memory at once. A multiple of every system's page.</summary>
    private const int WindowBytes = 64 << 20;

    /// <summary>As fast as larger ones, stays in the processor's cache, and is the most that is read after a stop.</summary>
    private const int PieceBytes = 1 << 20;

    /// <summary>How soon memory is noticed that the old model has given back.</summary>
    private static readonly TimeSpan MemoryPoll = TimeSpan.FromMilliseconds(250);

    private readonly string model;
    private readonly Func<IReadOnlyList<string>> files;
    private readonly MemoryBudget budget;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly CancellationToken stop;
    private readonly Thread thread;
    private long begun;
    private long readBytes;
    private long alreadyBytes;
    private long elapsedTicks;

    private ModelReading(string model, Func<IReadOnlyList<string>> files, MemoryBudget budget, ModelReading? earlier,
        TimeProvider time, ILogger logger, CancellationToken stop)
    {
        this.model = model;
        this.files = files;
        this.budget = budget;
        this.time = time;
        this.logger = logger;
        this.stop = stop;
        thread = new Thread(() => Run(earlier))
        {
            IsBackground = true,
            Name = "read-ahead",
        };
    }

    /// <param name="model">Its name, for the log.</param>
    /// <param name="files">What to read, in order; asked on the reading thread.</param>
    /// <param name="budget">How much of it may be in memory; where that is unknown, nothing is read.</param>
    /// <param name="earlier">A reading that has been told to stop: this one waits for its end.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">One line at the end.</param>
    /// <param name="stop">Ends the reading within a piece.</param>
    public static ModelReading Start(string model, Func<IReadOnlyList<string>> files, MemoryBudget budget,
        ModelReading? earlier, TimeProvider time, ILogger logger, CancellationToken stop)
    {
        var reading = new ModelReading(model, files, budget, earlier, time, logger, stop);
        reading.thread.Start();
        return reading;
    }

    /// <summary>So far.</summary>
    public ReadAheadReport Report => new(
        Interlocked.Read(ref readBytes) >> 20, Interlocked.Read(ref alreadyBytes) >> 20,
        Math.Round(TimeSpan.FromTicks(Interlocked.Read(ref elapsedTicks)).TotalSeconds, 6));

    public void Join() => thread.Join();

    private void Run(ModelReading? earlier)
    {
        earlier?.Join();
        begun = time.GetTimestamp();
        try
        {
            var buffer = GC.AllocateUninitializedArray<byte>(PieceBytes);
            var position = 0L;
            foreach (var path in files())
                position = ReadFile(path, position, buffer);
            var report = Report;
            ReadAheadLog.Ended(logger, model, report.Mb, report.AlreadyMb, report.Seconds);
        }
        catch (OperationCanceledException)
        {
            // Whoever stopped it has the report.
        }
        catch (Exception e)
        {
            // The load meets the same, and says so to those who asked for it. What leaves this thread ends the program.
            ReadAheadLog.Failed(logger, model, e.Message);
        }
    }

    /// <param name="path">The file.</param>
    /// <param name="position">Bytes of the model before this file.</param>
    /// <param name="buffer">Of a piece.</param>
    /// <returns>Bytes of the model up to its end.</returns>
    private long ReadFile(string path, long position, byte[] buffer)
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var residency = new PageResidency(file, path);
        var length = RandomAccess.GetLength(file);
        var next = Look(0);
        for (var offset = 0L; offset < length; offset += WindowBytes)
        {
            stop.ThrowIfCancellationRequested();
            // One window early: while this one is read, the system takes the first pages behind it by itself.
            var missing = next;
            next = Look(offset + WindowBytes);
            var window = (int)Math.Min(WindowBytes, length - offset);
            if (missing.Any(bytes => bytes > 0))
                AwaitMemory(position + offset + window);
            for (var start = 0; start < window; start += PieceBytes)
            {
                stop.ThrowIfCancellationRequested();
                var piece = Math.Min(PieceBytes, window - start);
                var absent = missing[start / PieceBytes];
                if (absent > 0)
                    RandomAccess.Read(file, buffer.AsSpan(0, piece), offset + start);
                Note(absent, piece - absent);
            }
        }
        return position + length;

        int[] Look(long offset) =>
            residency.MissingBytes(offset, (int)Math.Min(WindowBytes, length - offset), PieceBytes);
    }

    /// <summary>
    /// Returns when so much of the model may be in memory. While the old model is there that may be less than after it.
    /// </summary>
    private void AwaitMemory(long bytes)
    {
        while (true)
        {
            if (budget.ReadBytes() is not { } allowed)
                throw new IOException("it is not known how much memory is free.");
            if (bytes <= allowed)
                return;
            stop.WaitHandle.WaitOne(MemoryPoll);
            stop.ThrowIfCancellationRequested();
        }
    }

    private void Note(int read, int already)
    {
        Interlocked.Add(ref readBytes, read);
        Interlocked.Add(ref alreadyBytes, already);
        Interlocked.Exchange(ref elapsedTicks, time.GetElapsedTime(begun).Ticks);
    }
}
