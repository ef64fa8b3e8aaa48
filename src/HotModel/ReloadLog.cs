using ZLogger;

namespace HotModel;

/// <summary>Event ids 160 to 169.</summary>
internal static partial class ReloadLog
{
    [ZLoggerMessage(160, LogLevel.Information,
        "Configuration reloaded. Models added: {added}; removed: {removed}; changed: {changed}. Settings: {settings}")]
    public static partial void Reloaded(ILogger logger, string added, string removed, string changed, string settings);

    [ZLoggerMessage(161, LogLevel.Information, "These models' running answers or loads end first: {models}")]
    public static partial void Waits(ILogger logger, string models);

    [ZLoggerMessage(162, LogLevel.Warning, "These settings hold from the next start of hotmodel on: {keys}")]
    public static partial void NeedsRestart(ILogger logger, string keys);

    [ZLoggerMessage(163, LogLevel.Error, "Configuration not reloaded, nothing was changed: {errors}")]
    public static partial void Refused(ILogger logger, string errors);

    [ZLoggerMessage(164, LogLevel.Warning, "The configuration: {warning}")]
    public static partial void Warning(ILogger logger, string warning);
}
