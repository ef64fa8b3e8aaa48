using System.ComponentModel;
using System.Diagnostics;

namespace HotModel.Llama;

/// <summary>A server that we started, with everything below it.</summary>
internal sealed class ChildProcess
{
    private readonly Process process;
    private readonly bool leadsGroup;
    private readonly Action<int> onEnded;
    private readonly Lock gate = new();
    private bool ended;

    /// <param name="process">Just started.</param>
    /// <param name="leadsGroup">It was started through <see cref="LaunchCommand"/>, so the whole tree is one
    /// group.</param>
    /// <param name="output">Completes when its output has been read to the end.</param>
    /// <param name="onEnded">Called with the pid before <see cref="Exited"/> completes.</param>
    public ChildProcess(Process process, bool leadsGroup, Task output, Action<int> onEnded)
    {
        this.process = process;
        this.leadsGroup = leadsGroup;
        this.onEnded = onEnded;
        Output = output;
        Pid = process.Id;
        Exited = WaitAsync();
    }

    public int Pid { get; }

    /// <summary>Its exit status (128 + N for signal N). By then what it left behind has been killed.</summary>
    public Task<int> Exited { get; }

    public Task Output { get; }

    public bool HasExited => Exited.IsCompleted;

    /// <summary>Live processes of the tree; off Linux only the first is known.</summary>
    public IReadOnlyList<int> Pids => HasExited ? [] : [Pid, .. ProcessTree.Descendants(Pid)];

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
            if (leadsGroup && Libc.kill(-Pid, Libc.SIGKILL) == 0)
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
                _ = Libc.kill(Pid, signal);
        }
    }

    private async Task<int> WaitAsync()
    {
        await process.WaitForExitAsync();
        lock (gate)
        {
            // Children of a dead router are of no use, hold device memory, and may hold its port. Their group cannot
            // have been given to anybody else while one of them lives.
            if (leadsGroup)
                _ = Libc.kill(-Pid, Libc.SIGKILL);
            ended = true;
        }
        onEnded(Pid);
        var status = process.ExitCode;
        // The reader of its output still needs the streams of the process object.
        _ = Output.ContinueWith(_ => process.Dispose(), TaskScheduler.Default);
        return status;
    }
}
