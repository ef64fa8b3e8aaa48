namespace HotModel.FunctionalTests;

/// <summary>The target of a switch is read into the page cache while an answer of the old model still runs.</summary>
public sealed class ReadAheadTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Target_is_in_memory_before_the_drain_ends(bool processMode)
    {
        var setup = new Setup { ActiveModel = "slow", ProcessMode = processMode }.Tiny("slow").Model("b");
        var target = Place(setup, "b");
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        PageCache.Evict(target);
        using var answer = await hotmodel.Api.StreamAsync("tell me", maxTokens: 7000);
        await answer.BegunAsync();
        var switching = hotmodel.Api.SwitchAsync("b");
        await Until.True(() => PageCache.IsWhollyResident(target), Limit);
        Assert.Equal("draining", (string?)(await hotmodel.StateAsync())["phase"]);
        // A client that has gone ends the drain.
        answer.Dispose();
        var report = (await switching).Json;
        Assert.Equal("b", (string?)report["active_model"]);
        var megabytes = new FileInfo(target).Length >> 20;
        // Less what was read of its head to see whether it fits.
        Assert.InRange((long)report["read_ahead"]!["mb"]!, megabytes - 1, megabytes);
        Assert.Equal(0, (long)report["read_ahead"]!["already_mb"]!);
        Assert.True((double)report["read_ahead"]!["seconds"]! > 0);
        var again = (await hotmodel.Api.SwitchAsync("slow")).Json["read_ahead"]!;
        Assert.Equal(0, (long)again["mb"]!);
        Assert.True((long)again["already_mb"]! > 0);
        Assert.Equal(2, (int)(await hotmodel.StateAsync())["read_ahead"]!["switches"]!);
    }

    [Fact]
    public async Task Missing_target_fails_as_ever_and_leaves_one_line()
    {
        var setup = new Setup().Tiny("a").Model("b");
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        // Without force it is refused, because there is nothing to load.
        var reply = await hotmodel.Api.SwitchAsync("b", force: true);
        Assert.Equal((502, "missing_file"), (reply.Status, (string?)reply.Json["reason"]));
        Assert.Equal(0, (long)reply.Json["read_ahead"]!["mb"]!);
        Assert.Single(hotmodel.Log.Split('\n'), line => line.Contains("were not read ahead", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Nothing_is_read_where_it_is_turned_off()
    {
        var setup = new Setup { ActiveModel = "slow", Server = "read_ahead = false" }.Tiny("slow").Model("b");
        var target = Place(setup, "b");
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        PageCache.Evict(target);
        using var answer = await hotmodel.Api.StreamAsync("tell me", maxTokens: 200);
        await answer.BegunAsync();
        var switching = hotmodel.Api.SwitchAsync("b");
        await answer.WholeAsync();
        var report = (await switching).Json;
        Assert.Equal("b", (string?)report["active_model"]);
        Assert.Null(report["read_ahead"]);
        Assert.Contains("read_ahead", report);
        Assert.Null((await hotmodel.StateAsync())["read_ahead"]);
        Assert.DoesNotContain("read ahead", hotmodel.Log, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task Command_tells_what_was_read()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var output = await hotmodel.CommandAsync("switch", "b");
        Assert.Contains("  read ahead       ", output.Out, StringComparison.Ordinal);
    }

    /// <summary>A model file of the test's own, which nobody else maps.</summary>
    private static string Place(Setup setup, string name)
    {
        var path = setup.ModelPath(name);
        File.Copy(TinyModels.File("slow"), path);
        return path;
    }
}
