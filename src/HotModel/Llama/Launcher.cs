using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using HotModel.Configuration;
using Microsoft.Extensions.Logging;

namespace HotModel.Llama;

/// <summary>Exactly one of the two is set.</summary>
/// <param name="Error">Why the binary cannot be run, one sentence.</param>
internal readonly record struct LaunchResult(ChildProcess? Child, string? Error);

/// <summary>Starts servers such that they end when we do, in whatever way that is.</summary>
/// <remarks>
/// Linux: the parent-death signal (<see cref="LaunchCommand"/>). Linux and macOS: a guard that kills their process
/// groups
/// (<see cref="GuardCommand"/>). Windows: a job (<see cref="WindowsJob"/>). Everywhere: a record of what runs, swept at
/// the next start (<see cref="ChildRecord"/>).
/// </remarks>
internal sealed class Launcher : IDisposable
{
    private readonly SelfExecutable? self;
    private readonly ChildLog log;
    private readonly ChildRecord? record;
    private readonly ILogger logger;
    private readonly Lock gate = new();
    private readonly HashSet<int> guarded = [];
    private readonly List<ChildProcess> children = [];
    private Process? guard;
    private bool disposed;

    /// <param name="self">Null starts children plainly: they are then not tied to our life.</param>
    /// <param name="record">Of running children; null keeps none.</param>
    public Launcher(SelfExecutable? self, ChildLog log, ChildRecord? record, ILogger logger)
    {
        this.self = self;
        this.log = log;
        this.record = record;
        this.logger = logger;
        if (OperatingSystem.IsWindows() && !WindowsJob.Enter())
            LlamaLog.NoJob(logger, Marshal.GetLastPInvokeErrorMessage());
    }

    /// <summary>The record of all launchers together, once what an earlier run left behind has been killed.</summary>
    public static ChildRecord OpenRecord(string stateDirectory, ILogger logger)
    {
        var record = new ChildRecord(stateDirectory);
        foreach (var pid in record.Sweep())
            LlamaLog.Swept(logger, pid);
        return record;
    }

    /// <summary>Sends a signal; a test puts a kernel here in which a process cannot be ended.</summary>
    public Func<int, int, int> Kill { get; init; } = Libc.kill;

    /// <summary>Live processes of all that was started here, what lies below them included.</summary>
    public IReadOnlyList<int> Pids => [.. Children().SelectMany(child => child.Pids)];

    /// <summary>
    /// Why nothing may be loaded: a process that was killed is still there, and with it what it holds. Else null.
    /// </summary>
    public LoadFailure? Unended()
    {
        var pids = Children().SelectMany(child => child.Unended).ToList();
        if (pids.Count == 0)
            return null;
        var named = (pids.Count == 1 ? "Process " : "Processes ") + string.Join(", ", pids);
        return new(LoadFailureReason.Killed,
            $"{named} cannot be ended and still holds its memory: it was killed, but hangs in the kernel. Nothing is "
            + "loaded until it is gone; if it stays, the machine must be restarted.",
            []);
    }

    /// <summary>Kills a child with all below it and waits until it is gone, or seems to stay.</summary>
    /// <returns>False when it stays.</returns>
    public async Task<bool> EndAsync(ChildProcess child, TimeProvider time)
    {
        var gone = await child.EndAsync(time);
        if (!gone)
            LlamaLog.CannotEnd(logger, string.Join(", ", child.Pids));
        return gone;
    }

    public async Task<LaunchResult> StartAsync(
        string binary, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        if (FindBinary(binary) is not { } path)
            return new(null, MissingBinary(binary));
        try
        {
            var child = await SpawnThread.RunAsync(() => Start(path, arguments, environment));
            LlamaLog.Started(logger, path, child.Pid);
            return new(child, null);
        }
        catch (Win32Exception exception)
        {
            return new(null, $"'{path}' cannot be run: {exception.Message}.");
        }
    }

    /// <summary>Why no model can ever be loaded: none of the programs that the configuration names is there. Else null.</summary>
    public static string? Unstartable(HotModelConfig config)
    {
        string[] binaries = config.Llama.BackendMode == BackendMode.Router
            ? [config.Router.Binary] : [.. config.Models.Values.Select(model => model.Binary)];
        return Array.TrueForAll(binaries, binary => FindBinary(binary) is null) ? MissingBinary(binaries[0]) : null;
    }

