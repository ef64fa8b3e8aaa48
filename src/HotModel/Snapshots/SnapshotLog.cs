using ZLogger;

namespace HotModel.Snapshots;

// Not nested in the classes that log: ZLogger's generator refuses nested types (ZLOG002).
internal static partial class SnapshotLog
{
    [ZLoggerMessage(5001, LogLevel.Information,
        "Snapshots of at most {maxBytes} bytes are kept in {path}; {count} are there")]
    public static partial void Opened(ILogger logger, long maxBytes, string path, long count);

    [ZLoggerMessage(5002, LogLevel.Warning, "The folder of snapshots, {path}, cannot be created: {error}")]
    public static partial void NoFolder(ILogger logger, string path, string error);

    [ZLoggerMessage(5003, LogLevel.Warning, "Slot {slot} of {model} was not saved: {error}")]
    public static partial void NotSaved(ILogger logger, int slot, string model, string error);

    [ZLoggerMessage(5004, LogLevel.Warning, "Slot {slot} of {model} was not restored: {error}")]
    public static partial void NotRestored(ILogger logger, int slot, string model, string error);

    [ZLoggerMessage(5005, LogLevel.Warning,
        "llama-server restored {restored} tokens of {model} (conversation {session}) and used {reused} of them: no more "
        + "snapshots are kept of this model with this build of llama-server. If it has a sliding window, --swa-full may help")]
    public static partial void NoUse(ILogger logger, string model, long session, int restored, int reused);

    [ZLoggerMessage(5006, LogLevel.Error, "Snapshots have failed, and the work goes on without them")]
    public static partial void Broke(ILogger logger, Exception cause);
}
