using ZLogger;

namespace HotModel.Sessions;

// Not nested in the classes that log: ZLogger's generator refuses nested types (ZLOG002).
internal static partial class SessionLog
{
    [ZLoggerMessage(4001, LogLevel.Error, "Conversations cannot be stored in {path}: {error}")]
    public static partial void WriteFailed(ILogger logger, string path, string error);

    [ZLoggerMessage(4002, LogLevel.Information,
        "Deleted {count} least recently used sessions: session.max_sessions is {limit}")]
    public static partial void Evicted(ILogger logger, int count, int limit);

    [ZLoggerMessage(4003, LogLevel.Information, "Deleted {count} sessions unused for session.expire_days = {days}")]
    public static partial void Expired(ILogger logger, int count, int days);

    [ZLoggerMessage(4004, LogLevel.Information,
        "Imported {count} sessions from {path} ({skipped} skipped); the file stays as it is and is not read again")]
    public static partial void Imported(ILogger logger, int count, int skipped, string path);

    [ZLoggerMessage(4005, LogLevel.Warning, "Not imported from {path}: {what}")]
    public static partial void ImportSkipped(ILogger logger, string path, string what);

    [ZLoggerMessage(4007, LogLevel.Error, "What models took of memory cannot be read from {path}: {error}")]
    public static partial void ReadFailed(ILogger logger, string path, string error);

    [ZLoggerMessage(4006, LogLevel.Information,
        "Session {id} of {path} has a name that no request could use here: it is imported as {name}")]
    public static partial void ImportRenamed(ILogger logger, string path, string id, string name);
}
