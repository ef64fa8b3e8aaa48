namespace HotModel.FunctionalTests;

/// <summary>
/// Snapshots that do not fit what is loaded, or what was said since: the answer is the one of a run without snapshots.
/// </summary>
public sealed class SnapshotMisuseTests
{
    // More than snapshots.min_tokens.
    private static readonly string LongText = string.Concat(Enumerable.Repeat("some words of a long history ", 40));

    public enum Damage { Deleted, Garbage, GarbageAtTheEnd, ZerosAtTheEnd, Shortened }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Model_file_replaced_by_one_of_the_same_shape(bool keepsTime)
    {
        var (without, with) = await CompareAsync(SetupOf, async hotmodel =>
        {
            await AwayAsync(hotmodel);
            var path = hotmodel.Setup.ModelPath("a");
            var (length, changed) = (new FileInfo(path).Length, File.GetLastWriteTimeUtc(path));
            File.Copy(hotmodel.Setup.ModelPath("b"), path, overwrite: true);
            Assert.Equal(length, new FileInfo(path).Length);
            File.SetLastWriteTimeUtc(path, keepsTime ? changed : changed.AddSeconds(1));
            await BackAsync(hotmodel);
            return hotmodel;
        });
        Assert.Equal(without, with);
    }

    [Theory]
    [InlineData("ctx_size = 4096", "ctx_size = 3072")]
    [InlineData("cache_type_k = \"q8_0\"", "cache_type_k = \"f16\"")]
    [InlineData("parallel = 1", "parallel = 2")]
    [InlineData("path = \"a.gguf\"", "path = \"a.gguf\"\nextra_args = [\"--rope-freq-base\", \"5000\"]")]
    public async Task Option_of_the_model_changed_between_two_runs(string line, string changed)
    {
        var (without, with) = await CompareAsync(SetupOf, hotmodel => RestartAsync(hotmodel, setup =>
        {
            var toml = File.ReadAllText(setup.ConfigPath);
            Assert.Contains(line, toml, StringComparison.Ordinal);
            File.WriteAllText(setup.ConfigPath, toml.Replace(line, changed, StringComparison.Ordinal));
        }));
        Assert.Equal(without, with);
    }

    [Theory]
    [InlineData(Damage.Deleted)]
    [InlineData(Damage.Garbage)]
    [InlineData(Damage.GarbageAtTheEnd)]
    [InlineData(Damage.ZerosAtTheEnd)]
    [InlineData(Damage.Shortened)]
    public async Task File_damaged_while_the_model_is_away(Damage damage)
    {
        var (without, with) = await CompareAsync(SetupOf, async hotmodel =>
        {
            await hotmodel.Api.ChatAsync("Another conversation. " + LongText, session: "other", maxTokens: 16);
            await hotmodel.Api.ChatAsync("go on", session: "talk", maxTokens: 16);
            await AwayAsync(hotmodel);
            Harm(Files(hotmodel.Setup), damage);
            await BackAsync(hotmodel);
            return hotmodel;
        });
        Assert.Equal(without, with);
    }

    [Fact]
    public async Task Folder_emptied_while_hotmodel_is_stopped()
    {
        var (without, with) = await CompareAsync(SetupOf, hotmodel => RestartAsync(hotmodel, setup =>
        {
            foreach (var file in Files(setup))
                File.Delete(file);
        }));
        Assert.Equal(without, with);
    }

    /// <summary>What was restored is the beginning of what is asked now.</summary>
    [Fact]
    public async Task Conversation_that_went_on_under_another_model()
    {
        var (without, with) = await CompareAsync(SetupOf, async hotmodel =>
        {
            await AwayAsync(hotmodel);
            await hotmodel.Api.ChatAsync("and what do you say?", session: "talk", maxTokens: 16);
            await BackAsync(hotmodel);
            return hotmodel;
        });
        Assert.Equal(without.Answer, with.Answer);
        Assert.True(with.CachedTokens > 500, $"{with.CachedTokens} tokens were reused");
    }

    /// <summary>What was restored is not the beginning of what is asked now.</summary>
    [Fact]
    public async Task Conversation_that_its_client_has_edited()
    {
        var (without, with) = await CompareAsync(SetupOf, async hotmodel =>
        {
            await AwayAsync(hotmodel);
            await BackAsync(hotmodel);
            var edited = Chats.Request(16, Chats.Message("user", "Edited. " + LongText));
            Assert.Equal(200, (await hotmodel.Api.PostAsync("v1/chat/completions", edited, session: "talk")).Status);
            return hotmodel;
        });
        Assert.Equal(without.Answer, with.Answer);
    }

    [Fact]
    public async Task Disk_that_is_full_when_the_model_leaves()
    {
        // A snapshot of this conversation has more than 100 kB.
        static Setup Full(string snapshots) =>
            new() { Router = Options("f16"), Snapshots = Only(snapshots), ServerLimit = "-f 100" };
        var (without, with) = await CompareAsync(Full, async hotmodel =>
        {
            var away = await hotmodel.Api.SwitchAsync("b");
            Assert.Equal((200, "b"), (away.Status, (string?)away.Json["active_model"]));
            Assert.Null(away.Json["saved"]);
            Assert.Empty(Files(hotmodel.Setup));
            Assert.Null((await hotmodel.Api.SwitchAsync("a")).Json["restored"]);
            return hotmodel;
        });
        Assert.Equal(without, with);
    }

