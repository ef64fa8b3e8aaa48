using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests;

/// <summary>What is stored and sent, over the API, with the real llama-server.</summary>
public sealed class ConversationTests
{
    [Fact]
    public async Task Answer_carries_its_session_model_and_budget()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var reply = await hotmodel.Api.ChatAsync("hello");
        var extra = reply.Json["hotmodel"]!;
        Assert.NotNull(reply.Session);
        Assert.Equal(reply.Session, (string?)extra["session_id"]);
        Assert.Equal(("a", "a"), (reply.Model, (string?)extra["active_model"]));
        Assert.Equal(1, (int?)extra["prompt_messages"]);
        Assert.Equal(0, (int?)extra["prompt_budget"]!["dropped_messages"]);
        Assert.NotNull((double?)extra["prompt_budget"]!["cost"]);
        Assert.NotNull((string?)extra["prompt_budget"]!["unit"]);
    }

    [Fact]
    public async Task Stream_carries_session_and_model_and_is_stored_as_one_message()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        using var answer = await hotmodel.Api.StreamAsync("hello");
        var text = await answer.WholeAsync();
        Assert.Equal("a", answer.Model);
        var history = await HistoryAsync(hotmodel, answer.Session!);
        Assert.Equal(["user", "assistant"], history.Select(m => (string?)m["role"]));
        Assert.Equal(text, (string?)history[1]["message"]!["content"]);
        Assert.Equal("a", (string?)history[1]["model"]);
    }

    [Fact]
    public async Task Conversation_and_preset_survive_a_switch()
    {
        var setup = new Setup { Preset = "system_prompt = \"You are terse.\"" };
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        var first = await hotmodel.Api.ChatAsync("one", session: "talk");
        await hotmodel.Api.SwitchAsync("b");
        var second = await hotmodel.Api.ChatAsync("two", session: "talk");
        Assert.Equal(("a", "b"), (first.Model, second.Model));
        // Preset, "one", its answer, "two".
        Assert.Equal(4, (int?)second.Json["hotmodel"]!["prompt_messages"]);
        // What the model saw is what it sees when all of it is sent to it at once.
        using var router = hotmodel.OpenRouter();
        var direct = await router.PostAsync("v1/chat/completions", With("b", Chats.Request(
            8,
            Chats.Message("system", "You are terse."),
            Chats.Message("user", "one"),
            Chats.Message("assistant", first.Content!),
            Chats.Message("user", "two"))));
        Assert.Equal(direct.Content, second.Content);
    }

    [Fact]
    public async Task Session_may_be_named_in_the_body()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var body = Chats.Request("hello");
        body["session_id"] = "mine";
        var reply = await hotmodel.Api.PostAsync("v1/chat/completions", body);
        Assert.Equal("mine", reply.Session);
        Assert.Equal(2, (await HistoryAsync(hotmodel, "mine")).Count);
    }

    [Fact]
    public async Task Resent_history_without_a_session_continues_its_conversation()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var first = await hotmodel.Api.PostAsync("v1/chat/completions", Chats.Request("one"));
        var again = Chats.Request(
            8, Chats.Message("user", "one"), Chats.Message("assistant", first.Content!), Chats.Message("user", "two"));
        var second = await hotmodel.Api.PostAsync("v1/chat/completions", again);
        Assert.Equal(first.Session, second.Session);
        Assert.Equal(3, (int?)second.Json["hotmodel"]!["prompt_messages"]);
        Assert.Equal(4, (await HistoryAsync(hotmodel, first.Session!)).Count);
    }

    [Fact]
    public async Task Resent_history_of_a_named_session_is_not_doubled()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var first = await hotmodel.Api.ChatAsync("one", session: "s");
        var again = Chats.Request(
            8, Chats.Message("user", "one"), Chats.Message("assistant", first.Content!), Chats.Message("user", "two"));
        await hotmodel.Api.PostAsync("v1/chat/completions", again, session: "s");
        var history = await HistoryAsync(hotmodel, "s");
        Assert.Equal(["one", first.Content, "two"], history.Take(3).Select(m => (string?)m["message"]!["content"]));
        Assert.Equal(4, history.Count);
    }

    [Fact]
    public async Task Requests_that_share_nothing_are_separate_conversations()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var first = await hotmodel.Api.ChatAsync("one");
        var second = await hotmodel.Api.ChatAsync("two");
        Assert.NotEqual(first.Session, second.Session);
    }

    [Fact]
    public async Task Tool_call_and_its_result_are_kept_whole()
    {
        var setup = new Setup { ActiveModel = "caller" }.Tiny("caller").Tiny("b");
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        var ask = Chats.Request(256, Chats.Message("user", "weather?"));
        ask["tools"] = Chats.Tools();
        ask["tool_choice"] = "required";
        ask["parallel_tool_calls"] = false;
        var reply = await hotmodel.Api.PostAsync("v1/chat/completions", ask, session: "tools");
        var call = reply.Json["choices"]![0]!["message"]!["tool_calls"]!.AsArray().Single()!;
        Assert.Equal("get_weather", (string?)call["function"]!["name"]);
        var result = Chats.Request(8, Chats.Message("tool", "12 degrees"));
        result["messages"]![0]!["tool_call_id"] = (string?)call["id"];
        await hotmodel.Api.SwitchAsync("b");
        var after = await hotmodel.Api.PostAsync("v1/chat/completions", result, session: "tools");
        Assert.Equal((200, "b"), (after.Status, after.Model));
        var history = await HistoryAsync(hotmodel, "tools");
        Assert.Equal(["user", "assistant", "tool", "assistant"], history.Select(m => (string?)m["role"]));
        Assert.True(JsonNode.DeepEquals(call, history[1]["message"]!["tool_calls"]![0]));
        Assert.Equal((string?)call["id"], (string?)history[2]["message"]!["tool_call_id"]);
    }

    [Fact]
    public async Task Streamed_tool_call_is_put_together_for_the_store()
    {
        var setup = new Setup { ActiveModel = "caller" }.Tiny("caller");
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        var ask = Chats.Request(256, Chats.Message("user", "weather?"));
        ask["tools"] = Chats.Tools();
        ask["tool_choice"] = "required";
        ask["parallel_tool_calls"] = false;
        using var answer = await hotmodel.Api.StreamAsync(ask, session: "tools");
        await answer.WholeAsync();
        Assert.Equal("tool_calls", answer.FinishReason);
        var history = await HistoryAsync(hotmodel, "tools");
        var call = history[1]["message"]!["tool_calls"]!.AsArray().Single()!;
        Assert.Equal("get_weather", (string?)call["function"]!["name"]);
        var arguments = JsonNode.Parse((string)call["function"]!["arguments"]!)!;
        Assert.Contains((string?)arguments["unit"], (string[])["celsius", "fahrenheit"]);
    }

    [Fact]
    public async Task Oldest_history_is_left_out_of_a_prompt_over_its_token_budget()
    {
        var setup = new Setup
        {
            Session = "max_prompt_tokens = 200\ntoken_budget_mode = \"llama\"",
            Preset = "system_prompt = \"You are terse.\"",
        };
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        Reply reply;
        var turns = 0;
        do
        {
            reply = await hotmodel.Api.ChatAsync(new string('x', 40), session: "long", maxTokens: 16);
            Assert.Equal(200, reply.Status);
            Assert.True(++turns < 20, "nothing was ever left out");
        }
        while ((int)reply.Json["hotmodel"]!["prompt_budget"]!["dropped_messages"]! == 0);
        Assert.InRange((int)reply.Json["usage"]!["prompt_tokens"]!, 1, 200);
        // What is left out of a prompt stays in the store.
        Assert.Equal(turns * 2, (await HistoryAsync(hotmodel, "long")).Count);
    }

    [Fact]
    public async Task Sessions_are_listed_shown_exported_and_deleted()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        await hotmodel.Api.ChatAsync("one", session: "s1");
        await hotmodel.Api.ChatAsync("two", session: "s2");
        var list = (await hotmodel.Api.GetAsync("admin/sessions")).Json;
        Assert.Equal(["s2", "s1"], list["sessions"]!.AsArray().Select(s => (string?)s!["id"]));
        var export = await hotmodel.Api.GetAsync("admin/sessions/s1/export");
        Assert.Equal(200, export.Status);
        Assert.Equal("one", (string?)export.Json["history"]![0]!["message"]!["content"]);
        Assert.Equal(200, (await hotmodel.Api.DeleteAsync("admin/sessions/s1")).Status);
        Assert.Equal(404, (await hotmodel.Api.GetAsync("admin/sessions/s1")).Status);
        Assert.Equal(404, (await hotmodel.Api.DeleteAsync("admin/sessions/s1")).Status);
        Assert.Equal(200, (await hotmodel.Api.GetAsync("admin/sessions/s2")).Status);
    }

    [Fact]
    public async Task Turns_of_one_session_are_serialised()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var replies = await Task.WhenAll(
            Enumerable.Range(0, 6).Select(i => hotmodel.Api.ChatAsync($"message {i}", session: "one")));
        Assert.All(replies, r => Assert.Equal(200, r.Status));
        var history = await HistoryAsync(hotmodel, "one");
        Assert.Equal(Enumerable.Repeat<string?[]>(["user", "assistant"], 6).SelectMany(r => r),
            history.Select(m => (string?)m["role"]));
        var counts = replies.Select(r => (int)r.Json["hotmodel"]!["prompt_messages"]!).Order();
        Assert.Equal([1, 3, 5, 7, 9, 11], counts);
    }

    [Fact]
    public async Task Conversation_survives_a_restart()
    {
        var setup = new Setup();
        setup.Write();
        var first = await HotModelProcess.StartAsync(setup);
        await first.Api.ChatAsync("one", session: "s");
        Assert.Equal(0, await first.StopAsync());
        await using var second = await HotModelProcess.StartAsync(setup);
        var reply = await second.Api.ChatAsync("two", session: "s");
        Assert.Equal(3, (int?)reply.Json["hotmodel"]!["prompt_messages"]);
    }

    [Fact]
    public async Task Bad_requests_are_refused_in_the_shape_of_OpenAI_errors()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        foreach (var body in (string[])["", "{", "[]", "{}", """{"messages": "x"}""", """{"messages": [1]}"""])
        {
            var reply = await hotmodel.Api.PostTextAsync("v1/chat/completions", body);
            Assert.InRange(reply.Status, 400, 499);
            Assert.NotNull((string?)reply.Json["error"]!["message"]);
            Assert.NotNull((string?)reply.Json["error"]!["type"]);
        }
        Assert.Equal(200, (await hotmodel.Api.ChatAsync("still there?")).Status);
    }

    private static async Task<List<JsonObject>> HistoryAsync(HotModelProcess hotmodel, string session)
    {
        var reply = await hotmodel.Api.GetAsync($"admin/sessions/{session}");
        Assert.Equal(200, reply.Status);
        return [.. reply.Json["history"]!.AsArray().Select(m => m!.AsObject())];
    }

    private static JsonObject With(string model, JsonObject request)
    {
        request["model"] = model;
        return request;
    }
}
