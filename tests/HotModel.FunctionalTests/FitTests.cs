using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests;

/// <summary>What does not fit is refused before anything is unloaded.</summary>
public sealed class FitTests
{
    // Beyond every machine's memory: a token of the smallest model takes some hundred bytes.
    private const string Huge = "gpu_layers = 0\nextra_args = [\"-c\", \"2000000000\"]";

    private static JsonObject DryRun(string model) => new() { ["model"] = model, ["dry_run"] = true };

    [Fact]
    public async Task Dry_run_tells_what_a_switch_would_do_and_changes_nothing()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var child = hotmodel.ModelChild.Pid;

        var reply = await hotmodel.Api.PostAsync("admin/switch", DryRun("b"));

        Assert.Equal(200, reply.Status);
        var plan = reply.Json;
        Assert.Equal(("b", "a", true), ((string?)plan["model"], (string?)plan["active_model"], (bool?)plan["fits"]));
        Assert.Equal(["a"], plan["unloads"]!.AsArray().Select(name => (string?)name));
        Assert.Equal((4096, false), ((int?)plan["ctx_size"], (bool?)plan["already_active"]));
        Assert.True((long?)plan["largest_ctx_size"] >= 4096);
        Assert.Contains("load", plan["seconds"]!.AsObject());
        if (OperatingSystem.IsLinux())
            Assert.InRange((double)plan["warm"]!["page_cache"]!, 0, 1);
        var device = plan["devices"]!.AsArray()[^1]!.AsObject();
        Assert.True((bool?)device["fits"]);
        Assert.True((long?)device["free_mb"] + (long?)device["freed_mb"] >= (long?)device["needed_mb"] + (long?)device["margin_mb"]);
        Assert.Equal("estimate", (string?)device["source"]);
        Assert.Equal(child, hotmodel.ModelChild.Pid);
        Assert.Equal("a", (await hotmodel.Api.ChatAsync("hello")).Model);
    }

    [Fact]
    public async Task Dry_run_for_the_active_model_has_nothing_to_do()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());

        var plan = (await hotmodel.Api.PostAsync("admin/switch", DryRun("a"))).Json;

        Assert.Equal((true, true), ((bool?)plan["already_active"], (bool?)plan["fits"]));
        Assert.Empty(plan["unloads"]!.AsArray());
        Assert.Equal(404, (await hotmodel.Api.PostAsync("admin/switch", DryRun("nope"))).Status);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Context_that_does_not_fit_is_refused_and_the_active_model_goes_on(bool processMode)
    {
        await using var hotmodel = await HotModelProcess.StartAsync(
            new Setup { ProcessMode = processMode }.Tiny("a").Tiny("b", lines: Huge));
        using var answer = await hotmodel.Api.StreamAsync("tell me", maxTokens: 200);
        await answer.BegunAsync();

        var reply = await hotmodel.Api.SwitchAsync("b");

        Assert.Equal((409, "does_not_fit"), (reply.Status, (string?)reply.Json["error"]!["code"]));
        var message = (string)reply.Json["error"]!["message"]!;
        Assert.Contains("ctx_size 2000000000", message, StringComparison.Ordinal);
        var plan = (await hotmodel.Api.PostAsync("admin/switch", DryRun("b"))).Json;
        Assert.False((bool?)plan["fits"]);
        Assert.InRange((long)plan["largest_ctx_size"]!, 256, 1_999_999_999);
        await answer.WholeAsync();
        Assert.Equal("a", (string?)(await hotmodel.StateAsync())["active_model"]);
        Assert.Equal("a", (await hotmodel.Api.ChatAsync("hello")).Model);
    }

    [Fact]
    public async Task Force_switches_to_what_does_not_fit()
    {
        await using var hotmodel = await StartWithFakeAsync();
        Assert.Equal(409, (await hotmodel.Api.SwitchAsync("b")).Status);

        var reply = await hotmodel.Api.SwitchAsync("b", force: true);

        Assert.Equal((200, "b"), (reply.Status, (string?)reply.Json["active_model"]));
    }

    [Fact]
    public async Task Cache_type_with_which_llama_server_does_not_load_the_model_is_refused_before_anything_is_unloaded()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup().Tiny("a").Tiny("b", "narrow"));
        var child = hotmodel.ModelChild.Pid;

        var reply = await hotmodel.Api.SwitchAsync("b");

        Assert.Equal((409, "does_not_fit"), (reply.Status, (string?)reply.Json["error"]!["code"]));
        Assert.Contains("multiple of 32", reply.Text, StringComparison.Ordinal);
        Assert.Equal(child, hotmodel.ModelChild.Pid);
        // That it is true, llama-server shows.
        var forced = await hotmodel.Api.SwitchAsync("b", force: true);
        Assert.Equal((502, "a"), (forced.Status, (string?)forced.Json["rolled_back_to"]));
        Assert.Contains("does not divide", forced.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task File_that_cannot_be_read_is_not_refused()
    {
        // The fake server's models are GGUFs of no known version.
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { FakeFaults = "" }.Tiny("a").Tiny("b"));

        var plan = (await hotmodel.Api.PostAsync("admin/switch", DryRun("b"))).Json;

        Assert.Null(plan["fits"]);
        Assert.Contains("b.gguf has version 543584032, only 2 and 3 can be read", (string?)plan["reason"], StringComparison.Ordinal);
        Assert.Equal(200, (await hotmodel.Api.SwitchAsync("b")).Status);
    }

    [Fact]
    public async Task Command_shows_the_plan_and_tells_by_its_status_that_it_does_not_fit()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(
            new Setup().Tiny("a").Tiny("b").Tiny("big", "b", Huge));

        var fits = await hotmodel.CommandAsync("switch", "b", "--dry-run");
        Assert.Equal((0, ""), (fits.ExitCode, fits.Error));
        Assert.StartsWith("a -> b: fits\n", fits.Out, StringComparison.Ordinal);
        var active = await hotmodel.CommandAsync("switch", "a", "--dry-run");
        Assert.Equal((0, "a is active already.\n"), (active.ExitCode, active.Out));
        var large = await hotmodel.CommandAsync("switch", "big", "--dry-run");
        Assert.Equal((3, ""), (large.ExitCode, large.Error));
        Assert.StartsWith("a -> big: does not fit\n", large.Out, StringComparison.Ordinal);
        var json = await hotmodel.CommandAsync("switch", "big", "--dry-run", "--json");
        Assert.Equal((3, false), (json.ExitCode, (bool?)JsonNode.Parse(json.Out)!["fits"]));
        var unknown = await hotmodel.CommandAsync("switch", "nope", "--dry-run");
        Assert.Equal((1, ""), (unknown.ExitCode, unknown.Out));
        var refused = await hotmodel.CommandAsync("switch", "big");
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("does not fit", refused.Error, StringComparison.Ordinal);
        Assert.Contains("--force", refused.Error, StringComparison.Ordinal);
    }

    /// <summary>The real one would take the machine's memory. Its file becomes a model when it has started.</summary>
    private static async Task<HotModelProcess> StartWithFakeAsync()
    {
        var setup = new Setup { FakeFaults = "" }.Tiny("a").Tiny("b", lines: Huge);
        var hotmodel = await HotModelProcess.StartAsync(setup);
        File.Copy(TinyModels.File("b"), setup.ModelPath("b"), overwrite: true);
        return hotmodel;
    }
}
