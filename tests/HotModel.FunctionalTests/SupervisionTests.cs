using System.Diagnostics;

namespace HotModel.FunctionalTests;

/// <summary>As systemd supervises a service: what it is told, and when.</summary>
public sealed class SupervisionTests
{
    private static Setup With(NotifySocket socket, params (string Name, string Value)[] more) => new()
    {
        Environment = more.Append(("NOTIFY_SOCKET", socket.Path)).ToDictionary(),
    };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Ready_is_said_when_the_model_answers_and_the_stop_is_announced(bool isAbstract)
    {
        using var socket = new NotifySocket(isAbstract);
        await using var hotmodel = await HotModelProcess.StartWithoutModelAsync(With(socket));
        var (before, ready) = await UntilReadyAsync(socket);
        Assert.Contains("STATUS=Loading a", before);
        Assert.Contains("EXTEND_TIMEOUT_USEC=660000000", before);
        Assert.Equal("READY=1\nSTATUS=a answers", ready);
        Assert.Equal("ready", (string?)(await hotmodel.StateAsync())["phase"]);

        await hotmodel.Api.SwitchAsync("b");
        await socket.WaitForAsync("STATUS=Loading b");
        Assert.Equal("STATUS=b answers", await socket.NextAsync());

        Assert.Equal(0, await hotmodel.StopAsync());
        Assert.StartsWith("STOPPING=1\nEXTEND_TIMEOUT_USEC=", await socket.NextAsync(), StringComparison.Ordinal);
        Assert.DoesNotContain(socket.Drain(), message => message.Contains("READY", StringComparison.Ordinal));
    }

    [Fact]
    public async Task First_model_that_does_not_load_is_told_and_the_service_runs()
    {
        using var socket = new NotifySocket();
        await using var hotmodel = await HotModelProcess.StartWithoutModelAsync(With(socket).Model("a"));
        var (before, ready) = await UntilReadyAsync(socket);
        Assert.Contains("STATUS=Loading a", before);
        Assert.StartsWith("READY=1\nSTATUS=a is not loaded, and is tried again: ", ready, StringComparison.Ordinal);
    }

    private static async Task<(IReadOnlyList<string> Before, string Ready)> UntilReadyAsync(NotifySocket socket)
    {
        List<string> before = [];
        while (true)
        {
            var message = await socket.NextAsync();
            if (message.Contains("READY", StringComparison.Ordinal))
                return (before, message);
            before.AddRange(message.Split('\n'));
        }
    }

    [Fact]
    public async Task Reload_is_told_with_its_end_whether_the_file_is_good_or_not()
    {
        using var socket = new NotifySocket();
        await using var hotmodel = await HotModelProcess.StartAsync(With(socket));
        await UntilReadyAsync(socket);
        using var answer = await hotmodel.Api.StreamAsync("hello", maxTokens: 200);
        await answer.BegunAsync();
        var file = await File.ReadAllTextAsync(hotmodel.Setup.ConfigPath, TestContext.Current.CancellationToken);
        foreach (var (text, said) in ((string, string)[])[
            (file.Replace("[session]\n", "[session]\nmax_sessions = 9\n", StringComparison.Ordinal), "session.max_sessions"),
            (file + "\n[nonsense]\n", "nonsense")])
        {
            File.WriteAllText(hotmodel.Setup.ConfigPath, text);
            ProcessTree.Send(hotmodel.Pid, Signal.HangUp);
            Assert.StartsWith("RELOADING=1\nMONOTONIC_USEC=", await socket.NextAsync(), StringComparison.Ordinal);
            Assert.Equal("READY=1", await socket.NextAsync());
            await hotmodel.LogsAsync(said);
        }
        await answer.WholeAsync();
        Assert.Empty(socket.Drain());
    }

