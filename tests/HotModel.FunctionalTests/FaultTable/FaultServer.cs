using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace HotModel.FunctionalTests.FaultTable;

/// <summary>A HotModel whose llama-server is the fake, with faults that change while it runs.</summary>
internal sealed partial class FaultServer : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);
    // More at once starve each other.
    private static readonly SemaphoreSlim Starts = new(2);

    private readonly ServerKind kind;
    private readonly Setup setup;
    private readonly FakeGpu? gpu;
    private HotModelProcess? process;

    private FaultServer(ServerKind kind, string faults)
    {
        this.kind = kind;
        setup = new Setup
        {
            FakeFaults = Join(kind.Faults, faults),
            HasFaultFile = true,
            Server = kind.ServerAtStart,
            Snapshots = kind.Snapshots,
            Environment = kind.HasGpu ? FakeGpu.Environment(out gpu) : new Dictionary<string, string>(),
        };
        setup.Tiny("a", lines: kind.Model).Tiny("b", lines: kind.Model);
    }

    public HotModelProcess Process => process!;
    public Api Api => Process.Api;

    /// <summary>Used of the video memory, in MiB; where there is any.</summary>
    public string VideoMemory
    {
        set => gpu?.Write(value);
    }

    /// <param name="kind">Which.</param>
    /// <param name="faults">Of the fake; null: none, and a is ready.</param>
    public static async Task<FaultServer> StartAsync(ServerKind kind, string? faults = null)
    {
        var server = new FaultServer(kind, faults ?? "");
        await Starts.WaitAsync();
        try
        {
            server.process = await HotModelProcess.StartWithoutModelAsync(server.setup);
            if (faults is null)
                await server.StateAsync("phase", "ready");
            await server.BeHastyAsync();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
        finally
        {
            Starts.Release();
        }
    }

    /// <summary>From now on the fake has these faults.</summary>
    public void Set(string faults) => setup.SetFaults(Join(kind.Faults, faults));

    public Task KillAsync(Victim victim) => victim switch
    {
        Victim.Nobody => Task.CompletedTask,
        Victim.Model => KillModelAsync(),
        Victim.Server => KillServerAsync(),
    };

    /// <summary>A place in the fake's log, see <see cref="LoggedAsync"/>.</summary>
    public int Mark() => Log().Length;

    /// <summary>Waits for such a line behind the mark.</summary>
    public Task LoggedAsync(string words, int mark) =>
        Until.True(() => Log().Skip(mark).Contains(words), Limit, $"the fake logs \"{words}\"");

    public Task StateAsync(string name, string value) => Until.True(
        async () => (await Process.StateAsync())[name]?.ToString() == value, Limit, $"{name} is {value}");

    /// <summary>Waits until nobody is let in any more.</summary>
    public Task ClosedAsync() => Until.True(
        async () =>
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await socket.ConnectAsync(IPAddress.Loopback, setup.Port);
                return false;
            }
            catch (SocketException)
            {
                return true;
            }
        },
        Limit,
        "hotmodel takes no more connections");

    /// <summary>Never two models at once, as the fake and the system's list of processes have it.</summary>
    public string? Overlap(int mark)
    {
        var up = new HashSet<string>();
        foreach (var line in Log().Skip(mark))
        {
            var (word, model) = line.Split(' ') is [var first, var second] ? (first, second) : (line, "");
            if (word == "two")
                return $"{model} was loaded while the process of another was there";
            // What a killed router had loaded has ended with it, or "two" would tell.
            if (word == "start")
                up.Clear();
            else if (word == "load")
                up.Add(model);
            else if (word == "unloaded")
                up.Remove(model);
            if (up.Count > 1)
                return string.Join(" and ", up) + " at once";
        }
        return null;
    }

    /// <summary>Without faults, with a loaded and nothing else going on.</summary>
    public async Task ResetAsync()
    {
        Set("");
        VideoMemory = FakeGpu.Little;
        await Until.True(
            async () => (string?)(await Api.SwitchAsync("a")).Json["active_model"] == "a", Limit, "a can be loaded again");
        if (kind.Snapshots.Length > 0)
            await SaveConversationAsync();
        Assert.Equal(200, (await Api.ChatAsync("hello", session: "steady")).Status);
        VideoMemory = FakeGpu.Much;
    }

    /// <summary>Only now: on a slow machine llama-server itself needs longer to start.</summary>
    private async Task BeHastyAsync()
    {
        var toml = await File.ReadAllTextAsync(setup.ConfigPath);
        var hasty = toml.Replace(kind.ServerAtStart, kind.Server, StringComparison.Ordinal);
        await File.WriteAllTextAsync(setup.ConfigPath, hasty);
        if (hasty != toml)
            Assert.Equal(200, (await Api.PostAsync("admin/reload", [])).Status);
    }

    /// <summary>So that b has something to restore.</summary>
    private async Task SaveConversationAsync()
    {
        await Api.SwitchAsync("b");
        await Api.ChatAsync("hello", session: "steady");
        await Api.SwitchAsync("a");
    }

    /// <summary>Without what differs from run to run.</summary>
    public string Plain(string text) => Port().Replace(text.Replace(setup.Folder + "/", "", StringComparison.Ordinal), ":PORT");

    [GeneratedRegex(@"(?<=127\.0\.0\.1):\d+")]
    private static partial Regex Port();

    public async ValueTask DisposeAsync()
    {
        if (process is not null)
            await process.DisposeAsync();
        gpu?.Dispose();
    }

    private string[] Log() => File.Exists(setup.FakeLogPath)
        ? [.. File.ReadAllLines(setup.FakeLogPath).Select(l => l[(l.IndexOf(' ', StringComparison.Ordinal) + 1)..])] : [];

    private async Task KillModelAsync()
    {
        var mark = Mark();
        ProcessTree.Send(Process.ModelChild.Pid, Signal.Kill);
        await Until.True(() => Log().Skip(mark).Any(line => line.StartsWith("unloaded", StringComparison.Ordinal)), Limit);
    }

    private async Task KillServerAsync()
    {
        var pid = Process.Server.Pid;
        ProcessTree.Send(pid, Signal.Kill);
        await Until.True(() => !ProcessTree.IsAlive(pid), Limit, "the killed process is gone");
    }

    /// <summary>Both lists of faults as one; each may be empty.</summary>
    public static string Join(string first, string second) =>
        first.Length == 0 ? second : second.Length == 0 ? first : $"{first},{second}";
}
