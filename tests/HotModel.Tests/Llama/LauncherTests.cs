using System.Diagnostics;
using System.Globalization;
using HotModel.Llama;
using Microsoft.Extensions.Logging.Abstractions;

namespace HotModel.Tests.Llama;

[Trait("needs", "llama-server")]
public class LauncherTests
{
    private static readonly Dictionary<string, string> NoEnvironment = [];

    [Theory]
    [InlineData("")]
    [InlineData("streaming")]
    [InlineData("while-loading")]
    public async Task Killed_host_leaves_no_server_within_two_seconds(string when)
    {
        using var folder = new TempFolder();
        var preset = Path.Combine(folder.Path, "p.ini");
        // So much context that the load takes long: the child does not watch its parent while it loads.
        await File.WriteAllTextAsync(preset, $"""
            version = 1
            [a]
            model = {LlamaServer.ModelA}
            c = {(when == "while-loading" ? 400_000_000 : 4096)}

            """);
        var port = TestPorts.Next();
        using var host = Process.Start(new ProcessStartInfo
        {
            FileName = SelfHosting.Self.FileName,
            ArgumentList = { SelfHosting.HostCommand, preset, port.ToString(CultureInfo.InvariantCulture), "a", when },
            RedirectStandardOutput = true,
        })!;
        var word = await host.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(60));
        Assert.StartsWith("ready ", word);
        var pids = ProcessTree.Descendants(host.Id);
        Assert.True(pids.Count >= 3, "the router, its child and the guard");
        HttpResponseMessage? stream = null;
        if (when == "streaming")
        {
            var upstream = new Upstream(RouterLaunch.AddressOf("127.0.0.1", port), "a", word![6..]);
            stream = await BackendScene.PostAsync(upstream, 3000, stream: true);
        }
        var began = Stopwatch.GetTimestamp();

        _ = Libc.kill(host.Id, Libc.SIGKILL);

        await Eventually.TrueAsync(
            () => pids.TrueForAll(pid => ProcessTree.Read(pid) is not { IsLive: true }), TimeSpan.FromSeconds(2));
        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalSeconds, 0, 2);
        stream?.Dispose();
    }

    [Fact]
    public async Task Start_without_the_binary_names_it()
    {
        await using var log = new ChildLog(null);
        using var launcher = new Launcher(null, log, null, NullLogger.Instance);

        var (child, error) = await launcher.StartAsync("no-such-server", [], NoEnvironment);

        Assert.Null(child);
        Assert.Contains("'no-such-server'", error);
    }

    [Fact]
    public async Task Start_plainly_without_a_launcher_gives_status_and_output()
    {
        await using var log = new ChildLog(null);
        using var launcher = new Launcher(null, log, null, NullLogger.Instance);

        var (child, _) = await launcher.StartAsync("sh", ["-c", "echo out; echo err >&2; exit 3"], NoEnvironment);

        Assert.Equal(3, await child!.Exited);
        await child.Output;
        Assert.Equal(["err", "out"], log.Tail(10).Order());
    }

    [Fact]
    public async Task Start_keeps_the_order_of_both_streams_and_passes_arguments_and_environment()
    {
        await using var log = new ChildLog(null);
        using var launcher = new Launcher(SelfHosting.Self, log, null, NullLogger.Instance);

        var (child, _) = await launcher.StartAsync(
            "sh", ["-c", "echo 1; echo 2 >&2; echo \"$1 $X\"", "sh", "an ä argument"],
            new Dictionary<string, string> { ["X"] = "x" });

        Assert.Equal(0, await child!.Exited);
        await child.Output;
        Assert.Equal(["1", "2", "an ä argument x"], log.Tail(10));
    }

    [Fact]
    public async Task Started_process_inherits_no_descriptors_no_ignored_signals_and_an_empty_input()
    {
        await using var log = new ChildLog(null);
        using var launcher = new Launcher(SelfHosting.Self, log, null, NullLogger.Instance);

        var (child, _) = await launcher.StartAsync(
            "sh", ["-c", "ls /proc/self/fd | tr '\\n' ' '; grep SigIgn /proc/self/status; cat"], NoEnvironment);

        Assert.Equal(0, await child!.Exited);
        await child.Output;
        var line = Assert.Single(log.Tail(10));
        // 3 is the folder that ls itself reads.
        Assert.StartsWith("0 1 2 3 SigIgn:\t0000000000000000", line);
    }

    [Fact]
    public async Task Kill_tree_ends_grandchildren_that_left_their_parent()
    {
        await using var log = new ChildLog(null);
        using var launcher = new Launcher(SelfHosting.Self, log, null, NullLogger.Instance);
        var (child, _) = await launcher.StartAsync("sh", ["-c", "(sleep 300 & echo $!) ; sleep 300"], NoEnvironment);
        await Eventually.TrueAsync(() => log.Tail(1).Count == 1, TimeSpan.FromSeconds(10));
        var orphan = int.Parse(log.Tail(1)[0], CultureInfo.InvariantCulture);

        child!.KillTree();
        var status = await child.Exited;

        Assert.Equal(128 + 9, status);
        await Eventually.TrueAsync(() => ProcessTree.Read(orphan) is not { IsLive: true }, TimeSpan.FromSeconds(2));
    }

    [Fact]
    public async Task Terminate_after_the_end_does_nothing()
    {
        await using var log = new ChildLog(null);
        using var launcher = new Launcher(SelfHosting.Self, log, null, NullLogger.Instance);
        var (child, _) = await launcher.StartAsync("true", [], NoEnvironment);
        await child!.Exited;

        child.Terminate();
        child.KillTree();

        Assert.Empty(child.Pids);
    }

    [Fact]
    public async Task Next_start_kills_what_the_record_names_and_nothing_else()
    {
        using var folder = new TempFolder();
        using var mine = Process.Start("sleep", "300");
        using var stranger = Process.Start("sleep", "300");
        var record = new ChildRecord(folder.Path);
        record.Add(mine.Id, "/usr/bin/sleep");
        var file = Path.Combine(folder.Path, "children");
        var start = ProcessTree.Read(stranger.Id)!.Value.StartTicks;
        // The same pid with another start, and with another name: both are somebody else's process.
        File.AppendAllLines(
            file, [$"{stranger.Id} {start + 1} sleep", $"{stranger.Id} {start} llama-server", "garbage"]);

        var killed = new ChildRecord(folder.Path).Sweep();

        Assert.Equal([mine.Id], killed);
        await mine.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(5));
        Assert.False(stranger.HasExited);
        Assert.False(File.Exists(file));
        stranger.Kill();
    }

    [Fact]
    public async Task Record_is_empty_after_an_orderly_end()
    {
        using var folder = new TempFolder();
        await using var log = new ChildLog(null);
        using var launcher = new Launcher(SelfHosting.Self, log, new ChildRecord(folder.Path), NullLogger.Instance);
        var (child, _) = await launcher.StartAsync("sleep", ["300"], NoEnvironment);
        var during = File.ReadAllText(Path.Combine(folder.Path, "children"));

        child!.KillTree();
        await child.Exited;

        Assert.StartsWith($"{child.Pid} ", during);
        Assert.Empty(File.ReadAllText(Path.Combine(folder.Path, "children")));
    }

    [Fact]
    public void Stat_with_parentheses_in_the_name_is_read()
    {
        var entry = ProcessTree.Parse(
            "42 (a) b (c)) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 777 0 0 18446744073709551615");

        Assert.Equal(new ProcessTree.Entry(42, 1, 42, 'S', 777, "a) b (c)"), entry);
    }
}
