using ZLogger;

namespace HotModel.Service;

/// <summary>Event ids 20 to 39.</summary>
internal static partial class ServiceLog
{
    [ZLoggerMessage(20, LogLevel.Warning, "{variable} is {path}: no socket of this machine, so no supervisor is told anything")]
    public static partial void UnknownSocket(ILogger logger, string variable, string path);

    [ZLoggerMessage(21, LogLevel.Warning, "The supervisor could not be told: {problem}")]
    public static partial void NotTold(ILogger logger, string problem);
}
