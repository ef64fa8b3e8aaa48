using System.Diagnostics;
using System.Globalization;
using LoadTests;

namespace MeasureScheduler;

/// <summary>One of the two that are compared, while it runs.</summary>
internal sealed class Server : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly Process process;
    private readonly string log;
    private readonly string loadMark;

    private Server(string program, string[] arguments, string folder, string log, string url, string loadMark)
    {
        (this.log, this.loadMark, Url) = (Path.Combine(folder, log), loadMark, url);
        var start = new ProcessStartInfo("/bin/sh") { WorkingDirectory = folder };
        foreach (var word in (string[])["-c", $"exec \"$0\" \"$@\" >{log} 2>&1", program, .. arguments])
            start.ArgumentList.Add(word);
        process = Process.Start(start)!;
    }

    public string Url { get; }

    /// <summary>Models that it has loaded since it started.</summary>
    public int Loads => File.ReadLines(log).Count(line => line.Contains(loadMark, StringComparison.Ordinal));

    /// <param name="folder">Has the models.</param>
    /// <param name="maxWait">queue_max_wait_seconds.</param>
    public static async Task<Server> StartHotModelAsync(
        string program, string llamaServer, string folder, IEnumerable<string> models, int maxWait)
    {
        var port = FreePort.Next();
        var sections = models.Select(m => $"[models.{m}]\npath = \"{m}.gguf\"\nctx_size = 4096\n");
        await File.WriteAllTextAsync(Path.Combine(folder, "hotmodel.toml"), $"""
            [server]
            port = {port}
            state_path = "state-{port}/state.json"
            queue_max_wait_seconds = {maxWait}
            [llama]
            binary = "{llamaServer}"
            [router]
            port = {FreePort.Next()}
            ctx_size = 4096
            parallel = 4
            {string.Concat(sections)}
            """);
        return await ReadyAsync(new Server(program, ["serve", "--config", "hotmodel.toml"], folder, $"hotmodel-{port}.log",
            $"http://127.0.0.1:{port}/", "-> ready on"));
    }

    /// <summary>llama-server's router, which loads what is asked for: one model at a time, with what hotmodel gives its own.</summary>
    public static async Task<Server> StartRouterAsync(string llamaServer, string folder, IEnumerable<string> models)
    {
        var port = FreePort.Next();
        await File.WriteAllTextAsync(Path.Combine(folder, "router.ini"),
            "version = 1\n" + string.Concat(models.Select(m => $"[{m}]\nmodel = {folder}/{m}.gguf\n")));
        string[] arguments =
        [
            "--host", "127.0.0.1", "--port", port.ToString(CultureInfo.InvariantCulture), "--models-preset", "router.ini",
            "--models-max", "1", "--models-autoload", "--ctx-size", "4096", "--parallel", "4", "--cache-type-k", "q8_0",
            "--cache-type-v", "q8_0", "--kv-unified", "--cache-ram", "1024",
        ];
        return await ReadyAsync(new Server(llamaServer, arguments, folder, $"router-{port}.log",
            $"http://127.0.0.1:{port}/", "spawning server instance with name="));
    }

    public void Dispose()
    {
        if (!process.HasExited)
        {
            using var kill = Process.Start("/bin/kill", ["-TERM", process.Id.ToString(CultureInfo.InvariantCulture)]);
            kill.WaitForExit();
            process.WaitForExit(Limit);
        }
        process.Dispose();
    }

    private static async Task<Server> ReadyAsync(Server server)
    {
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false });
        var started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started) < Limit)
        {
            try
            {
                using var response = await http.GetAsync(server.Url + "health");
                if (response.IsSuccessStatusCode)
                    return server;
            }
            catch (HttpRequestException)
            {
                // It does not listen yet.
            }
            await Task.Delay(50);
        }
        server.Dispose();
        throw new TimeoutException($"{server.log} says why it did not start");
    }
}
