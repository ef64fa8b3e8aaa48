using System.ComponentModel;
using System.Diagnostics;

namespace HotModel.Llama;

/// <summary>A server that we started, with everything below it.</summary>
internal sealed class ChildProcess
{
    // A killed process ends as soon as the kernel lets it, and giving back the memory of a large model takes tenths of a
    // second. What is there after this long hangs in the kernel, on a device or a file system, perhaps for ever.
    private static readonly TimeSpan KillLimit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan KillPoll = TimeSpan.FromMilliseconds(1);

    private readonly Process process;
    private readonly bool leadsGroup;
    private readonly Func<int, int, int> kill;
    private readonly Action<int> onEnded;
    private readonly Lock gate = new();
    private IReadOnlyList<ProcessTree.Entry> leftBehind = [];
    private bool ended;
    private volatile bool doomed;

    /// <param name="process">Just started.</param>
    /// <param name="leadsGroup">It was started through <see cref="LaunchCommand"/>, so the whole tree is one
    /// group.</param>
    /// <param name="kill">Sends a signal, as <see cref="Libc.kill"/> does.</param>
    /// <param name="output">Completes when its output has been read to the end.</param>
    /// <param name="onEnded">Called with the pid before <see cref="Exited"/> completes.</param>
    public ChildProcess(
        Process process, bool leadsGroup, Func<int, int, int> kill, Task output, Action<int> onEnded)
    {
        this.process = process;
        this.leadsGroup = leadsGroup;
        this.kill = kill;
        this.onEnded = onEnded;
        Output = output;
        Pid = process.Id;
        Exited = WaitAsync();
    }

    public int Pid { get; }

    /// <summary>
    /// Its exit status (128 + N for signal N). By then what it left behind has been killed, but may not be gone.
    /// </summary>
    public Task<int> Exited { get; }

    public Task Output { get; }

    public bool HasExited => Exited.IsCompleted;

    /// <summary>Live processes of the tree; off Linux only the first is known.</summary>
    public IReadOnlyList<int> Pids => HasExited
        ? [.. leftBehind.Where(ProcessTree.IsThere).Select(entry => entry.Pid)]
        : [Pid, .. ProcessTree.Descendants(Pid)];

    /// <summary>Processes of the tree that were killed and are still there.</summary>
    public IReadOnlyList<int> Unended => doomed || HasExited ? Pids : [];

    /// <summary>
    /// Asks it to end. Windows has no such request for a program without a window: there it is killed.
    /// </summary>
    public void Terminate()
    {
        if (OperatingSystem.IsWindows())
            KillTree();
        else
            Signal(Libc.SIGTERM);
    }

    public void KillTree()
    {
        lock (gate)
        {
            if (ended)
                return;
            doomed = true;
            if (leadsGroup && kill(-Pid, Libc.SIGKILL) == 0)
                return;
            // Not the leader of a group (yet): the launcher may not have come that far.
            try
            {
                process.Kill(entireProcessTree: true);
            }
            catch (Exception exception) when (exception is InvalidOperationException or Win32Exception
                or AggregateException)
            {
                // It ended by itself meanwhile.
            }
        }
    }

    /// <summary>Kills the tree and waits until all of it is gone.</summary>
    /// <returns>False when some of it is still there after a time in which it should not be.</returns>
    public async Task<bool> EndAsync(TimeProvider time)
    {
        KillTree();
        var began = time.GetTimestamp();
        try
        {
            await Exited.WaitAsync(KillLimit, time);
        }
        catch (TimeoutException)
        {
            return false;
        }
        while (Pids.Count > 0)
        {
            if (time.GetElapsedTime(began) > KillLimit)
                return false;
            await Task.Delay(KillPoll, time);
        }
        return true;
    }

    /// <summary>Kills a process of an earlier run with all that belongs to it.</summary>
    public static void KillForeignTree(int pid)
    {
        if (OperatingSystem.IsLinux() && ProcessTree.Read(pid) is { } entry && entry.Group == pid)
            _ = Libc.kill(-pid, Libc.SIGKILL);
        try
        {
            using var process = Process.GetProcessById(pid);
            process.Kill(entireProcessTree: true);
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException
            or Win32Exception or AggregateException)
        {
            // Gone already, which is what was wanted.
        }
    }

    private void Signal(int signal)
    {
        lock (gate)
        {
            // After its end the pid may belong to somebody else.
            if (!ended)
                _ = kill(Pid, signal);
        }
    }

    private async Task<int> WaitAsync()
    {
        await process.WaitForExitAsync();
        lock (gate)
        {
            // Children of a dead router are of no use, hold device memory, and may hold its port. Their group cannot
            // have been given to anybody else while one of them lives.
            if (leadsGroup && kill(-Pid, Libc.SIGKILL) == 0)
                leftBehind = ProcessTree.GroupMembers(Pid);
            ended = true;
        }
        onEnded(Pid);
        var status = process.ExitCode;
        // The reader of its output still needs the streams of the process object.
        _ = Output.ContinueWith(_ => process.Dispose(), TaskScheduler.Default);
        return status;
    }
}
