using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace FakeLlamaServer;

/// <summary>llama-server's router with --models-max 1 and no autoload: the states, the refusals and the delays.</summary>
internal sealed class FakeRouter
{
    private static readonly TimeSpan LoadTime = TimeSpan.FromMilliseconds(30);
    private static readonly TimeSpan UnloadTime = TimeSpan.FromMilliseconds(20);

    private readonly Lock gate = new();
    private readonly Dictionary<string, FakeModel> models;
    private readonly FakeOptions options;
    private readonly ControlLog log;

    public FakeRouter(FakeOptions options, ControlLog log)
    {
        this.options = options;
        this.log = log;
        Events = new EventHub(options.Faults);
        models = options.ListModels().ToDictionary(m => m.Id);
    }

    public EventHub Events { get; }

    public bool IsModelUp
    {
        get
        {
            lock (gate)
                return models.Values.Any(model => model.IsRunning);
        }
    }

    public async Task LoadAsync(HttpContext context)
    {
        if (await ModelOf(context) is not { } id)
            return;
        FakeModel? model;
        string? refusal = null;
        var limit = false;
        var isIgnored = false;
        lock (gate)
        {
            if (models.TryGetValue(id, out model))
            {
                if (model.IsRunning)
                    refusal = "model is already running";
                else if (models.Values.Any(m => m.IsRunning) || options.Faults.Take("load-refused", id))
                    limit = true;
                else if (!(isIgnored = options.Faults.Take("load-ignored", id)))
                    Start(model);
            }
        }
        log.Write(isIgnored ? "load-ignored" : refusal is null && !limit && model is not null ? "load" : "load-refused", id);
        await (model is null ? Replies.NotFound(context)
            : refusal is not null ? Replies.Invalid(context, refusal)
            : limit ? Replies.ServerError(context, "model limit reached, try again later")
            : Replies.Success(context));
    }

    public async Task UnloadAsync(HttpContext context)
    {
        if (await ModelOf(context) is not { } id)
            return;
        FakeModel? model;
        var running = false;
        var isRefused = false;
        lock (gate)
        {
            if (models.TryGetValue(id, out model) && model.IsRunning)
            {
                running = true;
                isRefused = options.Faults.Take("unload-refused", id);
                if (!model.Stopping && !isRefused)
                {
                    model.Stopping = true;
                    _ = StopAsync(model);
                }
            }
        }
        log.Write("unload", id);
        await (model is null ? Replies.Invalid(context, "model is not found")
            : !running ? Replies.Invalid(context, "model is not running")
            : isRefused ? Replies.ServerError(context, "out of sorts")
            : Replies.Success(context));
    }

    public Task ListAsync(HttpContext context)
    {
        var data = new JsonArray();
        lock (gate)
        {
            foreach (var model in models.Values)
                data.Add(Describe(model));
        }
        return Replies.Json(context, new JsonObject { ["data"] = data, ["object"] = "list" });
    }

    /// <summary>The model that may answer now, with one more in flight; or null after having refused.</summary>
    public async Task<FakeModel?> EnterAsync(HttpContext context, string? id)
    {
        FakeModel? model = null;
        if (options.Faults.Take("answers-503", id))
        {
            await Replies.Loading(context);
            return null;
        }
        lock (gate)
        {
            if (id is not null && models.TryGetValue(id, out model) && model.Status == "loaded" && !model.Stopping)
            {
                model.InFlight++;
                return model;
            }
        }
        await (model is null ? Replies.Invalid(context, $"model '{id}' not found")
            : model.Stopping ? Replies.ProxyError(context)
            : model.Status == "loading" ? Replies.Loading(context)
            : Replies.Invalid(context, "model is not loaded"));
        return null;
    }

    public void Leave(FakeModel model)
    {
        lock (gate)
            model.InFlight--;
    }

    /// <summary>What the model's slot has in it now.</summary>
    public void Hold(FakeModel model, int tokens)
    {
        lock (gate)
            model.HeldTokens = tokens;
    }

    /// <summary>As when the kernel kills it.</summary>
    public void KillChild(FakeModel model) => End(model, exitCode: 1);

    public void KillChildren()
    {
        lock (gate)
        {
            foreach (var model in models.Values)
                model.Child?.Kill();
        }
    }

    private void Start(FakeModel model)
    {
        model.Status = "loading";
        model.ExitCode = null;
        model.Failed = false;
        model.Stopping = false;
        model.HeldTokens = 0;
        model.Ended = new CancellationTokenSource();
        model.Child = StartStandIn(model);
        Events.Publish(model.Id, "model_status", new JsonObject { ["status"] = "loading" });
        _ = FinishLoadAsync(model, model.Ended.Token);
    }

