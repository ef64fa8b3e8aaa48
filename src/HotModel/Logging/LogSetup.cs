using System.Globalization;
using HotModel.Configuration;
using ZLogger;

namespace HotModel.Logging;

/// <summary>Where the program's own log goes, and in what form.</summary>
internal static class LogSetup
{
    /// <summary>Some 100,000 lines; five files.</summary>
    private const long FileBytesMax = 10_000_000;
    private const int Files = 5;

    /// <summary>
    /// Nobody waits for a terminal, a pipe or a disk that takes nothing: beyond so many lines the newest are left out.
    /// </summary>
    private const int QueueLines = 10_000;

    public static ILoggingBuilder AddLogs(this ILoggingBuilder logs, ServerConfig server, TimeProvider time)
    {
        if (server.LogFile is not { } path)
        {
            return logs.AddZLoggerConsole(options =>
            {
                options.LogToStandardErrorThreshold = LogLevel.Trace;
                Form(options);
            });
        }
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var file = new RotatedFile(path, FileBytesMax, Files,
            missing => server.LogFormat == LogFormat.Json
                ? JsonLineFormatter.Gap(missing, time.GetUtcNow()) : GapText(missing));
        return logs.AddZLoggerStream(new LogFileStream(file), Form);

        void Form(ZLoggerOptions options)
        {
            options.BackgroundBufferCapacity = QueueLines;
            options.FullMode = BackgroundBufferFullMode.Drop;
            if (server.LogFormat == LogFormat.Json)
                options.UseFormatter(() => new JsonLineFormatter());
            else
                options.UsePlainTextFormatter(text => text.SetPrefixFormatter(
                    $"{0:utc-longdate} {1:short} ", (in template, in info) => template.Format(info.Timestamp, info.LogLevel)));
        }
    }

    public static string GapText(long missing) =>
        string.Create(CultureInfo.InvariantCulture, $"{missing} lines are missing here: the disk took none");
}
