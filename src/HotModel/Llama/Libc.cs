using System.Runtime.InteropServices;

namespace HotModel.Llama;

/// <summary>
/// The few calls of libc that .NET has no word for. Native names kept; every one returns -1 on failure.
/// </summary>
internal static partial class Libc
{
    public const int SIGHUP = 1;
    public const int SIGINT = 2;
    public const int SIGKILL = 9;
    public const int SIGPIPE = 13;
    public const int SIGTERM = 15;
    public const int PR_SET_PDEATHSIG = 1;
    public const uint CLOSE_RANGE_CLOEXEC = 4;
    public const int ESRCH = 3;

    public static readonly int RLIMIT_NOFILE = OperatingSystem.IsMacOS() ? 8 : 7;
    public static readonly nint SIG_DFL = 0;
    public static readonly nint SIG_IGN = 1;
    public static readonly int SIG_SETMASK = OperatingSystem.IsMacOS() ? 3 : 2;

    [LibraryImport("libc")]
    public static partial int prctl(int option, nuint argument2, nuint argument3, nuint argument4, nuint argument5);

    [LibraryImport("libc")]
    public static partial int getppid();

    [LibraryImport("libc", SetLastError = true)]
    public static partial int setpgid(int pid, int group);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int kill(int pid, int signal);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int getrlimit(int resource, out ResourceLimit limit);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int setrlimit(int resource, in ResourceLimit limit);

    [LibraryImport("libc")]
    public static partial nint signal(int signal, nint handler);

    /// <param name="set">A sigset_t; 128 bytes are enough on every system here.</param>
    [LibraryImport("libc")]
    public static unsafe partial int sigprocmask(int how, byte* set, byte* old);

    [LibraryImport("libc")]
    public static partial int dup2(int from, int to);

    [LibraryImport("libc")]
    public static partial int close_range(uint first, uint last, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int execvp(byte* file, byte** arguments);

    /// <summary>struct rlimit of 64-bit systems.</summary>
    public struct ResourceLimit
    {
        public ulong Soft;
        public ulong Hard;
    }
}
