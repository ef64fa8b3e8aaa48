using ZLogger;

namespace HotModel.ReadAhead;

/// <summary>Event ids 140 to 149.</summary>
internal static partial class ReadAheadLog
{
    [ZLoggerMessage(140, LogLevel.Information, "Read ahead of {model}: {mb} MiB in {seconds} s, {alreadyMb} MiB were there")]
    public static partial void Ended(ILogger logger, string model, long mb, long alreadyMb, double seconds);

    [ZLoggerMessage(141, LogLevel.Warning, "The files of {model} were not read ahead: {reason}")]
    public static partial void Failed(ILogger logger, string model, string reason);
}
