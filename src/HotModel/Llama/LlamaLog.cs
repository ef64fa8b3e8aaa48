using Microsoft.Extensions.Logging;
using ZLogger;

namespace HotModel.Llama;

/// <summary>What this folder logs: one line for each transition. ZLogger's generator takes no nested types.</summary>
internal static partial class LlamaLog
{
    [ZLoggerMessage(LogLevel.Information, "started {path} as process {pid}")]
    public static partial void Started(ILogger logger, string path, int pid);

    [ZLoggerMessage(LogLevel.Warning, "killed process {pid}, left over from an earlier run")]
    public static partial void Swept(ILogger logger, int pid);

    [ZLoggerMessage(LogLevel.Warning, "no guard process: {reason}")]
    public static partial void NoGuard(ILogger logger, string reason);

    [ZLoggerMessage(LogLevel.Warning, "no job object ({reason}): a killed hotmodel may leave llama-server running")]
    public static partial void NoJob(ILogger logger, string reason);

    [ZLoggerMessage(LogLevel.Information, "llama-server's router answers at {address}")]
    public static partial void RouterAnswers(ILogger logger, string address);

    [ZLoggerMessage(LogLevel.Information, "llama-server's router ended with status {status}")]
    public static partial void RouterEnded(ILogger logger, int status);

    [ZLoggerMessage(LogLevel.Error, "llama-server's router could not be asked for its models")]
    public static partial void LookFailed(ILogger logger, Exception exception);

    [ZLoggerMessage(LogLevel.Warning, "left preset section '{section}' out: {error}")]
    public static partial void SectionLeftOut(ILogger logger, string section, string error);

    [ZLoggerMessage(LogLevel.Warning, "unloading '{id}' although it is still generating")]
    public static partial void UnloadWhileBusy(ILogger logger, string id);

    [ZLoggerMessage(LogLevel.Warning, "no unload within {seconds} s: killed the router with all its children")]
    public static partial void UnloadTimedOut(ILogger logger, double seconds);

    [ZLoggerMessage(LogLevel.Warning, "the router did not end within {seconds} s: killed")]
    public static partial void StopTimedOut(ILogger logger, double seconds);

    [ZLoggerMessage(LogLevel.Error, "killed, yet still there, with the memory it holds: process {pids}")]
    public static partial void CannotEnd(ILogger logger, string pids);

    [ZLoggerMessage(LogLevel.Warning, "lost model '{model}': {error}")]
    public static partial void Lost(ILogger logger, string model, string error);

    [ZLoggerMessage(LogLevel.Warning, "process {pid} did not end within {seconds} s: killed")]
    public static partial void ProcessStopTimedOut(ILogger logger, int pid, double seconds);
}
