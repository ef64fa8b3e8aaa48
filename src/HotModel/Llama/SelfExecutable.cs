namespace HotModel.Llama;

/// <summary>How to run this program again, for <see cref="LaunchCommand"/> and <see cref="GuardCommand"/>.</summary>
internal sealed record SelfExecutable(string FileName)
{
    /// <summary>
    /// Null where the process is a host such as dotnet or a test runner, and on Windows, which has jobs.
    /// </summary>
    public static SelfExecutable? Detect() =>
        !OperatingSystem.IsWindows() && Environment.ProcessPath is { } path && Path.GetFileName(path) == "hotmodel"
            ? new SelfExecutable(path)
            : null;
}
