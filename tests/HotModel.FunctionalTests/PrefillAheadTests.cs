using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests;

/// <summary>The first switch to a model with a long conversation, with the real llama-server.</summary>
public sealed class PrefillAheadTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    private static readonly string LongText = string.Concat(Enumerable.Repeat("some words of a long history ", 40));

    private static readonly JsonArray Tools = new(new JsonObject
    {
        ["type"] = "function",
        ["function"] = new JsonObject
        {
            ["name"] = "look_up",
            ["description"] = string.Concat(Enumerable.Repeat("says what a word means ", 20)),
            ["parameters"] = new JsonObject { ["type"] = "object", ["properties"] = new JsonObject() },
        },
    });

    [Theory]
    [InlineData(1, false)]
    [InlineData(4, true)]
    public async Task Next_question_after_the_first_switch_finds_the_conversation_evaluated(int parallel, bool hasTools)
    {
        await using var hotmodel = await HotModelProcess.StartAsync(SetupOf(parallel));
        await AskAsync(hotmodel, LongText, hasTools);
        await hotmodel.Api.SwitchAsync("b");
        var ahead = await DoneAsync(hotmodel);
        var total = (int)ahead["total_tokens"]!;
        Assert.Equal(("talk", total, total),
            ((string?)ahead["session_id"], (int)ahead["tokens"]!, (int)ahead["evaluated_tokens"]!));

        var second = await AskAsync(hotmodel, "and then?", hasTools);
        var cached = (int)second.Json["timings"]!["cache_n"]!;
        // All that does not depend on the question: its own tokens, and what the template writes after it, are left.
        Assert.InRange(cached, total, total + 1);
        Assert.InRange((int)second.Json["timings"]!["prompt_n"]!, 1, 100);
        var state = await hotmodel.StateAsync();
        Assert.Equal((total, 0),
            ((int)state["prefill_ahead"]!["used_tokens"]!, (int)state["snapshots"]!["reused_tokens"]!));
    }

    [Fact]
    public async Task Short_question_of_another_conversation_in_the_only_slot_does_not_end_it()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(SetupOf(1).Tiny("a").Tiny("slow"));
        await AskAsync(hotmodel, LongText);
        await hotmodel.Api.SwitchAsync("slow");
        await Until.True(async () => (int?)(await hotmodel.StateAsync())["prefill_ahead"]!["evaluated_tokens"] > 0, Limit);
        Assert.Equal(200, (await hotmodel.Api.ChatAsync("hello", session: "other", maxTokens: 1)).Status);
        var total = (int)(await DoneAsync(hotmodel))["total_tokens"]!;
        var second = await AskAsync(hotmodel, "and then?");
        Assert.InRange((int)second.Json["timings"]!["cache_n"]!, total, int.MaxValue);
    }

    [Fact]
    public async Task Return_to_a_model_that_has_all_of_it_evaluates_nothing()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(SetupOf(1));
        await AskAsync(hotmodel, LongText);
        await hotmodel.Api.SwitchAsync("b");
        await DoneAsync(hotmodel);
        var back = (await hotmodel.Api.SwitchAsync("a")).Json;
        Assert.NotNull(back["restored"]);
        Assert.Equal(0, (int)(await DoneAsync(hotmodel))["evaluated_tokens"]!);
    }

    [Fact]
    public async Task Return_with_an_old_snapshot_evaluates_what_came_since()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(SetupOf(1));
        await AskAsync(hotmodel, LongText);
        var saved = (await hotmodel.Api.SwitchAsync("b")).Json["saved"]!;
        await DoneAsync(hotmodel);
        await AskAsync(hotmodel, "Something new. " + LongText);
        await hotmodel.Api.SwitchAsync("a");
        var ahead = await DoneAsync(hotmodel);
        var since = (int)ahead["total_tokens"]! - (int)saved["tokens"]!;
        // The template closes the last answer, and its text may have other tokens than those that were drawn.
        Assert.InRange((int)ahead["evaluated_tokens"]!, since, since + 30);
        var third = await AskAsync(hotmodel, "and then?");
        Assert.InRange((int)third.Json["timings"]!["cache_n"]!, (int)ahead["total_tokens"]!, int.MaxValue);
    }

    [Fact]
    public async Task What_was_evaluated_and_never_asked_is_kept_too()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(SetupOf(1));
        await AskAsync(hotmodel, LongText);
        await hotmodel.Api.SwitchAsync("b");
        var total = (int)(await DoneAsync(hotmodel))["total_tokens"]!;
        Assert.Equal(total, (int)(await hotmodel.Api.SwitchAsync("a")).Json["saved"]!["tokens"]!);
        Assert.Equal(total, (int)(await hotmodel.Api.SwitchAsync("b")).Json["restored"]!["tokens"]!);
    }

    [Fact]
    public async Task Switched_off_nothing_is_evaluated_ahead()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(SetupOf(1, "prefill_ahead_seconds = 0"));
        await AskAsync(hotmodel, LongText);
        await hotmodel.Api.SwitchAsync("b");
        Assert.Equal("off", (string?)(await hotmodel.StateAsync())["prefill_ahead"]!["state"]);
        Assert.Equal(0, (int)(await AskAsync(hotmodel, "and then?")).Json["timings"]!["cache_n"]!);
    }

    private static Setup SetupOf(int parallel, string snapshots = "") =>
        new() { Router = $"parallel = {parallel}", Snapshots = snapshots };

    private static async Task<Reply> AskAsync(HotModelProcess hotmodel, string text, bool hasTools = false)
    {
        var body = new JsonObject
        {
            ["model"] = "active",
            ["max_tokens"] = 8,
            ["temperature"] = 0,
            ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = text }),
        };
        if (hasTools)
        {
            body["tools"] = Tools.DeepClone();
            body["tool_choice"] = "none";
        }
        var reply = await hotmodel.Api.PostAsync("v1/chat/completions", body, "talk");
        Assert.True(reply.Status == 200, reply.Text);
        return reply;
    }

    private static async Task<JsonNode> DoneAsync(HotModelProcess hotmodel)
    {
        JsonNode ahead = new JsonObject();
        await Until.True(async () =>
        {
            ahead = (await hotmodel.StateAsync())["prefill_ahead"]!;
            return (string?)ahead["state"] == "done";
        }, Limit);
        return ahead;
    }
}
