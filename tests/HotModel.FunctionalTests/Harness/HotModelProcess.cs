using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests.Harness;

/// <summary>A running "hotmodel serve". Disposing it ends it and proves that it left no process behind.</summary>
internal sealed class HotModelProcess : IAsyncDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(20);

    private readonly Process process;
    private readonly StringBuilder log = new();
    private bool mayFail;

    private HotModelProcess(Setup setup, Process process)
    {
        Setup = setup;
        this.process = process;
        Api = new Api(new Uri($"http://127.0.0.1:{setup.Port}/"), setup.ApiKey);
    }

    public Setup Setup { get; }
    public Api Api { get; }
    public int Pid => process.Id;

    public string Log
    {
        get
        {
            lock (log)
                return log.ToString();
        }
    }

    /// <summary>The llama-server that hotmodel started: the router, or the model itself in process mode.</summary>
    public ProcessEntry Server => ProcessTree.Descendants(Pid).First(IsLlamaServer);

    /// <summary>The process that holds the model, below the router.</summary>
    public ProcessEntry ModelChild => ProcessTree.Descendants(Server.Pid)[0];

    /// <summary>Ready to answer chats with the setup's active model, if it has one.</summary>
    public static async Task<HotModelProcess> StartAsync(Setup setup)
    {
        var hotmodel = await StartWithoutModelAsync(setup);
        try
        {
            if (setup.ActiveModel is { } model)
                await hotmodel.ActiveAsync(model);
            return hotmodel;
        }
        catch
        {
            TestContext.Current.TestOutputHelper?.WriteLine(hotmodel.Log);
            await hotmodel.KillAsync();
            await hotmodel.DisposeAsync();
            throw;
        }
    }

    /// <summary>As soon as /health answers, whatever it says.</summary>
    public static async Task<HotModelProcess> StartWithoutModelAsync(Setup setup)
    {
        if (!File.Exists(setup.ConfigPath))
            setup.Write();
        var hotmodel = new HotModelProcess(setup, Launch(setup));
        hotmodel.CollectLog();
        try
        {
            await Until.True(hotmodel.IsAnsweringAsync, StartLimit);
        }
        catch
        {
            await hotmodel.KillAsync();
            throw new InvalidOperationException("hotmodel did not start:\n" + hotmodel.Log);
        }
        return hotmodel;
    }

    /// <summary>Waits until that model answers.</summary>
    public Task ActiveAsync(string model) => Until.True(
        async () => await StateAsync() is var state
            && (string?)state["active_model"] == model && (string?)state["phase"] == "ready",
        StartLimit,
        $"{model} is active");

    /// <summary>Waits for the log to hold that text: it is written behind what it tells of.</summary>
    public Task LogsAsync(string text) =>
        Until.True(() => Log.Contains(text, StringComparison.Ordinal), StartLimit, $"the log has: {text}");

    public async Task<JsonObject> StateAsync() => (await Api.GetAsync("admin/state")).Json;

    /// <summary>A client of the router itself, with the key that hotmodel gave it.</summary>
    public Api OpenRouter()
    {
        var key = ProcessTree.EnvironmentVariable(Server.Pid, "LLAMA_API_KEY");
        return new Api(new Uri($"http://127.0.0.1:{Setup.RouterPort}/"), key);
    }

    /// <summary>A client of the loaded model's own process, below the router.</summary>
    public async Task<Api> OpenModelAsync()
    {
        using var router = OpenRouter();
        var models = (await router.GetAsync("models")).Json["data"]!.AsArray();
        var loaded = models.Single(model => (string?)model!["status"]!["value"] == "loaded")!;
        var arguments = loaded["status"]!["args"]!.AsArray().Select(argument => (string?)argument).ToList();
        var port = arguments[arguments.IndexOf("--port") + 1];
        var key = ProcessTree.EnvironmentVariable(Server.Pid, "LLAMA_API_KEY");
        return new Api(new Uri($"http://127.0.0.1:{port}/"), key);
    }

    /// <summary>Runs another command of the program with this one's configuration.</summary>
    public Task<Output> CommandAsync(params string[] arguments) =>
        CommandLine.RunAsync([.. arguments, "--config", Setup.ConfigPath]);

    /// <summary>SIGKILL; nothing is expected of its exit code afterwards.</summary>
    public async Task KillAsync()
    {
        mayFail = true;
        if (!process.HasExited)
            process.Kill();
        await process.WaitForExitAsync();
    }

    /// <summary>SIGTERM; the exit code.</summary>
    public async Task<int> StopAsync()
    {
        ProcessTree.Send(Pid, Signal.Terminate);
        using var limit = new CancellationTokenSource(StopLimit);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            Assert.Fail($"hotmodel did not end within {StopLimit.TotalSeconds} s of SIGTERM:\n{Log}");
        }
        return process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        Api.Dispose();
        var exitCode = process.HasExited ? process.ExitCode : await StopAsync();
        process.Dispose();
        var left = ProcessTree.Marked(Setup.Folder);
        foreach (var entry in left)
            ProcessTree.Send(entry.Pid, Signal.Kill);
        TestContext.Current.TestOutputHelper?.WriteLine(Log);
        Directory.Delete(Setup.Folder, recursive: true);
        if (!mayFail)
            Assert.True(exitCode == 0, $"exit code {exitCode}:\n{Log}");
        Assert.True(left.Count == 0, "left running: " + string.Join("; ", left.Select(e => e.CommandLine)));
    }

    // The program may keep processes of its own between itself and the server.
    private static bool IsLlamaServer(ProcessEntry entry) =>
        entry.CommandLine.Split(' ')[0] is var program
        && (program == Programs.LlamaServer || program == Programs.FakeLlamaServer);

    private static Process Launch(Setup setup)
    {
        var prelude = (setup.Limit is { } limit ? $"ulimit {limit} && " : "")
            + (setup.StandardError is { } file ? $"exec 2>'{file}' && " : "");
        var start = new ProcessStartInfo(prelude.Length == 0 ? Programs.HotModel : "/bin/sh")
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            RedirectStandardInput = true,
            // Another than the configuration's, so that a path resolved against it shows.
            WorkingDirectory = "/",
        };
        if (prelude.Length > 0)
        {
            foreach (var argument in (ReadOnlySpan<string>)[
                "-c", $"{prelude}exec \"$0\" \"$@\"", Programs.HotModel])
                start.ArgumentList.Add(argument);
        }
        foreach (var argument in (ReadOnlySpan<string>)["serve", "--config", setup.ConfigPath])
            start.ArgumentList.Add(argument);
        start.Environment["HOTMODEL_TEST_FOLDER"] = setup.Folder;
        foreach (var (name, value) in setup.Environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }

    private void CollectLog()
    {
        process.OutputDataReceived += (_, line) => Add(line.Data);
        process.ErrorDataReceived += (_, line) => Add(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();

        void Add(string? line)
        {
            lock (log)
                log.AppendLine(line);
        }
    }

    private async Task<bool> IsAnsweringAsync()
    {
        if (process.HasExited)
            throw new InvalidOperationException($"exit code {process.ExitCode}");
        try
        {
            await Api.GetAsync("health");
            return true;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
