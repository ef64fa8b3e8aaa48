using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests;

/// <summary>What warm return must leave alone: with the real llama-server and several slots.</summary>
public sealed class WarmReturnSlotsTests
{
    private static readonly string LongText = string.Concat(Enumerable.Repeat("some words of a long history ", 40));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Conversations_that_take_turns_keep_their_slots_and_are_all_saved(bool processMode)
    {
        await using var hotmodel = await HotModelProcess.StartAsync(SetupOf(4, processMode));
        await hotmodel.Api.ChatAsync(LongText, session: "one");
        await hotmodel.Api.ChatAsync("Another conversation. " + LongText, session: "two");
        var again = await hotmodel.Api.ChatAsync("and then?", session: "one");
        Assert.True((int?)again.Json["timings"]!["cache_n"] > 500, again.Text);
        var away = (await hotmodel.Api.SwitchAsync("b")).Json;
        Assert.Equal(2, (int?)away["saved"]?["count"]);
    }

    [Fact]
    public async Task Chat_does_not_wait_for_the_slot_that_llama_server_gave_to_another_route()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(SetupOf(2, processMode: false));
        await hotmodel.Api.ChatAsync(LongText, session: "one");
        await hotmodel.Api.ChatAsync("Another conversation. " + LongText, session: "two");
        using var endless = await hotmodel.Api.BeginAsync(
            "completion",
            $$"""{"prompt":"Once upon a time","n_predict":{{Slots.EndlessTokens}},"ignore_eos":true,"stream":true}""");
        await endless.NextAsync();
        foreach (var session in (string[])["one", "two"])
        {
            var chat = await hotmodel.Api.ChatAsync("and then?", session).WaitAsync(TimeSpan.FromSeconds(20));
            Assert.Equal(200, chat.Status);
        }
        Assert.Contains("\"is_processing\":true", (await hotmodel.Api.GetAsync("slots")).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Request_that_wants_nothing_reused_does_not_end_snapshots_of_its_model()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(SetupOf(1, processMode: false));
        await hotmodel.Api.ChatAsync(LongText, session: "talk");
        await hotmodel.Api.SwitchAsync("b");
        await hotmodel.Api.SwitchAsync("a");
        var chat = await hotmodel.Api.PostAsync("v1/chat/completions", new JsonObject
        {
            ["session_id"] = "talk",
            ["max_tokens"] = 4,
            ["cache_prompt"] = false,
            ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "and then?" }),
        });
        Assert.Equal(0, (int?)chat.Json["timings"]!["cache_n"]);
        await hotmodel.Api.ChatAsync("and more?", session: "talk");
        Assert.Equal(1, (int?)(await hotmodel.Api.SwitchAsync("b")).Json["saved"]?["count"]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Conversation_driven_out_by_another_route_is_not_evaluated_again(bool hasFile)
    {
        await using var hotmodel = await HotModelProcess.StartAsync(SetupOf(1, processMode: false));
        await hotmodel.Api.ChatAsync(LongText, session: "talk");
        if (hasFile)
        {
            await hotmodel.Api.SwitchAsync("b");
            await hotmodel.Api.SwitchAsync("a");
        }
        await hotmodel.Api.PostTextAsync("completion", """{"prompt":"fozi fusa","n_predict":4}""");
        var chat = await hotmodel.Api.ChatAsync("and then?", session: "talk");
        Assert.True((int?)chat.Json["timings"]!["cache_n"] > 500, chat.Text);
        Assert.Equal(1, (int?)(await hotmodel.Api.SwitchAsync("b")).Json["saved"]?["count"]);
    }

    [Fact]
    public async Task Refused_request_does_not_cost_the_conversation_its_snapshot()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(SetupOf(1, processMode: false));
        await hotmodel.Api.ChatAsync(LongText, session: "talk");
        var refused = await hotmodel.Api.PostTextAsync("v1/chat/completions",
            """{"session_id":"talk","messages":[{"role":"user","content":"x"}],"grammar":"no grammar ::::"}""");
        Assert.Equal(400, refused.Status);
        Assert.Equal(1, (int?)(await hotmodel.Api.SwitchAsync("b")).Json["saved"]?["count"]);
    }

    [Fact]
    public async Task Answer_that_was_cut_costs_the_conversation_nothing_of_its_snapshot()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(SetupOf(1, processMode: false));
        var first = await hotmodel.Api.ChatAsync(LongText, session: "talk");
        using (var cut = await hotmodel.Api.StreamAsync("a long answer", session: "talk", maxTokens: 3000))
            await cut.BegunAsync();
        var saved = (int?)(await hotmodel.Api.SwitchAsync("b")).Json["saved"]?["tokens"];
        // The history, the question, and what there was of its answer.
        Assert.True(saved > (int?)first.Json["usage"]!["total_tokens"], $"{saved} tokens were saved");
        await hotmodel.Api.SwitchAsync("a");
        var again = await hotmodel.Api.ChatAsync("and then?", session: "talk");
        Assert.True((int?)again.Json["timings"]!["cache_n"] > 500, again.Text);
    }

    [Fact]
    public async Task Nothing_is_kept_of_a_model_whose_adapters_were_changed()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(SetupOf(1, processMode: false));
        await hotmodel.Api.ChatAsync(LongText, session: "talk");
        await hotmodel.Api.PostTextAsync("lora-adapters", "[]");
        Assert.Null((await hotmodel.Api.SwitchAsync("b")).Json["saved"]);
    }

    [Fact]
    public async Task Restore_that_finds_no_room_empties_other_slots_and_loses_nothing()
    {
        // The two conversations fit only one at a time into what all slots share.
        await using var hotmodel = await HotModelProcess.StartAsync(SetupOf(2, processMode: false, contextTokens: 1536));
        await hotmodel.Api.ChatAsync(LongText, session: "one");
        await hotmodel.Api.SwitchAsync("b");
        await hotmodel.Api.SwitchAsync("a");
        await hotmodel.Api.ChatAsync("Another conversation. " + LongText, session: "two");
        await hotmodel.Api.SwitchAsync("b");
        await hotmodel.Api.SwitchAsync("a");
        foreach (var session in (string[])["one", "two", "one"])
        {
            var again = await hotmodel.Api.ChatAsync("and then?", session);
            Assert.True((int?)again.Json["timings"]!["cache_n"] > 500, again.Text);
        }
        Assert.Equal(0, (int?)(await hotmodel.StateAsync())["snapshots"]!["failed"]);
    }

    private static Setup SetupOf(int parallel, bool processMode, int contextTokens = 4096) => new Setup
    {
        ContextTokens = contextTokens,
        ProcessMode = processMode,
        Router = $"parallel = {parallel}",
        // So that nothing but requests uses the slots.
        Snapshots = "prefill_ahead_seconds = 0",
    };
}
