using HotModel.Configuration;
using ZLogger;

namespace HotModel.Logging;

/// <summary>Where the program's own log goes, and in what form.</summary>
internal static class LogSetup
{
    /// <summary>Some 100,000 lines; five files.</summary>
    private const long FileBytesMax = 10_000_000;
    private const int Files = 5;

    /// <exception cref="IOException">The file cannot be written.</exception>
    public static ILoggingBuilder AddLogs(this ILoggingBuilder logs, ServerConfig server, TimeProvider time)
    {
        if (server.LogFile is { } path)
        {
            var file = new RotatedFile(path, FileBytesMax, Files);
            if (file.Problem() is { } problem)
                throw new IOException($"server.log_file {path} cannot be written: {problem}");
            return Add(file, isJournal: false);
        }
        return Add(new StandardError(), IsJournal(
            Environment.GetEnvironmentVariable("JOURNAL_STREAM"),
            OperatingSystem.IsLinux() ? new FileInfo("/proc/self/fd/2").LinkTarget : null));

        ILoggingBuilder Add(ILogOutput output, bool isJournal) => logs.AddZLoggerLogProcessor(
            new LogSink(output, new LogLines(server.LogFormat, isJournal, time), time));
    }

    /// <summary>The variable names the journal's end by device and inode; children of a service have it too.</summary>
    internal static bool IsJournal(string? journalStream, string? standardError) =>
        journalStream?.Split(':') is [_, { Length: > 0 } inode] && standardError == $"socket:[{inode}]";
}
