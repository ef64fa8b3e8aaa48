namespace HotModel.Llama;

/// <summary>How many files and sockets this process may have open at once.</summary>
/// <remarks>
/// Shells and systemd begin with a soft limit of 1024 for the sake of programs that use select(2). .NET raises it at its
/// start, but not under Native AOT (dotnet/runtime#82719). llama-server inherits it: it has a socket for each answer too.
/// </remarks>
internal static class OpenFileLimit
{
    // OPEN_MAX: macOS refuses a higher soft limit, and says that its hard limit is infinite.
    private const ulong MacOsMost = 10240;

    /// <summary>As it is now; null where there is none to speak of.</summary>
    public static int? Current =>
        !OperatingSystem.IsWindows() && Libc.getrlimit(Libc.RLIMIT_NOFILE, out var limit) == 0 && limit.Soft < int.MaxValue
            ? (int)limit.Soft
            : null;

    /// <summary>As far as the system lets us. Where it does not, what there is must do.</summary>
    public static void Raise()
    {
        if (OperatingSystem.IsWindows() || Libc.getrlimit(Libc.RLIMIT_NOFILE, out var limit) != 0)
            return;
        var most = OperatingSystem.IsMacOS() ? Math.Min(limit.Hard, MacOsMost) : limit.Hard;
        if (most > limit.Soft)
            _ = Libc.setrlimit(Libc.RLIMIT_NOFILE, limit with { Soft = most });
    }
}