    [Fact]
    public async Task Bound_that_one_of_two_conversations_fits_keeps_the_one_used_last()
    {
        var bytes = await SizeOfOneAsync();
        string[] answers = [], expected = [];
        foreach (var snapshots in (string[])["enabled = false", $"max_bytes = {bytes * 3 / 2}"])
        {
            await using var hotmodel = await HotModelProcess.StartAsync(SetupOf(snapshots));
            await SayAsync(hotmodel, LongText);
            await hotmodel.Api.ChatAsync("Another conversation. " + LongText, session: "other", maxTokens: 16);
            await hotmodel.Api.SwitchAsync("b");
            await hotmodel.Api.SwitchAsync("a");
            var counts = (await hotmodel.StateAsync())["snapshots"]!;
            var other = await hotmodel.Api.ChatAsync("and then?", session: "other", maxTokens: 16);
            var talk = await SayAsync(hotmodel, "and then?");
            answers = [other.Content!, talk.Answer];
            if (expected.Length == 0)
            {
                expected = answers;
                continue;
            }
            Assert.Equal((1, 2, 1, 1), ((int)counts["count"]!, (int)counts["saved"]!, (int)counts["restored"]!,
                (int)counts["evicted"]!));
            Assert.True((int)other.Json["timings"]!["cache_n"]! > 500, other.Text);
            // How both conversations begin.
            Assert.InRange(talk.CachedTokens, 0, 100);
            Assert.InRange(Files(hotmodel.Setup).Sum(file => new FileInfo(file).Length), 1, bytes * 3 / 2);
        }
        Assert.Equal(expected, answers);
    }

    private static async Task<long> SizeOfOneAsync()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(SetupOf(""));
        await SayAsync(hotmodel, LongText);
        return (long)(await hotmodel.Api.SwitchAsync("b")).Json["saved"]!["bytes"]!;
    }

    private static Setup SetupOf(string snapshots) => new() { Router = Options("q8_0"), Snapshots = Only(snapshots) };

    /// <summary>What is reused then comes from a file.</summary>
    private static string Only(string snapshots) => snapshots + "\nprefill_ahead_seconds = 0";

    private static string Options(string cacheType) =>
        $"cache_type_k = \"{cacheType}\"\ncache_type_v = \"{cacheType}\"\nparallel = 1";

    private static string[] Files(Setup setup) =>
        Path.Combine(setup.DatabaseFolder, "snapshots") is var folder && Directory.Exists(folder)
            ? Directory.GetFiles(folder) : [];

    private static void Harm(string[] files, Damage damage)
    {
        if (files.Length == 0)
            return;
        var contents = files.Select(File.ReadAllBytes).ToArray();
        for (var i = 0; i < files.Length; i++)
        {
            // Numbers of the last layer only: llama-server looks at no number, and finds all else in its place.
            var head = contents[i].Length / 8 * 7;
            var rest = contents[i].AsSpan(damage == Damage.Garbage ? 0 : head);
            switch (damage)
            {
                case Damage.Deleted:
                    File.Delete(files[i]);
                    continue;
                case Damage.Garbage or Damage.GarbageAtTheEnd:
                    new Random(1).NextBytes(rest);
                    break;
                case Damage.ZerosAtTheEnd:
                    rest.Clear();
                    break;
                case Damage.Shortened:
                    contents[i] = contents[i][..^1];
                    break;
            }
            File.WriteAllBytes(files[i], contents[i]);
        }
    }

    private static async Task AwayAsync(HotModelProcess hotmodel)
    {
        Assert.Equal(200, (await hotmodel.Api.SwitchAsync("b")).Status);
        if (!hotmodel.Setup.Snapshots.Contains("false", StringComparison.Ordinal))
            Assert.NotEmpty(Files(hotmodel.Setup));
    }

    private static async Task BackAsync(HotModelProcess hotmodel) =>
        Assert.Equal(200, (await hotmodel.Api.SwitchAsync("a")).Status);

    private static async Task<HotModelProcess> RestartAsync(HotModelProcess hotmodel, Action<Setup> between)
    {
        Assert.Equal(0, await hotmodel.StopAsync());
        if (!hotmodel.Setup.Snapshots.Contains("false", StringComparison.Ordinal))
            Assert.NotEmpty(Files(hotmodel.Setup));
        between(hotmodel.Setup);
        return await HotModelProcess.StartAsync(hotmodel.Setup);
    }

    /// <summary>A conversation of two questions with something between them, without snapshots and with them.</summary>
    private static async Task<(Said Without, Said With)> CompareAsync(
        Func<string, Setup> setup, Func<HotModelProcess, Task<HotModelProcess>> between) =>
        (await TalkAsync(setup("enabled = false"), between), await TalkAsync(setup(""), between));

    private static async Task<Said> TalkAsync(Setup setup, Func<HotModelProcess, Task<HotModelProcess>> between)
    {
        var hotmodel = await HotModelProcess.StartAsync(setup);
        try
        {
            await SayAsync(hotmodel, LongText);
            hotmodel = await between(hotmodel);
            return await SayAsync(hotmodel, "and then?");
        }
        finally
        {
            await hotmodel.DisposeAsync();
        }
    }

    private static async Task<Said> SayAsync(HotModelProcess hotmodel, string text)
    {
        var reply = await hotmodel.Api.ChatAsync(text, session: "talk", maxTokens: 16);
        Assert.True(reply.Status == 200, reply.Text);
        return new Said(reply.Content!, (int)reply.Json["timings"]!["cache_n"]!);
    }

    /// <param name="CachedTokens">That the answer's prompt did not cost.</param>
    private sealed record Said(string Answer, int CachedTokens);
}
