using System.Globalization;

namespace HotModel.Llama;

/// <summary>
/// <c>hotmodel __guard</c>: reads "+GROUP" and "-GROUP" lines; when its standard input ends, because hotmodel is gone
/// in
/// whatever way, it kills the process groups that are still on the list.
/// </summary>
/// <remarks>
/// The parent-death signal reaches llama-server's router only, not the router's own children. Those leave when their
/// standard input ends, but llama-server 0.7.0 begins to watch it only once the model is loaded: a child that was still
/// loading outlived a killed router by minutes, with 20 GB in its hands. A group kill has no such hole, needs no
/// rights,
/// and works on macOS too, where there is no parent-death signal.
/// </remarks>
internal static class GuardCommand
{
    public const string Name = "__guard";

    public static int Run()
    {
        if (OperatingSystem.IsWindows())
            return 64;

        // Out of the terminal's foreground group, and deaf to a supervisor's SIGTERM: hotmodel may drain for minutes.
        _ = Libc.setpgid(0, 0);
        foreach (var signal in (ReadOnlySpan<int>)[Libc.SIGHUP, Libc.SIGINT, Libc.SIGTERM])
            _ = Libc.signal(signal, Libc.SIG_IGN);

        var groups = new HashSet<int>();
        using (var input = new StreamReader(Console.OpenStandardInput(), bufferSize: 128))
        {
            while (input.ReadLine() is { Length: > 1 } line)
            {
                if (!int.TryParse(line.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out var group))
                    continue;
                if (line[0] == '+')
                    groups.Add(group);
                else
                    groups.Remove(group);
            }
        }
        foreach (var group in groups)
            _ = Libc.kill(-group, Libc.SIGKILL);
        return 0;
    }
}