    // "read" ends at the end of its input, which comes when the router dies: llama-server's children do the same.
    private Process? StartStandIn(FakeModel model)
    {
        if (!OperatingSystem.IsLinux())
            return null;
        if (StandIns.Alive(model.Path))
            log.Write("two", model.Id);
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardInput = true };
        foreach (var argument in (ReadOnlySpan<string>)["-c", "read line", StandIns.Name, "--model", model.Path])
            start.ArgumentList.Add(argument);
        var child = Process.Start(start)!;
        child.EnableRaisingEvents = true;
        child.Exited += (_, _) => End(model, exitCode: 1);
        return child;
    }

    private async Task FinishLoadAsync(FakeModel model, CancellationToken ended)
    {
        var faults = options.Faults;
        WriteChildLog($"0.00.011.668 I srv    load_model: loading model '{model.Path}'");
        Events.PublishProgress(model.Id, 0);
        try
        {
            await faults.WaitWhileAsync("load-waits", model.Id, ended);
            if (faults.Take("router-dies-while-loading", model.Id))
                Die();
            if (faults.Take("load-hangs", model.Id))
                await Task.Delay(Timeout.InfiniteTimeSpan, ended);
            if (faults.TakeValue("load-fails", model.Id) is { } reason)
                await FailLoadAsync(model, reason, ended);
            else if (faults.Take("dies-while-loading", model.Id))
                await FailLoadAsync(model, null, ended);
            else
                await CompleteLoadAsync(model, faults.TakeNumber("load-slow", model.Id), ended);
        }
        catch (OperationCanceledException)
        {
            // Unloaded or killed while loading.
        }
    }

    private async Task FailLoadAsync(FakeModel model, string? reason, CancellationToken ended)
    {
        await Task.Delay(LoadTime, ended);
        if (reason is not null)
            WriteChildLog(reason);
        End(model, exitCode: 1);
    }

    private async Task CompleteLoadAsync(FakeModel model, int? slowMs, CancellationToken ended)
    {
        var time = slowMs is { } ms ? TimeSpan.FromMilliseconds(ms) : LoadTime;
        const int Steps = 10;
        for (var step = 1; step <= Steps; step++)
        {
            await Task.Delay(time / Steps, ended);
            Events.PublishProgress(model.Id, (double)step / Steps);
        }
        lock (gate)
        {
            if (ended.IsCancellationRequested || model.Stopping)
                return;
            model.Status = "loaded";
        }
        log.Write("loaded", model.Id);
        WriteChildLog("0.00.017.891 I srv  llama_server: model loaded");
        var info = new JsonObject { ["id"] = model.Id, ["object"] = "model" };
        Events.Publish(model.Id, "status_change", new JsonObject { ["status"] = "loaded", ["info"] = info });
    }

    private async Task StopAsync(FakeModel model)
    {
        await options.Faults.WaitWhileAsync("unload-waits", model.Id, CancellationToken.None);
        if (options.Faults.Take("dies-while-unloading", model.Id))
            Die();
        if (options.Faults.Take("unload-hangs", model.Id))
            return;
        // A load is cut by SIGKILL and counts as failed, whoever asked for it.
        var isKilled = model.Status == "loading";
        if (options.Faults.TakeNumber("unload-lingers", model.Id) is { } lingers)
        {
            await Task.Delay(lingers);
            isKilled = true;
        }
        else if (!isKilled)
        {
            await Task.Delay(UnloadTime);
        }
        var failed = isKilled || options.Faults.Take("reports-failed-after-clean-unload", model.Id);
        End(model, failed ? 1 : 0);
    }

    private void End(FakeModel model, int exitCode)
    {
        lock (gate)
        {
            if (!model.IsRunning || model.Ended.IsCancellationRequested)
                return;
            model.Status = "unloaded";
            model.Stopping = false;
            model.ExitCode = exitCode == 0 ? null : exitCode;
            model.Failed = exitCode != 0;
            model.Ended.Cancel();
            if (model.Child is { HasExited: false } child)
                child.Kill();
        }
        log.Write("unloaded", model.Id);
        var data = new JsonObject { ["status"] = "unloaded", ["exit_code"] = exitCode };
        Events.Publish(model.Id, "status_change", data);
    }

    private JsonObject Describe(FakeModel model)
    {
        var port = options.Port.ToString(CultureInfo.InvariantCulture);
        var status = new JsonObject
        {
            ["value"] = model.Status,
            ["args"] = new JsonArray(
                "llama-server", "--host", "127.0.0.1", "--port", port, "--alias", model.Id, "--model", model.Path),
            ["preset"] = model.Preset,
        };
        if (model.ExitCode is { } code)
            status["exit_code"] = code;
        if (model.Failed)
            status["failed"] = true;
        // As before there was more to tell.
        if (options.Faults.Take("models-old-shape"))
            return new JsonObject { ["id"] = model.Id, ["status"] = model.Status };
        return new JsonObject
        {
            ["id"] = model.Id,
            ["aliases"] = new JsonArray(),
            ["tags"] = new JsonArray(),
            ["object"] = "model",
            ["owned_by"] = "llamacpp",
            ["status"] = status,
            ["source"] = "preset",
            ["can_remove"] = false,
        };
    }

    private void WriteChildLog(string line) =>
        Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"[{options.Port}] {line}"));

    private static void Die() => Process.GetCurrentProcess().Kill();

    private static async Task<string?> ModelOf(HttpContext context)
    {
        if (await JsonBody.ReadAsync(context) is { } body && (string?)body["model"] is { } id)
            return id;
        await Replies.Invalid(context, "model is required");
        return null;
    }
}
