using ZLogger;

namespace HotModel.Snapshots;

// Not nested in the classes that log: ZLogger's generator refuses nested types (ZLOG002).
internal static partial class SnapshotLog
{
    [ZLoggerMessage(5001, LogLevel.Information,
        "Snapshots of at most {maxMb} MB are kept in {path}; {count} are there")]
    public static partial void Opened(ILogger logger, long maxMb, string path, long count);

    [ZLoggerMessage(5002, LogLevel.Warning, "The folder of snapshots, {path}, cannot be created: {error}")]
    public static partial void NoFolder(ILogger logger, string path, string error);

    [ZLoggerMessage(5003, LogLevel.Warning, "Session {session} was not saved from slot {slot} of {model}: {error}")]
    public static partial void NotSaved(ILogger logger, string session, int slot, string model, string error);

    [ZLoggerMessage(5004, LogLevel.Warning,
        "Session {session} was not restored into slot {slot} of {model}, and its snapshot is deleted: {error}")]
    public static partial void NotRestored(ILogger logger, string session, int slot, string model, string error);

    [ZLoggerMessage(5005, LogLevel.Warning,
        "llama-server restored {restored} tokens of {model} (session {session}) and used {reused} of them: no more "
        + "snapshots are kept of this model with this build of llama-server. If it has a sliding window, --swa-full may help")]
    public static partial void NoUse(ILogger logger, string model, string session, int restored, int reused);

    [ZLoggerMessage(5006, LogLevel.Error, "Snapshots have failed, and the work goes on without them")]
    public static partial void Broke(ILogger logger, Exception cause);

    [ZLoggerMessage(5007, LogLevel.Information, "Snapshots are off (snapshots.enabled = false); {count} were deleted")]
    public static partial void Off(ILogger logger, long count);

    [ZLoggerMessage(5008, LogLevel.Information,
        "Saved session {session} as {model} has it: {tokens} tokens, {mb} MB, {seconds} s")]
    public static partial void Saved(ILogger logger, string session, string model, int tokens, double mb, double seconds);

    [ZLoggerMessage(5009, LogLevel.Information,
        "Restored session {session} for {model}: {tokens} tokens, {mb} MB, {seconds} s")]
    public static partial void Restored(ILogger logger, string session, string model, int tokens, double mb, double seconds);

    [ZLoggerMessage(5010, LogLevel.Debug,
        "Session {session} was not saved from {model}: its {tokens} tokens are fewer than snapshots.min_tokens, {least}")]
    public static partial void TooShort(ILogger logger, string session, string model, int tokens, int least);

    [ZLoggerMessage(5011, LogLevel.Information,
        "Deleted the snapshot of session {session} for {model}, {mb} MB, to make room: it was used least recently")]
    public static partial void Evicted(ILogger logger, string session, string model, double mb);

    [ZLoggerMessage(5012, LogLevel.Warning,
        "The snapshot of session {session} for {model} is gone or not as it was saved, and is forgotten")]
    public static partial void NotAsSaved(ILogger logger, string session, string model);

    [ZLoggerMessage(5013, LogLevel.Warning,
        "{count} snapshots had not reached the disk when the machine ended, and are deleted")]
    public static partial void NotOnDisk(ILogger logger, int count);
}
