using System.Diagnostics;
using System.Globalization;
using HotModel.FunctionalTests.Harness;
using LoadTests;
using TinyGguf;

namespace Soak;

/// <summary>The hotmodel that is soaked, in a folder of its own, with the real llama-server and two tiny models.</summary>
internal sealed class Bench : IAsyncDisposable
{
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan GoneLimit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(20);
    // The second is what a reload toggles to and fro.
    private static readonly int[] ContextTokens = [65536, 61440];

    private readonly string hotmodel;
    private readonly string llamaServer;
    private readonly string folder = Directory.CreateTempSubdirectory("hotmodel-soak-").FullName;
    private readonly int port = FreePort.Next();
    private readonly int routerPort = FreePort.Next();
    private Process? process;
    private int reloads;

    public Bench(string hotmodel, string llamaServer)
    {
        (this.hotmodel, this.llamaServer) = (hotmodel, llamaServer);
        // One vocabulary, or what one model says would be many more tokens for the other.
        for (int layers = 2; layers <= 3; layers++)
        {
            string name = layers == 2 ? Models[0] : Models[1];
            new TinyModel { Name = name, Seed = 1, Layers = layers, Context = ContextTokens[0] }
                .Write(Path.Combine(folder, name + ".gguf"));
        }
        WriteConfig();
    }

    public static readonly IReadOnlyList<string> Models = ["two", "three"];

    public Uri Address => new($"http://127.0.0.1:{port}/");

    public string StateFolder => Path.Combine(folder, ".hotmodel");

    public string LogFile => Path.Combine(folder, "hotmodel.log");

    public int Pid => process!.Id;

    public bool HasEnded => process is not { HasExited: false };

    /// <summary>llama-server's router, and the process of the loaded model below it. Null: there is none now.</summary>
    public int? Router => ProcessTree.Descendants(Pid)
        .FirstOrDefault(e => e.CommandLine.StartsWith(llamaServer, StringComparison.Ordinal))?.Pid;

    public int? Model => Router is { } router && ProcessTree.Descendants(router) is [var model, ..] ? model.Pid : null;

    public void Start()
    {
        process?.Dispose();
        var start = new ProcessStartInfo(hotmodel, ["serve", "--config", ConfigPath]);
        start.Environment["HOTMODEL_SOAK"] = folder;
        process = Process.Start(start)!;
    }

    /// <returns>Its exit status; null where it did not end and was killed.</returns>
    public async Task<int?> StopAsync()
    {
        ProcessTree.Send(Pid, Signal.Terminate);
        using var limit = new CancellationTokenSource(StopLimit);
        try
        {
            await process!.WaitForExitAsync(limit.Token);
            return process.ExitCode;
        }
        catch (OperationCanceledException)
        {
            process!.Kill();
            return null;
        }
    }

    public async Task KillAsync()
    {
        process!.Kill();
        await process.WaitForExitAsync();
    }

    /// <returns>Processes that hotmodel has left behind, some seconds after its end.</returns>
    public async Task<int> LeftBehindAsync()
    {
        long began = Stopwatch.GetTimestamp();
        while (ProcessTree.Marked(folder).Count > 0 && Stopwatch.GetElapsedTime(began) < GoneLimit)
            await Task.Delay(Interval);
        return ProcessTree.Marked(folder).Count;
    }

    /// <summary>Changes what llama-server is told of all models, and has hotmodel read it.</summary>
    public void Reload()
    {
        reloads++;
        WriteConfig();
        ProcessTree.Send(Pid, Signal.HangUp);
    }

    public async ValueTask DisposeAsync()
    {
        if (!HasEnded)
            await StopAsync();
        process?.Dispose();
        foreach (var entry in ProcessTree.Marked(folder))
            ProcessTree.Send(entry.Pid, Signal.Kill);
        Directory.Delete(folder, recursive: true);
    }

    private string ConfigPath => Path.Combine(folder, "hotmodel.toml");

    // Models that give embeddings chat as well. More threads than one only wait for each other, with models this small.
    // Conversations are short here: with the default of min_tokens nothing would be saved or restored.
    private void WriteConfig() => File.WriteAllText(ConfigPath, string.Create(CultureInfo.InvariantCulture, $"""
        [server]
        port = {port}
        active_model = "{Models[0]}"
        log_file = "{LogFile}"
        queue_max_wait_seconds = 10
        stop_timeout_seconds = 3
        [preset]
        system_prompt = "You are a helpful assistant."
        [snapshots]
        min_tokens = 128
        [llama]
        binary = "{llamaServer}"
        [router]
        port = {routerPort}
        ctx_size = {ContextTokens[reloads % 2]}
        parallel = 16
        extra_args = ["--embeddings", "--pooling", "mean"]
        [models.{Models[0]}]
        path = "{Models[0]}.gguf"
        threads = 1
        [models.{Models[1]}]
        path = "{Models[1]}.gguf"
        threads = 1
        """));
}
