using ZLogger;

namespace HotModel.Prefill;

// Not nested in the class that logs: ZLogger's generator refuses nested types (ZLOG002).
internal static partial class PrefillLog
{
    [ZLoggerMessage(6001, LogLevel.Information,
        "Evaluated {tokens} of the {total} tokens of session {session} ahead of its next question, in {seconds} s")]
    public static partial void Ended(ILogger logger, string session, int tokens, int total, double seconds);

    [ZLoggerMessage(6002, LogLevel.Error, "Evaluating ahead has failed")]
    public static partial void Broke(ILogger logger, Exception cause);
}
