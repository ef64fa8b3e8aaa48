using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using HotModel.Configuration;
using HotModel.Llama;
using Microsoft.Extensions.Logging.Abstractions;

namespace HotModel.Tests.Llama;

/// <summary>A backend on the real llama-server with a folder of its own.</summary>
internal sealed class BackendScene : IAsyncDisposable
{
    private readonly List<(long Instance, TaskCompletionSource<ModelLost> Lost)> waiters = [];
    private readonly Launcher launcher;
    private volatile bool killsAreLost;

    public BackendScene(string preset = "", int port = 0, string? binary = null, params string[] extra)
    {
        Folder = Directory.CreateTempSubdirectory("hotmodel-llama-").FullName;
        Preset = Path.Combine(Folder, "models.ini");
        File.WriteAllText(Preset, preset.Length > 0 ? preset : TwoModels());
        LlamaLog = new ChildLog(Folder);
        launcher = new Launcher(SelfHosting.Self, LlamaLog, new ChildRecord(Folder), NullLogger.Instance) { Kill = Kill };
        var launch = LlamaServer.Launch(Preset, port, extra);
        Router = new RouterBackend(
            () => DiskError is { } error ? throw error : Launch ?? (binary is null ? launch : launch with { Binary = binary }),
            launcher, LlamaLog,
            new PresetQuarantine(Folder), OnLost, Time, NullLogger.Instance);
        Process = new ProcessBackend(
            model =>
            [
                "-m", model.Path, "--host", "127.0.0.1",
                "--port", model.Port!.Value.ToString(CultureInfo.InvariantCulture),
                "-c", "512", "--parallel", "1", .. model.ExtraArgs,
            ],
            launcher, LlamaLog, OnLost, Time, NullLogger.Instance);
    }

    /// <summary>Set before the first load, what the router is started with.</summary>
    public RouterLaunch? Launch { get; set; }

    /// <summary>While it is set, the router's preset file cannot be written.</summary>
    public IOException? DiskError { private get; set; }

    public HasteClock Time { get; } = new();

    /// <summary>While true no process can be ended by a signal of ours, as if it hung in the kernel.</summary>
    public bool KillsAreLost { set => killsAreLost = value; }

    public string Folder { get; }
    public string Preset { get; }
    public ChildLog LlamaLog { get; }
    public RouterBackend Router { get; }
    public ProcessBackend Process { get; }
    public List<ModelLost> Losses { get; } = [];
    public static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(60)).Token;

    public static string TwoModels() => $"""
        version = 1
        [*]
        c = 512
        parallel = 1
        stop-timeout = 20
        [a]
        model = {LlamaServer.ModelA}
        [b]
        model = {LlamaServer.ModelB}

        """;

    public string CreateFile(string name, byte[] content)
    {
        var path = Path.Combine(Folder, name);
        File.WriteAllBytes(path, content);
        return path;
    }

    public Task<LoadResult> LoadAsync(string id, long instance = 1, Action<LoadProgress>? progress = null) =>
        Router.LoadAsync(LlamaServer.Model(id), instance, progress ?? (_ => { }), Soon);

    public async Task<Upstream> LoadedAsync(string id, long instance = 1)
    {
        var result = await LoadAsync(id, instance);
        Assert.True(result.Upstream is not null, result.Failure + string.Join('\n', result.Failure?.LogTail ?? []));
        return result.Upstream!;
    }

    public Task UnloadAsync(string id) => Router.UnloadAsync(LlamaServer.Model(id), Soon);

    public Task<ModelLost> LostAsync(long instance)
    {
        lock (waiters)
        {
            var source = new TaskCompletionSource<ModelLost>(TaskCreationOptions.RunContinuationsAsynchronously);
            waiters.Add((instance, source));
            if (Losses.Find(lost => lost.Instance == instance) is { } already)
                source.TrySetResult(already);
            return source.Task.WaitAsync(TimeSpan.FromSeconds(20));
        }
    }

    public static async Task<string> AskAsync(Upstream upstream, int tokens = 3)
    {
        using var response = await PostAsync(upstream, tokens, stream: false);
        return await response.Content.ReadAsStringAsync();
    }

    public static async Task<HttpResponseMessage> PostAsync(Upstream upstream, int tokens, bool stream)
    {
        var client = new HttpClient();
        var uri = new Uri(upstream.BaseAddress, "v1/chat/completions");
        using var request = new HttpRequestMessage(HttpMethod.Post, uri);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", upstream.ApiKey);
        request.Content = new StringContent(
            $$"""
            {"model":"{{upstream.Model}}","max_tokens":{{tokens}},"ignore_eos":true,
             "stream":{{(stream ? "true" : "false")}},"messages":[{"role":"user","content":"hello"}]}
            """,
            Encoding.UTF8, "application/json");
        return await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    public async ValueTask DisposeAsync()
    {
        killsAreLost = false;
        await Router.DisposeAsync();
        await Process.DisposeAsync();
        launcher.Dispose();
        await LlamaLog.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }

    private int Kill(int pid, int signal) => killsAreLost ? 0 : Libc.kill(pid, signal);

    private void OnLost(ModelLost lost)
    {
        lock (waiters)
        {
            Losses.Add(lost);
            foreach (var waiter in waiters.Where(waiter => waiter.Instance == lost.Instance))
                waiter.Lost.TrySetResult(lost);
        }
    }
}
