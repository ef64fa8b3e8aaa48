using ZLogger;

namespace HotModel.Logging;

/// <summary>ZLogger's way to a <see cref="LineWriter{T}"/>: its own buffer, when full, grows, blocks, or drops untold.</summary>
internal sealed class LogSink(ILogOutput output, LogLines lines, TimeProvider time) : IAsyncLogProcessor
{
    private readonly LineWriter<IZLoggerEntry> writer = new(output, lines.Format, time);

    public void Post(IZLoggerEntry log)
    {
        if (!writer.TryAdd(log))
            log.Return();
    }

    public ValueTask DisposeAsync() => writer.DisposeAsync();
}
