using System.Globalization;
using System.Runtime.InteropServices;

namespace HotModel.Llama;

/// <summary>
/// <c>hotmodel __launch PARENT-PID -- BINARY ARGS…</c>: becomes BINARY, tied to the life of the parent.
/// </summary>
/// <remarks>Runs before anything else in Main: it costs one start of the runtime and nothing is left of it.</remarks>
internal static class LaunchCommand
{
    public const string Name = "__launch";

    // What a shell answers when a command is not there.
    public const int CannotRunExitCode = 127;
    public const string CannotRunMessage = "hotmodel: cannot run ";
    private const int UsageExitCode = 64;

    public static int Run(IReadOnlyList<string> args)
    {
        if (args is not [Name, var parentText, "--", _, ..]
            || !int.TryParse(parentText, NumberStyles.None, CultureInfo.InvariantCulture, out var parent)
            || OperatingSystem.IsWindows())
        {
            Console.Error.WriteLine($"usage: hotmodel {Name} PARENT-PID -- BINARY ARGS (internal)");
            return UsageExitCode;
        }

        // A group of its own: a Ctrl-C in the terminal reaches hotmodel alone, which then stops its children in order,
        // and one kill of the group ends the whole tree.
        _ = Libc.setpgid(0, 0);
        if (OperatingSystem.IsLinux())
            _ = Libc.prctl(Libc.PR_SET_PDEATHSIG, Libc.SIGKILL, 0, 0, 0);

        // The parent may have died before the signal was armed: then it never comes.
        if (Libc.getppid() != parent)
            return CannotRunExitCode;

        Prepare();
        return Execute([.. args.Skip(3)]);
    }

    private static unsafe void Prepare()
    {
        // One pipe for both streams keeps their lines in order.
        _ = Libc.dup2(1, 2);

        // exec resets handlers but keeps what is ignored (.NET ignores SIGPIPE) and what is blocked.
        _ = Libc.signal(Libc.SIGPIPE, Libc.SIG_DFL);
        var none = stackalloc byte[128];
        new Span<byte>(none, 128).Clear();
        _ = Libc.sigprocmask(Libc.SIG_SETMASK, none, null);

        try
        {
            _ = Libc.close_range(3, uint.MaxValue, Libc.CLOSE_RANGE_CLOEXEC);
        }
        catch (EntryPointNotFoundException)
        {
            // glibc before 2.34, macOS: .NET opens everything with close-on-exec anyway.
        }
    }

    private static unsafe int Execute(string[] command)
    {
        var arguments = (byte**)NativeMemory.AllocZeroed((nuint)command.Length + 1, (nuint)sizeof(byte*));
        for (var i = 0; i < command.Length; i++)
            arguments[i] = (byte*)Marshal.StringToCoTaskMemUTF8(command[i]);
        _ = Libc.execvp(arguments[0], arguments);

        var reason = Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError());
        Console.Error.WriteLine($"{CannotRunMessage}'{command[0]}': {reason}");
        return CannotRunExitCode;
    }
}
