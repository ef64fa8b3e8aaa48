using ZLogger;

namespace HotModel;

/// <summary>Event ids 20 to 29.</summary>
internal static partial class ReloadLog
{
    [ZLoggerMessage(20, LogLevel.Information,
        "Configuration reloaded. Models added: {added}; removed: {removed}; changed: {changed}. Settings: {settings}")]
    public static partial void Reloaded(ILogger logger, string added, string removed, string changed, string settings);

    [ZLoggerMessage(21, LogLevel.Information, "These models' running answers or loads end first: {models}")]
    public static partial void Waits(ILogger logger, string models);

    [ZLoggerMessage(22, LogLevel.Warning, "These settings hold from the next start of hotmodel on: {keys}")]
    public static partial void NeedsRestart(ILogger logger, string keys);

    [ZLoggerMessage(23, LogLevel.Error, "Configuration not reloaded, nothing was changed: {errors}")]
    public static partial void Refused(ILogger logger, string errors);

    [ZLoggerMessage(24, LogLevel.Warning, "The configuration: {warning}")]
    public static partial void Warning(ILogger logger, string warning);
}
