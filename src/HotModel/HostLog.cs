using ZLogger;

namespace HotModel;

/// <summary>Event ids 1 to 19.</summary>
internal static partial class HostLog
{
    [ZLoggerMessage(1, LogLevel.Information, "hotmodel {version} listens on {address}v1; its state is in {stateDirectory}")]
    public static partial void Listening(ILogger logger, string version, string address, string stateDirectory);
}
