using System.Collections.Concurrent;
using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests;

/// <summary>switch_policy other than zero_overlap, with the real llama-server: no gap where there is room.</summary>
public sealed class LaneTests
{
    private const string Beside = "switch_policy = \"make_before_break\"";
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Switch_under_load_refuses_and_delays_no_request(bool processMode)
    {
        await using var hotmodel = await HotModelProcess.StartAsync(With(Beside, processMode).Tiny("a").Tiny("b"));
        using var done = new CancellationTokenSource();
        var answered = new ConcurrentDictionary<string, int>();
        var clients = Enumerable.Range(0, 4).Select(_ => TalkAsync(hotmodel.Api, answered, done.Token)).ToArray();
        var watching = MostWaitingAsync(hotmodel, done.Token);
        foreach (var model in (string[])["b", "a", "b"])
        {
            var before = answered.GetValueOrDefault(model);
            var report = await hotmodel.Api.SwitchAsync(model);
            Assert.True(report.Status == 200, report.Text);
            Assert.Equal(model, (string?)report.Json["active_model"]);
            Assert.DoesNotContain(report.Json["phases"]!.AsArray(), phase => (string?)phase!["name"] is "drain" or "unload");
            await Until.True(() => answered.GetValueOrDefault(model) >= before + 4, Limit);
        }
        await done.CancelAsync();
        await Task.WhenAll(clients);

        Assert.Equal(0, await watching);
        Assert.Equal(0, (int)(await hotmodel.StateAsync())["requests"]!["cut_streams"]!);
        await OnlyAsync(hotmodel, "b");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Request_by_name_waits_and_the_loaded_model_goes_on_meanwhile(bool processMode)
    {
        await using var hotmodel = await HotModelProcess.StartAsync(With(Beside, processMode).Tiny("a").Tiny("b"));
        using var running = await hotmodel.Api.StreamAsync("a long answer", maxTokens: 400);
        await running.BegunAsync();
        var other = await hotmodel.Api.PostAsync("v1/chat/completions", For("b"));
        Assert.Equal((200, "b"), (other.Status, other.Model));
        await running.WholeAsync();
        Assert.Equal("a", running.Model);
        await OnlyAsync(hotmodel, "b");
    }

    [Fact]
    public async Task Two_that_may_stay_are_both_served_and_switching_back_loads_nothing()
    {
        var setup = With(Beside + "\nmodels_max = 2", false).Tiny("a").Tiny("b").Tiny("c");
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        Assert.Equal(200, (await hotmodel.Api.SwitchAsync("b")).Status);
        Assert.Equal(["b", "a"], await LoadedAsync(hotmodel));
        var processes = ModelProcesses(hotmodel);
        foreach (var model in (string[])["a", "b", "a"])
            Assert.Equal(model, (await hotmodel.Api.PostAsync("v1/chat/completions", For(model))).Model);

        var back = await hotmodel.Api.SwitchAsync("a");

        Assert.Equal((200, "b", "a"), (back.Status, (string?)back.Json["previous_model"], (string?)back.Json["active_model"]));
        Assert.Empty(back.Json["phases"]!.AsArray());
        Assert.Equal(processes, ModelProcesses(hotmodel));
        Assert.Equal("c", (await hotmodel.Api.PostAsync("v1/chat/completions", For("c"))).Model);
        await Until.True(async () => (await LoadedAsync(hotmodel)).Count == 2, Limit);
        Assert.Equal(["c", "a"], await LoadedAsync(hotmodel));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Load_that_fails_leaves_the_old_model_answering(bool processMode)
    {
        var setup = With(Beside, processMode).Tiny("a").Model("b");
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        var whole = await File.ReadAllBytesAsync(TinyModels.File("b"));
        await File.WriteAllBytesAsync(setup.ModelPath("b"), whole[..(whole.Length / 2)]);
        var processes = ModelProcesses(hotmodel);
        using var running = await hotmodel.Api.StreamAsync("a long answer", maxTokens: 200);
        await running.BegunAsync();
        var report = await hotmodel.Api.SwitchAsync("b");
        Assert.Equal((502, "a", "corrupt_file"),
            (report.Status, (string?)report.Json["active_model"], (string?)report.Json["reason"]));
        await running.WholeAsync();
        Assert.Equal("a", (await hotmodel.Api.ChatAsync("again")).Model);
        await OnlyAsync(hotmodel, "a");
        Assert.Equal(processes, ModelProcesses(hotmodel));
    }

    [Fact]
    public async Task What_a_model_had_evaluated_comes_back_with_it()
    {
        var setup = With(Beside, false, snapshots: "min_tokens = 1").Tiny("a").Tiny("b");
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        await hotmodel.Api.ChatAsync("a question", session: "talk");
        await hotmodel.Api.SwitchAsync("b");
        await OnlyAsync(hotmodel, "b");
        var back = await hotmodel.Api.SwitchAsync("a");
        Assert.True((int?)back.Json["restored"]?["tokens"] > 0, back.Text);
        var again = await hotmodel.Api.ChatAsync("and then?", session: "talk");
        Assert.True((int?)again.Json["timings"]!["cache_n"] > 0, again.Text);
    }

    [Fact]
    public async Task Model_without_a_place_beside_the_other_is_refused_with_the_numbers_and_no_force_helps()
    {
        var setup = With(Beside, false).Tiny("a").Tiny("b", lines: "gpu_layers = 0\nextra_args = [\"-c\", \"2000000000\"]");
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        var processes = ModelProcesses(hotmodel);
        foreach (var force in (bool[])[false, true])
        {
            var reply = await hotmodel.Api.SwitchAsync("b", force: force);
            Assert.Equal((409, "does_not_fit"), (reply.Status, (string?)reply.Json["error"]!["code"]));
            Assert.Contains("The largest ctx_size that would fit is", reply.Text, StringComparison.Ordinal);
        }
        Assert.Equal(processes, ModelProcesses(hotmodel));
    }

    [Fact]
    public async Task Plan_says_that_both_are_in_memory_at_once()
    {
        var setup = With("switch_policy = \"auto\"", false).Tiny("a").Tiny("b");
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        var shown = await hotmodel.CommandAsync("switch", "b", "--dry-run");
        Assert.Contains("beside", shown.Out, StringComparison.Ordinal);
        var plan = (await hotmodel.Api.PostAsync("admin/switch", new JsonObject { ["model"] = "b", ["dry_run"] = true })).Json;
        Assert.Equal(["a"], plan["beside"]!.AsArray().Select(name => (string?)name));
        Assert.Equal(["a"], plan["unloads"]!.AsArray().Select(name => (string?)name));
        Assert.Equal(["a"], await LoadedAsync(hotmodel));
    }

    [Fact]
    public async Task Stop_in_the_middle_of_a_load_beside_another_model_leaves_no_process()
    {
        var setup = With(Beside + "\nmodels_max = 2", false).Tiny("a").Tiny("b").Tiny("c");
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        await hotmodel.Api.SwitchAsync("b");
        var switching = hotmodel.Api.SwitchAsync("c");
        await Until.True(async () => (string?)(await hotmodel.StateAsync())["goal_model"] == "c"
            || switching.IsCompleted, Limit);
        // Disposing looks for processes that are left.
        Assert.Equal(0, await hotmodel.StopAsync());
        await switching;
    }

    private static Setup With(string server, bool processMode, string snapshots = "") => new()
    {
        Server = server,
        ProcessMode = processMode,
        Router = "parallel = 4",
        Snapshots = snapshots,
    };

    private static JsonObject For(string model)
    {
        var body = Chats.Request("a question", 4);
        body["model"] = model;
        return body;
    }

    private static async Task<IReadOnlyList<string?>> LoadedAsync(HotModelProcess hotmodel) =>
        [.. (await hotmodel.StateAsync())["loaded"]!.AsArray().Select(name => (string?)name)];

    /// <summary>By their command lines: a router's names no model file.</summary>
    private static IReadOnlyList<int> ModelProcesses(HotModelProcess hotmodel) =>
        [.. ProcessTree.Descendants(hotmodel.Pid).Where(entry => entry.CommandLine.Contains(".gguf", StringComparison.Ordinal))
            .Select(entry => entry.Pid).Order()];

    private static Task OnlyAsync(HotModelProcess hotmodel, string model) => Until.True(
        async () => (await LoadedAsync(hotmodel)) is [var only] && only == model && ModelProcesses(hotmodel).Count == 1, Limit);

    private static async Task TalkAsync(Api api, ConcurrentDictionary<string, int> answered, CancellationToken done)
    {
        while (!done.IsCancellationRequested)
        {
            using var answer = await api.StreamAsync("a question", maxTokens: 20);
            // Fails for anything but a complete stream, and a request that has to wait has no model in its head.
            await answer.WholeAsync();
            answered.AddOrUpdate(answer.Model!, 1, (_, count) => count + 1);
        }
    }

    private static async Task<int> MostWaitingAsync(HotModelProcess hotmodel, CancellationToken done)
    {
        var most = 0;
        while (!done.IsCancellationRequested)
            most = Math.Max(most, (int)(await hotmodel.StateAsync())["waiting_chats"]!);
        return most;
    }
}
