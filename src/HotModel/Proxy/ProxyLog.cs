using ZLogger;

namespace HotModel.Proxy;

internal static partial class ProxyLog
{
    [ZLoggerMessage(LogLevel.Warning, "The answer of {model} to {request} was cut: {reason}")]
    public static partial void AnswerCut(ILogger logger, string model, string request, string reason);

    [ZLoggerMessage(LogLevel.Warning, "A request to {model} has no answer: {reason}")]
    public static partial void RequestFailed(ILogger logger, string model, string reason);

    [ZLoggerMessage(LogLevel.Error, "A turn of session {session} was not stored: {reason}")]
    public static partial void NotStored(ILogger logger, string session, string reason);

    [ZLoggerMessage(LogLevel.Error, "A turn of session {session} was not stored")]
    public static partial void StoreBroke(ILogger logger, string session, Exception cause);

    [ZLoggerMessage(LogLevel.Error, "{method} {path} failed by a mistake of hotmodel's own")]
    public static partial void RequestBroke(ILogger logger, string method, string path, Exception cause);

    [ZLoggerMessage(LogLevel.Debug, "The client of {request} left before its answer was complete")]
    public static partial void ClientLeft(ILogger logger, string request);
}
