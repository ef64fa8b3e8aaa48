using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests;

/// <summary>A llama-server that is no good at saving or restoring: switches and answers do not feel it.</summary>
public sealed class SnapshotFaultTests
{
    // The bound of waiting for a file whose size is not known is ten seconds and what the largest one takes.
    private const string Small = "min_tokens = 1\nmax_bytes = 1000000";

    [Theory]
    [InlineData("build=b12000", "build=b12000")]
    [InlineData("build=b12000", "build=b12001")]
    public async Task Only_the_build_that_saved_a_file_gets_it_back(string before, string after)
    {
        var setup = SetupOf(before);
        var hotmodel = await HotModelProcess.StartAsync(setup);
        await hotmodel.Api.ChatAsync("hello", session: "talk");
        Assert.Equal(0, await hotmodel.StopAsync());
        Assert.Single(Files(setup));
        var toml = await File.ReadAllTextAsync(setup.ConfigPath);
        await File.WriteAllTextAsync(setup.ConfigPath, toml.Replace(before, after, StringComparison.Ordinal));
        await using var again = await HotModelProcess.StartAsync(setup);
        var reply = await again.Api.ChatAsync("and then?", session: "talk");
        Assert.StartsWith(" a0 a1", reply.Content!, StringComparison.Ordinal);
        Assert.Equal(before == after, await DidAsync(setup, "restore a"));
        Assert.Equal(before == after ? 1 : 0, (int)(await again.StateAsync())["snapshots"]!["restored"]!);
    }

    [Theory]
    [InlineData("save-fails")]
    [InlineData("save-hangs")]
    public async Task Save_that_does_not_work_costs_the_switch_nothing_but_a_bounded_wait(string fault)
    {
        await using var hotmodel = await HotModelProcess.StartAsync(SetupOf(fault));
        await hotmodel.Api.ChatAsync("hello", session: "talk");
        var away = await hotmodel.Api.SwitchAsync("b");
        Assert.Equal((200, "b"), (away.Status, (string?)away.Json["active_model"]));
        Assert.Null(away.Json["saved"]);
        Assert.InRange((double)away.Json["elapsed_seconds"]!, 0, 25);
        Assert.True(await DidAsync(hotmodel.Setup, "save a"));
        Assert.Empty(Files(hotmodel.Setup));
        var back = await hotmodel.Api.SwitchAsync("a");
        Assert.Equal((200, "a"), (back.Status, (string?)back.Json["active_model"]));
        Assert.Null(back.Json["restored"]);
        var reply = await hotmodel.Api.ChatAsync("and then?", session: "talk");
        Assert.StartsWith(" a0 a1", reply.Content!, StringComparison.Ordinal);
        Assert.Equal(1, (int)(await hotmodel.StateAsync())["snapshots"]!["failed"]!);
    }

    [Theory]
    [InlineData("restore-fails")]
    [InlineData("restore-hangs")]
    public async Task Restore_that_does_not_work_is_not_tried_twice(string fault)
    {
        await using var hotmodel = await HotModelProcess.StartAsync(SetupOf(fault));
        await hotmodel.Api.ChatAsync("hello", session: "talk");
        Assert.Equal(1, (int?)(await hotmodel.Api.SwitchAsync("b")).Json["saved"]?["count"]);
        var back = await hotmodel.Api.SwitchAsync("a");
        Assert.Equal((200, "a"), (back.Status, (string?)back.Json["active_model"]));
        Assert.Null(back.Json["restored"]);
        Assert.InRange((double)back.Json["elapsed_seconds"]!, 0, 25);
        Assert.Empty(Files(hotmodel.Setup));
        var reply = await hotmodel.Api.ChatAsync("and then?", session: "talk");
        Assert.StartsWith(" a0 a1", reply.Content!, StringComparison.Ordinal);
        Assert.Single(await File.ReadAllLinesAsync(hotmodel.Setup.FakeLogPath),
            line => line.EndsWith("restore a", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Save_adds_its_own_time_to_the_switch_and_the_report_tells_it()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(SetupOf("save-slow=700@a"));
        var plain = await UnloadSecondsAsync(hotmodel, "b");
        await hotmodel.Api.SwitchAsync("a");
        await hotmodel.Api.ChatAsync("hello", session: "talk");
        var away = (await hotmodel.Api.SwitchAsync("b")).Json;
        var saved = (double)away["saved"]!["seconds"]!;
        Assert.InRange(saved, 0.7, (double)away["elapsed_seconds"]!);
        // Half a second for whatever else the machine does meanwhile.
        Assert.InRange(SecondsOf(away, "unload") - plain, 0, saved + 0.5);
    }

    private static async Task<double> UnloadSecondsAsync(HotModelProcess hotmodel, string model)
    {
        var report = (await hotmodel.Api.SwitchAsync(model)).Json;
        Assert.Null(report["saved"]);
        return SecondsOf(report, "unload");
    }

    private static double SecondsOf(JsonObject report, string phase) =>
        (double)report["phases"]!.AsArray().Single(item => (string?)item!["name"] == phase)!["seconds"]!;

    private static Setup SetupOf(string faults) => new() { FakeFaults = faults, Snapshots = Small };

    private static string[] Files(Setup setup) => Directory.GetFiles(Path.Combine(setup.DatabaseFolder, "snapshots"));

    private static async Task<bool> DidAsync(Setup setup, string words) =>
        (await File.ReadAllLinesAsync(setup.FakeLogPath)).Any(line => line.EndsWith(words, StringComparison.Ordinal));
}
