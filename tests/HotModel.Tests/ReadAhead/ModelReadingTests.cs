using HotModel.FunctionalTests.Harness;
using HotModel.ReadAhead;
using HotModel.Tests.Llama;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace HotModel.Tests.ReadAhead;

/// <summary>Real files, and what Linux says of their pages.</summary>
public sealed class ModelReadingTests : IDisposable
{
    private const int WindowMb = 64;
    private static readonly MemoryState Plenty = new(1L << 40, 1L << 40, 0);

    private readonly TempFolder folder = new();
    private readonly CancellationTokenSource stop = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Every_page_of_every_file_is_read()
    {
        string[] files = [Create("a", (WindowMb << 20) + 5000), Create("b", 1), Create("c", 0)];
        var reading = Start(() => files);
        reading.Join();
        Assert.All(files[..2], file => Assert.True(PageCache.IsWhollyResident(file)));
        Assert.Equal((WindowMb, 0L), (reading.Report.Mb, reading.Report.AlreadyMb));
        Assert.True(reading.Report.Seconds > 0);
    }

    [Fact]
    public void What_is_there_is_not_read_again()
    {
        var file = Create("a", 8 << 20);
        using (var handle = File.OpenHandle(file))
            RandomAccess.Read(handle, new byte[2 << 20], 0);
        // The system may have read on ahead.
        var before = PageCache.ResidentBytes(file);
        Assert.InRange(before, 2 << 20, 7 << 20);
        var reading = Start(() => [file]);
        reading.Join();
        Assert.True(PageCache.IsWhollyResident(file));
        Assert.Equal((((8 << 20) - before) >> 20, before >> 20), (reading.Report.Mb, reading.Report.AlreadyMb));
        var again = Start(() => [file]);
        again.Join();
        Assert.Equal((0, 8), (again.Report.Mb, again.Report.AlreadyMb));
    }

    [Fact]
    public void No_more_is_read_than_the_memory_allows()
    {
        var file = Create("a", 3L * WindowMb << 20);
        var states = new Queue<MemoryState>([With(WindowMb), With(2 * WindowMb)]);
        using var asked = new ManualResetEventSlim();
        var reading = Start(() => [file], () =>
        {
            if (states.TryDequeue(out var state))
                return [state];
            asked.Set();
            return [With(2 * WindowMb)];
        });
        Assert.True(asked.Wait(TimeSpan.FromSeconds(30)));
        stop.Cancel();
        reading.Join();
        Assert.Equal(2 * WindowMb, reading.Report.Mb);
        Assert.InRange(PageCache.ResidentBytes(file) >> 20, 2 * WindowMb, 2 * WindowMb + 32);
    }

    [Fact]
    public void Stop_ends_it_at_the_next_piece()
    {
        var file = Create("a", 3L * WindowMb << 20);
        var windows = 0;
        var reading = Start(() => [file], () =>
        {
            if (++windows == 2)
                stop.Cancel();
            return [Plenty];
        });
        reading.Join();
        Assert.Equal(2, windows);
        Assert.Equal(WindowMb, reading.Report.Mb);
    }

    [Fact]
    public void Second_reading_waits_for_the_end_of_the_first()
    {
        var file = Create("a", 4096);
        using var goOn = new ManualResetEventSlim();
        using var isInside = new ManualResetEventSlim();
        var first = Start(() => [file], () =>
        {
            isInside.Set();
            goOn.Wait();
            return [Plenty];
        });
        Assert.True(isInside.Wait(TimeSpan.FromSeconds(30)));
        var sawEnd = false;
        var second = ModelReading.Start("b", () =>
        {
            sawEnd = goOn.IsSet && PageCache.IsWhollyResident(file);
            return [];
        }, new MemoryBudget(() => [Plenty]), first, TimeProvider.System, NullLogger.Instance, CancellationToken.None);
        goOn.Set();
        second.Join();
        Assert.True(sawEnd);
    }

    [Fact]
    public void Whatever_breaks_is_one_line_in_the_log_and_no_end_of_the_program()
    {
        var log = new LineCollector();
        Start(() => [""], logger: log).Join();
        Start(() => throw new FormatException("odd"), logger: log).Join();
        Assert.Equal(2, log.Lines.Count);
    }

    [Fact]
    public void Missing_file_is_one_line_in_the_log()
    {
        var file = Create("a", 1 << 20);
        var log = new LineCollector();
        var reading = Start(() => [file, Path.Combine(folder.Path, "missing.gguf"), "/dev/null"], logger: log);
        reading.Join();
        Assert.True(PageCache.IsWhollyResident(file));
        Assert.Contains("missing.gguf", Assert.Single(log.Lines), StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_is_read_where_the_memory_is_not_known()
    {
        var file = Create("a", 1 << 20);
        var log = new LineCollector();
        Start(() => [file], () => [], log).Join();
        Assert.Equal(0, PageCache.ResidentBytes(file));
        Assert.Single(log.Lines);
    }

    [Fact]
    public void What_is_no_file_ends_it_too()
    {
        var log = new LineCollector();
        Start(() => [folder.Path], logger: log).Join();
        Start(() => ["/dev/tty"], logger: log).Join();
        Assert.Equal(2, log.Lines.Count);
    }

    private static MemoryState With(int megabytes) => new(0, (long)megabytes << 20, 0);

    private ModelReading Start(Func<IReadOnlyList<string>> files, Func<IReadOnlyList<MemoryState>>? memory = null,
        ILogger? logger = null) => ModelReading.Start(
            "a", files, new MemoryBudget(memory ?? (() => [Plenty])), null, TimeProvider.System,
            logger ?? NullLogger.Instance, stop.Token);

    /// <summary>Of zeros that take no room on the disk, and not in the cache.</summary>
    private string Create(string name, long bytes)
    {
        var path = Path.Combine(folder.Path, name + ".gguf");
        using (var file = File.Create(path))
            file.SetLength(bytes);
        if (bytes > 0)
            PageCache.Evict(path);
        return path;
    }

    private sealed class LineCollector : ILogger
    {
        public List<string> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) => Lines.Add(formatter(state, exception));
    }
}
