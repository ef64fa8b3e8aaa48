using ZLogger;

namespace HotModel.Prefill;

// Not nested in the class that logs: ZLogger's generator refuses nested types (ZLOG002).
internal static partial class PrefillLog
{
    [ZLoggerMessage(6001, LogLevel.Information,
        "Session {session}: {tokens} of its {total} tokens were evaluated ahead of its next question, in {seconds} s")]
    public static partial void Done(ILogger logger, string session, int tokens, int total, double seconds);

    [ZLoggerMessage(6002, LogLevel.Error, "Evaluating ahead has failed")]
    public static partial void Broke(ILogger logger, Exception cause);

    [ZLoggerMessage(6003, LogLevel.Information,
        "Session {session}: evaluating ahead was stopped after {tokens} of its {total} tokens and {seconds} s. {reason}")]
    public static partial void Stopped(
        ILogger logger, string session, int tokens, int total, double seconds, string reason);
}