    /// <summary>Lets the guard go. Children must have been stopped.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            disposed = true;
            CloseGuard_NeedsLock();
        }
    }

    /// <summary>The file that a name on the PATH or a path means; null where nothing can be executed there.</summary>
    internal static string? FindBinary(string binary)
    {
        string[] suffixes = OperatingSystem.IsWindows() && !Path.HasExtension(binary) ? [".exe"] : [""];
        string[] folders = Path.GetFileName(binary) == binary
            ? (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            : [Environment.CurrentDirectory];
        foreach (var folder in folders)
        {
            foreach (var suffix in suffixes)
            {
                var path = Path.GetFullPath(Path.Combine(folder.Length == 0 ? "." : folder, binary + suffix));
                if (IsExecutable(path))
                    return path;
            }
        }
        return null;
    }

    private static string MissingBinary(string binary) => Path.GetFileName(binary) == binary
        ? $"There is no executable '{binary}' on the PATH; set llama.binary to where llama-server is."
        : $"There is no executable '{binary}'; set llama.binary to where llama-server is.";

    private static bool IsExecutable(string path)
    {
        const UnixFileMode anyExecute =
            UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        return File.Exists(path) && (OperatingSystem.IsWindows() || (File.GetUnixFileMode(path) & anyExecute) != 0);
    }

    // Runs on the spawn thread.
    private ChildProcess Start(
        string path, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        var start = new ProcessStartInfo
        {
            FileName = self?.FileName ?? path,
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (self is not null)
        {
            start.ArgumentList.Add(LaunchCommand.Name);
            start.ArgumentList.Add(Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
            start.ArgumentList.Add("--");
            start.ArgumentList.Add(path);
        }
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment)
            start.Environment[name] = value;

        var process = Process.Start(start)!;
        // llama-server's router does not look at its standard input; its children watch pipes that it makes for them.
        process.StandardInput.Close();
        var output = Task.WhenAll(
            log.Follow(process.StandardOutput.BaseStream), log.Follow(process.StandardError.BaseStream));
        // Before its end can be told, or it would be remembered for ever.
        Remember(process.Id, path);
        var child = new ChildProcess(process, leadsGroup: self is not null, Kill, output, Forget);
        lock (gate)
            children.Add(child);
        return child;
    }

    // Whatever is gone is forgotten here: nobody else needs it.
    private List<ChildProcess> Children()
    {
        lock (gate)
        {
            children.RemoveAll(child => child.HasExited && child.Pids.Count == 0);
            return [.. children];
        }
    }

    private void Remember(int pid, string path)
    {
        record?.Add(pid, path);
        if (self is null)
            return;
        lock (gate)
        {
            guarded.Add(pid);
            Tell_NeedsLock($"+{pid}");
        }
    }

    private void Forget(int pid)
    {
        record?.Remove(pid);
        lock (gate)
        {
            if (guarded.Remove(pid))
                Tell_NeedsLock($"-{pid}");
        }
    }

    private void Tell_NeedsLock(string line)
    {
        if (disposed)
            return;
        try
        {
            if (guard is { HasExited: false })
            {
                guard.StandardInput.WriteLine(line);
                return;
            }
            CloseGuard_NeedsLock();
            if (guarded.Count == 0)
                return;
            guard = Process.Start(new ProcessStartInfo
            {
                FileName = self!.FileName,
                ArgumentList = { GuardCommand.Name },
                UseShellExecute = false,
                RedirectStandardInput = true,
            })!;
            guard.StandardInput.AutoFlush = true;
            foreach (var pid in guarded)
                guard.StandardInput.WriteLine($"+{pid}");
        }
        catch (Exception exception) when (exception is IOException or Win32Exception)
        {
            LlamaLog.NoGuard(logger, exception.Message);
        }
    }

    private void CloseGuard_NeedsLock()
    {
        try
        {
            guard?.StandardInput.Close();
        }
        catch (IOException)
        {
            // It is gone, and with it the other end of the pipe.
        }
        guard?.Dispose();
        guard = null;
    }
}