    [Fact]
    public async Task Watchdog_is_fed_while_the_program_goes_round_and_not_when_it_hangs()
    {
        using var socket = new NotifySocket();
        await using var hotmodel = await HotModelProcess.StartAsync(With(socket, ("WATCHDOG_USEC", "200000")));
        socket.Drain();
        var began = Stopwatch.GetTimestamp();
        for (var i = 0; i < 3; i++)
            await socket.WaitForAsync("WATCHDOG=1");
        // Each half of the limit.
        Assert.InRange(Stopwatch.GetElapsedTime(began), TimeSpan.FromMilliseconds(150), TimeSpan.FromSeconds(10));

        ProcessTree.Send(hotmodel.Pid, Signal.Stop);
        try
        {
            await Until.True(
                () => Task.FromResult(ProcessTree.IsStopped(hotmodel.Pid)), TimeSpan.FromSeconds(5), "it is stopped");
            socket.Drain();
            await Task.Delay(TimeSpan.FromMilliseconds(400), TestContext.Current.CancellationToken);
            Assert.Empty(socket.Drain());
        }
        finally
        {
            ProcessTree.Send(hotmodel.Pid, Signal.Continue);
        }
        await socket.WaitForAsync("WATCHDOG=1");
    }

    [Fact]
    public async Task Watchdog_of_another_process_is_not_fed()
    {
        using var socket = new NotifySocket();
        await using var hotmodel = await HotModelProcess.StartAsync(
            With(socket, ("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")));
        Assert.DoesNotContain("WATCHDOG=1", socket.Drain());
    }

    [Fact]
    public async Task Children_do_not_get_the_supervisors_socket()
    {
        using var socket = new NotifySocket();
        await using var hotmodel = await HotModelProcess.StartAsync(
            With(socket, ("WATCHDOG_USEC", "60000000"), ("WATCHDOG_PID", "1")));
        var children = ProcessTree.Descendants(hotmodel.Pid);
        // The router, its model, and the guard.
        Assert.InRange(children.Count, 3, 10);
        foreach (var child in children)
        {
            foreach (var name in (string[])["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"])
                Assert.Null(ProcessTree.EnvironmentVariable(child.Pid, name));
        }
    }

    [Fact]
    public async Task Model_that_is_loaded_for_long_is_not_called_ready()
    {
        using var socket = new NotifySocket();
        var setup = new Setup
        {
            FakeFaults = "load-hangs@a",
            Environment = new Dictionary<string, string>
            {
                ["NOTIFY_SOCKET"] = socket.Path,
                ["WATCHDOG_USEC"] = "200000",
            },
        };
        await using var hotmodel = await HotModelProcess.StartWithoutModelAsync(setup);
        List<string> messages = [];
        // A loop that goes round, and a load that does not end.
        await Until.True(
            () =>
            {
                messages.AddRange(socket.Drain());
                return messages.Count(message => message == "WATCHDOG=1") >= 5;
            },
            TimeSpan.FromSeconds(20), "five pings");
        Assert.Contains(messages, message => message.EndsWith("STATUS=Loading a", StringComparison.Ordinal));
        Assert.DoesNotContain(messages, message => message.Contains("READY", StringComparison.Ordinal));
        Assert.Equal(0, await hotmodel.StopAsync());
        Assert.DoesNotContain(socket.Drain(), message => message.Contains("READY", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Unit_file_is_what_systemd_takes()
    {
        const string analyze = "/usr/bin/systemd-analyze";
        Assert.SkipUnless(File.Exists(analyze), "there is no systemd-analyze");
        var folder = Directory.CreateTempSubdirectory("hotmodel-test-");
        var unit = Path.Combine(folder.FullName, "hotmodel.service");
        var text = await File.ReadAllTextAsync(
            Path.Combine(Programs.RepositoryRoot, "scripts", "hotmodel.service"), TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(unit, text.Replace("/usr/local/bin/hotmodel", Programs.HotModel, StringComparison.Ordinal),
            TestContext.Current.CancellationToken);
        using var process = Process.Start(
            new ProcessStartInfo(analyze, ["verify", "--man=no", unit]) { RedirectStandardError = true })!;
        var said = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        folder.Delete(recursive: true);

        // It tells of other units of the machine too.
        Assert.DoesNotContain("hotmodel", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Supervisor_that_does_not_listen_holds_nobody_up()
    {
        var setup = new Setup
        {
            Environment = new Dictionary<string, string>
            {
                ["NOTIFY_SOCKET"] = "/nowhere/at/all",
                ["WATCHDOG_USEC"] = "200000",
            },
        };
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        Assert.Equal(200, (await hotmodel.Api.ChatAsync("hello")).Status);
        await hotmodel.LogsAsync("The supervisor could not be told");
    }
}
