namespace HotModel.FunctionalTests;

/// <summary>The disk of the state directory fills up or becomes read-only: answers and switches do not feel it.</summary>
public sealed class DiskFaultTests
{
    private static readonly TimeSpan BackLimit = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task Full_disk_costs_turns_that_are_counted_and_told_and_nothing_else()
    {
        await using var disk = await SmallDisk.MountAsync();
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { StateFolder = disk.Folder });
        await ChatAsync(hotmodel, "one");
        disk.Fill();
        await ServesWithoutStoringAsync(hotmodel, "database or disk is full", disk.Fill);

        disk.MakeRoom();
        await ChatAsync(hotmodel, "two");
        Assert.Equal(["one", "two"], await QuestionsAsync(hotmodel));
        disk.Fill();
        Assert.Equal(0, await hotmodel.StopAsync());
        Assert.Equal("ok", Store.CheckIntegrity(disk.Folder));
    }

    [Fact]
    public async Task Disk_that_becomes_read_only_costs_turns_that_are_counted_and_told_and_nothing_else()
    {
        await using var disk = await SmallDisk.MountAsync();
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { StateFolder = disk.Folder });
        await ChatAsync(hotmodel, "one");
        await disk.BecomeReadOnlyAsync();
        await ServesWithoutStoringAsync(hotmodel, "read-only", () => { });
        Assert.Equal(0, await hotmodel.StopAsync());
    }

    [Fact]
    public async Task Start_on_a_full_disk_says_so_and_loses_nothing()
    {
        await using var disk = await SmallDisk.MountAsync();
        var setup = new Setup { StateFolder = disk.Folder };
        var database = Path.Combine(disk.Folder, "hotmodel.db");
        disk.Fill();
        await RefusesToStartAsync(setup, database, "full");
        disk.MakeRoom();
        var first = await HotModelProcess.StartAsync(setup);
        await ChatAsync(first, "one");
        Assert.Equal(0, await first.StopAsync());
        // SQLite needs room beside a store that is there already.
        disk.Fill();
        await RefusesToStartAsync(setup, database, "full");
        disk.MakeRoom();
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        Assert.Equal(["one"], await QuestionsAsync(hotmodel));
    }

    [Fact]
    public async Task Start_in_a_read_only_directory_says_what_to_do()
    {
        await using var disk = await SmallDisk.MountAsync();
        await disk.MountReadOnlyAsync();
        var setup = new Setup { StateFolder = disk.Folder };
        await RefusesToStartAsync(setup, disk.Folder, "server.state_path");
        Directory.Delete(setup.Folder, recursive: true);
    }

    private static async Task ServesWithoutStoringAsync(HotModelProcess hotmodel, string reason, Action again)
    {
        await ChatAsync(hotmodel, "not stored");
        using (var answer = await hotmodel.Api.StreamAsync("not stored", session: "talk"))
            await answer.WholeAsync();
        Assert.Equal(2, (int)(await hotmodel.StateAsync())["requests"]!["store_failures"]!);
        Assert.Equal(["one"], await QuestionsAsync(hotmodel));
        await Until.True(
            () => hotmodel.Log.Contains("A turn of session talk was not stored", StringComparison.Ordinal)
                && hotmodel.Log.Contains(reason, StringComparison.Ordinal),
            BackLimit, "the log says so");

        var report = await hotmodel.Api.SwitchAsync("b");
        Assert.True(report.Status == 200 && (string?)report.Json["active_model"] == "b", report.Text);
        again();
        var router = hotmodel.Server.Pid;
        ProcessTree.Send(router, Signal.Kill);
        await Until.True(() => !ProcessTree.IsAlive(router), BackLimit, "the router is dead");
        again();
        Assert.Equal("b", (await ChatAsync(hotmodel, "not stored")).Model);
    }

    private static async Task<Reply> ChatAsync(HotModelProcess hotmodel, string text)
    {
        var reply = await hotmodel.Api.ChatAsync(text, session: "talk");
        Assert.True(reply.Status == 200, reply.Text + "\n" + hotmodel.Log);
        Assert.NotEmpty(reply.Content!);
        return reply;
    }

    private static async Task<IEnumerable<string?>> QuestionsAsync(HotModelProcess hotmodel) =>
        (await hotmodel.Api.GetAsync("admin/sessions/talk")).Json["history"]!.AsArray()
        .Where(item => (string?)item!["role"] == "user").Select(item => (string?)item!["message"]!["content"]);

    private static async Task RefusesToStartAsync(Setup setup, params string[] words)
    {
        if (!File.Exists(setup.ConfigPath))
            setup.Write();
        var refused = await CommandLine.RunAsync("serve", "--config", setup.ConfigPath);
        Assert.True(refused.ExitCode == 1, $"{refused.ExitCode}: {refused.Error}");
        Assert.StartsWith("hotmodel cannot start: ", refused.Error, StringComparison.Ordinal);
        Assert.All(words, word => Assert.Contains(word, refused.Error, StringComparison.Ordinal));
    }
}
