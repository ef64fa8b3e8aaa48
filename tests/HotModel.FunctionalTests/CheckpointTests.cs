namespace HotModel.FunctionalTests;

/// <summary>
/// Models whose cache, and so whose snapshots, cannot go back to every earlier token: those that attend to the last tokens
/// only in most of their layers, and those whose layers have a state instead, all or some of them. Where an earlier part of a
/// prompt has changed, llama-server goes on from one of its checkpoints, which are in the snapshot too, or evaluates all anew.
/// </summary>
public sealed class CheckpointTests
{
    private const string NoCheckpoints = "extra_args = [\"--ctx-checkpoints\", \"0\"]";

    // More than snapshots.min_tokens, and than the window and a batch.
    private static readonly string LongText = string.Concat(Enumerable.Repeat("some words of a long history ", 40));

    [Theory]
    [InlineData("window")]
    [InlineData("recurrent")]
    [InlineData("hybrid")]
    public async Task Conversation_that_goes_on_is_not_evaluated_again(string model)
    {
        var (without, with) = await CompareAsync(model, "", null, null);
        Assert.Equal(without.Answers, with.Answers);
        Assert.All(with.Cached, cached => Assert.True(cached > 500, $"{cached} tokens were reused"));
        Assert.True(with.IsKept);
    }

    [Fact]
    public async Task Conversation_whose_beginning_has_changed_is_answered_rightly()
    {
        var (without, with) = await CompareAsync("window", "", "be brief", "be brief");
        Assert.Equal(without.Answers, with.Answers);
        Assert.True(with.Cached[1] > 500, $"{with.Cached[1]} tokens were reused");
        Assert.True(with.IsKept);
    }

    [Fact]
    public async Task Restore_that_reuses_nothing_once_is_not_the_last()
    {
        var (without, with) = await CompareAsync("window", NoCheckpoints, "be brief", "be brief");
        Assert.Equal(without.Answers, with.Answers);
        Assert.Equal(0, with.Cached[0]);
        Assert.True(with.Cached[1] > 500, $"{with.Cached[1]} tokens were reused");
        Assert.True(with.IsKept);
    }

    [Theory]
    [InlineData("window")]
    [InlineData("recurrent")]
    [InlineData("hybrid")]
    public async Task Client_that_changes_the_beginning_after_each_switch_does_not_end_snapshots(string model)
    {
        var (without, with) = await CompareAsync(model, NoCheckpoints, "be brief", "be terse");
        Assert.Equal(without.Answers, with.Answers);
        Assert.Equal([0, 0], with.Cached);
        Assert.True(with.IsKept);
        Assert.Equal(1, with.Files);
    }

    private static async Task<(Talk Without, Talk With)> CompareAsync(
        string model, string lines, params string?[] systems) =>
        (await TalkAsync("enabled = false", model, lines, systems), await TalkAsync("", model, lines, systems));

    /// <summary>A first question, and two more after coming back, with system messages of these texts.</summary>
    private static async Task<Talk> TalkAsync(string snapshots, string model, string lines, string?[] systems)
    {
        var setup = new Setup
        {
            ActiveModel = model,
            Router = "parallel = 1",
            Snapshots = snapshots + "\nprefill_ahead_seconds = 0",
        };
        await using var hotmodel = await HotModelProcess.StartAsync(setup.Tiny(model, lines: lines).Tiny("b"));
        await hotmodel.Api.ChatAsync(LongText, session: "talk", maxTokens: 16);
        List<string> answers = [];
        List<int> cached = [];
        foreach (var system in systems)
        {
            await hotmodel.Api.SwitchAsync("b");
            await hotmodel.Api.SwitchAsync(model);
            var messages = new[] { Chats.Message("user", "and then?") };
            if (system is not null)
                messages = [Chats.Message("system", system), .. messages];
            var reply = await hotmodel.Api.PostAsync("v1/chat/completions", Chats.Request(16, messages), session: "talk");
            Assert.True(reply.Status == 200, reply.Text);
            answers.Add(reply.Content!);
            cached.Add((int)reply.Json["timings"]!["cache_n"]!);
        }
        var isRestorable = (bool?)(await hotmodel.StateAsync())["snapshots"]!["restorable"];
        var isKept = (await hotmodel.Api.SwitchAsync("b")).Json["saved"] is not null;
        Assert.Equal(snapshots.Length == 0 ? isKept : null, isRestorable);
        var folder = Path.Combine(setup.DatabaseFolder, "snapshots");
        return new Talk(answers, cached, isKept, Directory.Exists(folder) ? Directory.GetFiles(folder).Length : 0);
    }

    /// <param name="Cached">Tokens that each prompt did not cost.</param>
    /// <param name="IsKept">A snapshot was saved when the model left again.</param>
    private sealed record Talk(List<string> Answers, List<int> Cached, bool IsKept, int Files);
}
