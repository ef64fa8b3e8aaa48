using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests;

/// <summary>Another configuration while hotmodel runs, with the real llama-server.</summary>
public sealed class ReloadTests
{
    private const int LongAnswer = 400;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Stream_is_the_same_with_a_reload_in_its_middle_and_the_model_keeps_its_process(bool processMode)
    {
        await using var hotmodel = await HotModelProcess.StartAsync(With(processMode));
        using var first = await hotmodel.Api.StreamAsync(LongChat());
        await first.WholeAsync();
        var processes = ModelProcesses(hotmodel);
        using var running = await hotmodel.Api.StreamAsync(LongChat());
        await running.BegunAsync();

        AddModel(hotmodel.Setup, "c", processMode);
        Edit(hotmodel.Setup, "port = " + hotmodel.Setup.Port, "queue_limit = 7\nport = " + hotmodel.Setup.Port);
        var output = await hotmodel.CommandAsync("reload");
        Assert.Equal((0, ""), (output.ExitCode, output.Error));
        Assert.Contains("added            c\n", output.Out, StringComparison.Ordinal);
        Assert.Contains("settings         server.queue_limit, models.c\n", output.Out, StringComparison.Ordinal);

        Assert.Equal(processes, ModelProcesses(hotmodel));
        await running.EndedAsync();
        Assert.Equal(Normal(first), Normal(running));
        Assert.Equal(processes, ModelProcesses(hotmodel));
        Assert.Equal((200, "c"), Answer(await hotmodel.Api.PostAsync("v1/chat/completions", For("c"))));
        Assert.Equal((200, "a"), Answer(await hotmodel.Api.PostAsync("v1/chat/completions", For("a"))));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Removed_model_is_unknown_and_leaves_and_the_others_stay(bool processMode)
    {
        await using var hotmodel = await HotModelProcess.StartAsync(With(processMode));
        var processes = ModelProcesses(hotmodel);
        RemoveModel(hotmodel.Setup, "b");
        var report = await ReloadAsync(hotmodel);
        Assert.Equal(["b"], List(report, "removed"));
        var gone = await hotmodel.Api.PostAsync("v1/chat/completions", For("b"));
        Assert.Equal((404, "model_not_found"), (gone.Status, (string?)gone.Json["error"]!["code"]));
        Assert.Contains("Configured are: a.", gone.Text, StringComparison.Ordinal);
        Assert.Equal(404, (await hotmodel.Api.GetAsync("v1/models/b")).Status);
        Assert.Equal(processes, ModelProcesses(hotmodel));

        AddModel(hotmodel.Setup, "b", processMode, add: false);
        RemoveModel(hotmodel.Setup, "a");
        Edit(hotmodel.Setup, "active_model = \"a\"\n", "");
        using var running = await hotmodel.Api.StreamAsync("a long answer", maxTokens: LongAnswer);
        await running.BegunAsync();
        report = await ReloadAsync(hotmodel);
        Assert.Equal(["a"], List(report, "waiting"));
        Assert.Equal(["b"], List(report, "added"));
        await running.WholeAsync();
        await Until.True(() => ModelProcesses(hotmodel).Count == 0, Limit);
        Assert.Equal("no_active_model", (string?)(await hotmodel.Api.ChatAsync("again")).Json["error"]!["code"]);
        Assert.Equal((200, "b"), Answer(await hotmodel.Api.PostAsync("v1/chat/completions", For("b"))));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Changed_model_is_loaded_anew_at_once_when_idle_and_after_its_answers_when_busy(bool processMode)
    {
        await using var hotmodel = await HotModelProcess.StartAsync(With(processMode));
        Assert.Equal(4096, await ContextAsync(hotmodel));
        SetContext(hotmodel.Setup, 4096, 2048);
        var report = await ReloadAsync(hotmodel);
        Assert.Equal(["a"], List(report, "changed"));
        Assert.Empty(List(report, "waiting"));
        // Waits for the model as it is now configured.
        Assert.Equal(200, (await hotmodel.Api.ChatAsync("a question")).Status);
        Assert.Equal(2048, await ContextAsync(hotmodel));

        using var running = await hotmodel.Api.StreamAsync("a long answer", maxTokens: LongAnswer);
        await running.BegunAsync();
        var processes = ModelProcesses(hotmodel);
        SetContext(hotmodel.Setup, 2048, 1024);
        report = await ReloadAsync(hotmodel);
        Assert.Equal(["a"], List(report, "waiting"));
        Assert.Equal(processes, ModelProcesses(hotmodel));
        await running.WholeAsync();
        Assert.Equal(200, (await hotmodel.Api.ChatAsync("a question")).Status);
        Assert.Equal(1024, await ContextAsync(hotmodel));
    }

    [Fact]
    public async Task Bad_file_changes_nothing_and_says_why()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(With(processMode: false));
        var processes = ModelProcesses(hotmodel);
        Edit(hotmodel.Setup, "[session]\n", "[session]\nmax_sesions = 3\n");
        RemoveModel(hotmodel.Setup, "b");
        var check = await hotmodel.CommandAsync("check");
        var reload = await hotmodel.CommandAsync("reload");
        Assert.Equal(2, reload.ExitCode);
        Assert.Contains("max_sesions", reload.Error, StringComparison.Ordinal);
        Assert.Equal(check.Error, reload.Error);

        var reply = await hotmodel.Api.PostTextAsync("admin/reload", "");
        Assert.Equal((422, "invalid_configuration"), (reply.Status, (string?)reply.Json["error"]!["code"]));
        Assert.Equal(check.Error.TrimEnd('\n'), (string?)reply.Json["error"]!["message"]);
        await hotmodel.LogsAsync(check.Error.TrimEnd('\n'));
        Assert.Equal(["a", "b"], (await hotmodel.StateAsync())["models"]!.AsArray().Select(name => (string?)name));
        Assert.Equal(processes, ModelProcesses(hotmodel));
    }

    [Fact]
    public async Task Hang_up_signal_reloads_and_the_log_says_what()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(With(processMode: false));
        AddModel(hotmodel.Setup, "c", processMode: false);
        ProcessTree.Send(hotmodel.Pid, Signal.HangUp);
        await Until.True(() => hotmodel.Log.Contains("Models added: c", StringComparison.Ordinal), Limit);
        Assert.Equal((200, "c"), Answer(await hotmodel.Api.PostAsync("v1/chat/completions", For("c"))));
        Edit(hotmodel.Setup, "[session]\n", "[session\n");
        ProcessTree.Send(hotmodel.Pid, Signal.HangUp);
        await Until.True(() => hotmodel.Log.Contains("nothing was changed", StringComparison.Ordinal), Limit);
        Assert.Equal((200, "a"), Answer(await hotmodel.Api.PostAsync("v1/chat/completions", For("a"))));
    }

