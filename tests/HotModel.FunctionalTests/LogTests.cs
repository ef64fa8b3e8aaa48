using System.Diagnostics;
using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests;

/// <summary>The program's own log: its forms, its file, and that nobody waits for it.</summary>
public sealed class LogTests
{
    [Fact]
    public async Task Json_log_has_an_object_on_each_line()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { Server = "log_format = \"json\"" });
        await hotmodel.Api.SwitchAsync("b");
        // What could break a formatter: an answer that is cut, with an exception's text.
        ProcessTree.Send(hotmodel.ModelChild.Pid, Signal.Kill);
        await Until.True(
            () => Task.FromResult(hotmodel.Log.Contains("\"level\":\"warning\"", StringComparison.Ordinal)), TimeSpan.FromSeconds(10));
        Assert.Equal(0, await hotmodel.StopAsync());

        var lines = hotmodel.Log.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!).ToList();

        Assert.All(lines, line =>
        {
            Assert.True(DateTimeOffset.TryParse((string?)line["time"], out _), line.ToJsonString());
            Assert.Contains((string?)line["level"], (string[])["information", "warning", "error"]);
            Assert.NotEqual("", (string?)line["message"]);
        });
        var switched = lines.Single(line => (string?)line["values"]?["model"] == "b"
            && line["values"]!["seconds"] is not null && line["values"]!["outcome"] is not null);
        Assert.InRange((double)switched["values"]!["seconds"]!, 0.001, 60);
    }

    [Fact]
    public async Task Log_file_takes_the_log_and_standard_error_stays_empty()
    {
        var setup = new Setup { Server = "log_file = \"logs/hotmodel.log\"" };
        string text;
        await using (var hotmodel = await HotModelProcess.StartAsync(setup))
        {
            Assert.Equal(0, await hotmodel.StopAsync());
            text = await File.ReadAllTextAsync(
                Path.Combine(setup.Folder, "logs", "hotmodel.log"), TestContext.Current.CancellationToken);
            Assert.Equal("", hotmodel.Log.Trim());
        }
        Assert.Contains(" listens on http://127.0.0.1:", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Log_file_on_a_full_disk_holds_nobody_up()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "this system has no /dev/full");
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { Server = "log_file = \"/dev/full\"" });
        Assert.Equal(200, (await hotmodel.Api.ChatAsync("hello")).Status);
        Assert.Equal(200, (await hotmodel.Api.SwitchAsync("b")).Status);
    }

    [Fact]
    public async Task Standard_error_that_nobody_reads_holds_nobody_up()
    {
        var setup = new Setup { FakeFaults = "" };
        setup.Write();
        var start = new ProcessStartInfo(Programs.HotModel, ["serve", "--config", setup.ConfigPath])
        {
            RedirectStandardError = true,
            WorkingDirectory = "/",
        };
        start.Environment["HOTMODEL_TEST_FOLDER"] = setup.Folder;
        using var process = Process.Start(start)!;
        using var api = new Api(new Uri($"http://127.0.0.1:{setup.Port}/"));
        try
        {
            await Until.True(async () => await IsReadyAsync(api), TimeSpan.FromSeconds(20), "the model answers");
            // Each has some six lines of a hundred bytes, and a pipe holds 64 KiB.
            for (var i = 0; i < 150; i++)
                Assert.Equal(200, (await api.SwitchAsync(i % 2 == 0 ? "b" : "a")).Status);
            Assert.Equal(200, (await api.ChatAsync("hello")).Status);
        }
        finally
        {
            ProcessTree.Send(process.Id, Signal.Terminate);
            // The end may wait for its last lines.
            var log = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.InRange(log.Length, 64 << 10, int.MaxValue);
            Directory.Delete(setup.Folder, recursive: true);
        }
    }

    [Fact]
    public async Task End_does_not_wait_for_a_standard_error_that_takes_nothing()
    {
        const int pipeBytes = 64 * 1024;
        var setup = new Setup { FakeFaults = "" };
        setup.StandardError = Path.Combine(setup.Folder, "stderr");
        using (var mkfifo = Process.Start("mkfifo", [setup.StandardError]))
            await mkfifo.WaitForExitAsync(TestContext.Current.CancellationToken);
        // Open in both directions, so that neither end waits for the other; full, so that the first line blocks.
        await using var pipe = new FileStream(setup.StandardError, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, 0);
        await pipe.WriteAsync(new byte[pipeBytes], TestContext.Current.CancellationToken);

        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        Assert.Equal(200, (await hotmodel.Api.SwitchAsync("b")).Status);
        Assert.Equal(200, (await hotmodel.Api.ChatAsync("hello")).Status);
        Assert.Equal(0, await hotmodel.StopAsync());
    }

    [Fact]
    public async Task Lines_that_a_full_disk_did_not_take_are_counted_once_there_is_room()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "this system has no /dev/full");
        var setup = new Setup { FakeFaults = "", Server = "log_file = \"hotmodel.log\"" };
        var path = Path.Combine(setup.Folder, "hotmodel.log");
        File.CreateSymbolicLink(path, "/dev/full");
        await using var hotmodel = await HotModelProcess.StartAsync(setup);

        File.Delete(path);
        Assert.Equal(200, (await hotmodel.Api.SwitchAsync("b")).Status);
        await Until.True(() => File.ReadAllText(path).Contains("lines of the log are missing", StringComparison.Ordinal),
            TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Log_file_that_cannot_be_written_and_a_program_that_is_not_there_are_told_at_the_start()
    {
        var setup = new Setup();
        setup.Write();
        var noLog = await CommandLine.RunAsync(
            [("HOTMODEL_SERVER__LOG_FILE", setup.ConfigPath + "/x.log")], "serve", "--config", setup.ConfigPath);
        var noServer = await CommandLine.RunAsync(
            [("HOTMODEL_LLAMA__BINARY", "/nowhere/llama-server")], "serve", "--config", setup.ConfigPath);
        Directory.Delete(setup.Folder, recursive: true);

        Assert.Equal((1, 1), (noLog.ExitCode, noServer.ExitCode));
        Assert.StartsWith(
            $"hotmodel cannot start: server.log_file {setup.ConfigPath}/x.log cannot be written: ", noLog.Error, StringComparison.Ordinal);
        Assert.Equal(
            "hotmodel cannot start: There is no executable '/nowhere/llama-server'; set llama.binary to where llama-server is.",
            noServer.Error.Trim());
    }

    private static async Task<bool> IsReadyAsync(Api api)
    {
        try
        {
            return (string?)(await api.GetAsync("admin/state")).Json["phase"] == "ready";
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
