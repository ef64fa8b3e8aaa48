using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using LoadTests;
using TinyGguf;

namespace MeasureSwitch;

/// <summary>One hotmodel, and beside it one router of the same llama-server with the same models and settings.</summary>
internal sealed class Bench(string hotmodel, string llamaServer) : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan StatusInterval = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan Rest = TimeSpan.FromMilliseconds(200);

    private readonly string folder = Directory.CreateTempSubdirectory("hotmodel-measure-").FullName;
    private readonly HttpClient client = new(new SocketsHttpHandler { UseProxy = false });
    private readonly List<Process> running = [];
    private string url = "";
    private Process? served;

    public async Task<IReadOnlyList<double>> MeasureStartsAsync(int times)
    {
        foreach (var (name, seed) in (ReadOnlySpan<(string, int)>)[("a", 1), ("b", 2)])
            new TinyModel { Name = name, Seed = seed }.Write(Path.Combine(folder, name + ".gguf"));
        var results = new List<double>();
        for (var i = 0; i < times; i++)
        {
            var port = FreePort.Next();
            url = $"http://127.0.0.1:{port}/";
            await File.WriteAllTextAsync(ConfigPath, Config(port));
            var started = Stopwatch.GetTimestamp();
            var process = Start(hotmodel, ["serve", "--config", ConfigPath], "hotmodel.log");
            await FirstHealthAsync(port);
            results.Add(Stopwatch.GetElapsedTime(started).TotalSeconds);
            if (i == times - 1)
                served = process;
            else
                await StopAsync(process);
        }
        return results;
    }

    /// <summary>Seconds of the switches by hotmodel and of the router alone, in turns.</summary>
    public async Task<(IReadOnlyList<double> Ours, IReadOnlyList<double> Theirs)> MeasureSwitchesAsync(int times)
    {
        await UntilAsync(async () => (string?)(await GetAsync(url + "admin/state"))["phase"] == "ready", Rest);
        var router = await StartRouterAsync();
        await PostAsync(router + "models/load", "a");
        await StatusIsAsync(router, "a", "loaded");
        var ours = new List<double>();
        var theirs = new List<double>();
        for (var i = 0; i < times; i++)
        {
            var (from, to) = i % 2 == 0 ? ("a", "b") : ("b", "a");
            // Rest before each: what the switch before leaves to do is not this one's.
            await Task.Delay(Rest);
            var report = await PostAsync(url + "admin/switch", to);
            if ((string?)report["active_model"] != to)
                throw new InvalidOperationException("the switch failed: " + report.ToJsonString());
            ours.Add((double)report["elapsed_seconds"]!);
            await Task.Delay(Rest);
            var started = Stopwatch.GetTimestamp();
            await PostAsync(router + "models/unload", from);
            await StatusIsAsync(router, from, "unloaded");
            await PostAsync(router + "models/load", to);
            await StatusIsAsync(router, to, "loaded");
            theirs.Add(Stopwatch.GetElapsedTime(started).TotalSeconds);
        }
        return (ours, theirs);
    }

    /// <summary>Bytes, of hotmodel itself, some seconds after its last work.</summary>
    public async Task<long> MeasureIdleMemoryAsync()
    {
        await Task.Delay(TimeSpan.FromSeconds(5));
        var status = await File.ReadAllLinesAsync($"/proc/{served!.Id}/status");
        var kilobytes = status.First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];
        return long.Parse(kilobytes, CultureInfo.InvariantCulture) * 1024;
    }

    public void Dispose()
    {
        foreach (var process in running.Where(p => !p.HasExited))
            StopAsync(process).GetAwaiter().GetResult();
        client.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private string ConfigPath => Path.Combine(folder, "hotmodel.toml");

    private string Config(int port) => $"""
        [server]
        port = {port}
        active_model = "a"
        [llama]
        binary = "{llamaServer}"
        [router]
        port = {FreePort.Next()}
        ctx_size = 2048
        [models.a]
        path = "a.gguf"
        ctx_size = 2048
        [models.b]
        path = "b.gguf"
        ctx_size = 2048
        """;

    /// <summary>With hotmodel's own command line for its router, so that the models are loaded in the same way.</summary>
    private async Task<string> StartRouterAsync()
    {
        var router = Directory.EnumerateDirectories("/proc").Select(CommandLine)
            .First(words => words.Length > 0 && words[0] == llamaServer && words.Contains("--models-preset")
                && words.Any(w => w.StartsWith(folder, StringComparison.Ordinal)));
        var port = FreePort.Next().ToString(CultureInfo.InvariantCulture);
        router[Array.IndexOf(router, "--port") + 1] = port;
        Start(llamaServer, router[1..], "router.log");
        var address = $"http://127.0.0.1:{port}/";
        await UntilAsync(async () => (await GetAsync(address + "props")).Count > 0, StatusInterval);
        return address;
    }

    private static string[] CommandLine(string processFolder)
    {
        try
        {
            return File.ReadAllText(Path.Combine(processFolder, "cmdline")).Split('\0', StringSplitOptions.RemoveEmptyEntries);
        }
        catch (IOException)
        {
            return [];
        }
    }

    private Process Start(string program, string[] arguments, string log)
    {
        var start = new ProcessStartInfo("/bin/sh") { WorkingDirectory = folder };
        foreach (var word in (string[])["-c", $"exec \"$0\" \"$@\" >>{log} 2>&1", program, .. arguments])
            start.ArgumentList.Add(word);
        var process = Process.Start(start)!;
        running.Add(process);
        return process;
    }

    private static async Task StopAsync(Process process)
    {
        using (var kill = Process.Start("/bin/kill", ["-TERM", process.Id.ToString(CultureInfo.InvariantCulture)]))
            await kill.WaitForExitAsync();
        using var limit = new CancellationTokenSource(Limit);
        await process.WaitForExitAsync(limit.Token);
    }

    private async Task StatusIsAsync(string router, string model, string status)
    {
        await UntilAsync(
            async () => (await GetAsync(router + "models"))["data"]!.AsArray()
                .Any(m => (string?)m!["id"] == model && (string?)m["status"]!["value"] == status),
            StatusInterval);
    }

    /// <summary>A plain socket: the time is the server's, not that of an HTTP client that starts up.</summary>
    private static async Task FirstHealthAsync(int port)
    {
        var request = Encoding.ASCII.GetBytes("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        var buffer = new byte[4096];
        await UntilAsync(
            async () =>
            {
                using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
                await socket.ConnectAsync(IPAddress.Loopback, port);
                await socket.SendAsync(request);
                return await socket.ReceiveAsync(buffer) > 0;
            },
            TimeSpan.FromMilliseconds(1));
    }

    private static async Task UntilAsync(Func<Task<bool>> condition, TimeSpan interval)
    {
        var started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started) < Limit)
        {
            try
            {
                if (await condition())
                    return;
            }
            catch (Exception e) when (e is SocketException or HttpRequestException)
            {
                // It does not listen yet.
            }
            await Task.Delay(interval);
        }
        throw new TimeoutException("what was waited for did not come");
    }

    private async Task<JsonObject> GetAsync(string address) =>
        JsonNode.Parse(await client.GetStringAsync(address))!.AsObject();

    private async Task<JsonObject> PostAsync(string address, string model)
    {
        using var body = new StringContent($$"""{"model": "{{model}}"}""", Encoding.UTF8, "application/json");
        using var response = await client.PostAsync(address, body);
        return JsonNode.Parse(await response.Content.ReadAsStringAsync())!.AsObject();
    }
}