    [Fact]
    public async Task What_needs_a_restart_is_told_and_a_dry_run_changes_nothing()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(With(processMode: false));
        Edit(hotmodel.Setup, "state/state.json", "elsewhere/state.json");
        RemoveModel(hotmodel.Setup, "b");
        var dry = await hotmodel.CommandAsync("reload", "--dry-run");
        Assert.Equal((0, ""), (dry.ExitCode, dry.Error));
        Assert.Contains("Nothing was changed", dry.Out, StringComparison.Ordinal);
        Assert.Contains("needs a restart  server.state_path\n", dry.Out, StringComparison.Ordinal);
        Assert.Equal(200, (await hotmodel.Api.GetAsync("v1/models/b")).Status);
        var report = await ReloadAsync(hotmodel);
        Assert.Equal(["server.state_path"], List(report, "needs_restart"));
        Assert.Equal(404, (await hotmodel.Api.GetAsync("v1/models/b")).Status);
        Assert.False(Directory.Exists(Path.Combine(hotmodel.Setup.Folder, "elsewhere")));
    }

    [Fact]
    public async Task Keys_hold_at_once_and_reloading_needs_the_scope_admin()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(With(processMode: false));
        const string hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"; // Of "secret".
        File.AppendAllText(hotmodel.Setup.ConfigPath, $"\n[keys.chat]\nsha256 = \"{hash}\"\nscopes = [\"inference\"]\n");
        Assert.Equal(["keys.chat"], List(await ReloadAsync(hotmodel), "settings"));
        Assert.Equal(401, (await hotmodel.Api.ChatAsync("a question")).Status);
        using var chat = new Api(hotmodel.Api.Address, "secret");
        Assert.Equal(200, (await chat.ChatAsync("a question")).Status);
        Assert.Equal(403, (await chat.PostTextAsync("admin/reload", "")).Status);
        Edit(hotmodel.Setup, "\"inference\"", "\"admin\"");
        ProcessTree.Send(hotmodel.Pid, Signal.HangUp);
        await Until.True(async () => (await chat.PostTextAsync("admin/reload", "{\"dry_run\": true}")).Status == 200, Limit);
        Assert.Equal(403, (await chat.RawAsync(HttpMethod.Post, "admin/reload", [], "application/json",
            request => request.Headers.TryAddWithoutValidation("Origin", "https://evil.example"))).Status);
    }

    private static Setup With(bool processMode) => new Setup { ProcessMode = processMode }.Tiny("a").Tiny("b");

    private static async Task<JsonObject> ReloadAsync(HotModelProcess hotmodel)
    {
        var reply = await hotmodel.Api.PostTextAsync("admin/reload", "");
        Assert.True(reply.Status == 200, reply.Text);
        return reply.Json;
    }

    private static IEnumerable<string?> List(JsonObject report, string name) =>
        report[name]!.AsArray().Select(item => (string?)item);

    private static void Edit(Setup setup, string from, string to)
    {
        var toml = File.ReadAllText(setup.ConfigPath);
        Assert.Contains(from, toml, StringComparison.Ordinal);
        File.WriteAllText(setup.ConfigPath, toml.Replace(from, to, StringComparison.Ordinal));
    }

    /// <summary>Of the model a only.</summary>
    private static void SetContext(Setup setup, int from, int to) =>
        Edit(setup, $"path = \"a.gguf\"\nctx_size = {from}", $"path = \"a.gguf\"\nctx_size = {to}");

    private static void AddModel(Setup setup, string name, bool processMode, bool add = true)
    {
        if (add)
            File.Copy(TinyModels.File(name), setup.ModelPath(name));
        File.AppendAllText(setup.ConfigPath, $"\n[models.{name}]\npath = \"{name}.gguf\"\nctx_size = 4096\n"
            + (processMode ? $"port = {Ports.Next()}\n" : ""));
    }

    private static void RemoveModel(Setup setup, string name)
    {
        var toml = File.ReadAllText(setup.ConfigPath);
        var from = toml.IndexOf($"[models.{name}]", StringComparison.Ordinal);
        var to = toml.IndexOf("\n[", from, StringComparison.Ordinal);
        File.WriteAllText(setup.ConfigPath, toml[..from] + (to < 0 ? "" : toml[(to + 1)..]));
    }

    /// <summary>A prompt of which some is cached is evaluated otherwise, and in so long an answer that shows.</summary>
    private static JsonObject LongChat()
    {
        var body = Chats.Request("a long answer", LongAnswer);
        body["cache_prompt"] = false;
        return body;
    }

    private static JsonObject For(string model)
    {
        var body = Chats.Request("a question", 4);
        body["model"] = model;
        return body;
    }

    private static (int Status, string? Model) Answer(Reply reply) => (reply.Status, reply.Model);

    private static string Normal(StreamedAnswer answer) => string.Join('\n', answer.Events.Select(Normalised.Of));

    private static async Task<int> ContextAsync(HotModelProcess hotmodel)
    {
        var slots = JsonNode.Parse((await hotmodel.Api.GetAsync("slots")).Text)!.AsArray();
        return (int)slots[0]!["n_ctx"]!;
    }

    /// <summary>By their command lines: a router's names no model file.</summary>
    private static IReadOnlyList<int> ModelProcesses(HotModelProcess hotmodel) =>
        [.. ProcessTree.Descendants(hotmodel.Pid).Where(entry => entry.CommandLine.Contains(".gguf", StringComparison.Ordinal))
            .Select(entry => entry.Pid).Order()];
}
