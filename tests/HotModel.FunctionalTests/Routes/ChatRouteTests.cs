using System.Text;
using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests.Routes;

/// <summary>The routes that take messages: OpenAI's chat and responses, Anthropic's messages, and their counting.</summary>
[Collection(RouteCollection.Name)]
public sealed class ChatRouteTests(RouteServer server)
{
    private const string Chat = """
        "model": "@model", "temperature": 0, "seed": 1, "max_tokens": 12,
        "messages": [{"role": "system", "content": "You help with code."},
                     {"role": "user", "content": "A rhyme on locks, \u00fc"}]
        """;
    private const string Response = """
        "model": "@model", "temperature": 0, "seed": 1, "max_output_tokens": 12,
        "instructions": "You help with code.", "input": "A rhyme on exceptions"
        """;
    private const string Messages = """
        "model": "@model", "temperature": 0, "seed": 1, "max_tokens": 12,
        "system": "You help.", "messages": [{"role": "user", "content": "Good day!"}]
        """;

    private static readonly Dictionary<string, Example> Examples = new()
    {
        ["chat"] = new("v1/chat/completions", $$"""{{{Chat}}}""", "\"chat.completion\""),
        ["chat, alias"] = new("chat/completions", $$"""{{{Chat}}}""", "\"chat.completion\""),
        ["chat, streamed"] = new("v1/chat/completions", $$"""{{{Chat}}, "stream": true}""", "data: [DONE]"),
        ["chat, streamed, alias"] = new("chat/completions", $$"""{{{Chat}}, "stream": true}""", "data: [DONE]"),
        ["chat, progress"] = new("v1/chat/completions",
            $$"""{{{Chat}}, "stream": true, "return_progress": true, "timings_per_token": true}""", "prompt_progress"),
        ["chat, schema"] = new("v1/chat/completions",
            $$"""
            {{{Chat}}, "response_format": {"type": "json_object", "schema": {"type": "string", "maxLength": 3} } }
            """, "\\\""),
        ["chat, template argument"] = new("v1/chat/completions",
            $$"""{{{Chat}}, "chat_template_kwargs": {"enable_thinking": false}, "reasoning_format": "none"}""", "content"),
        ["chat, count"] = new("v1/chat/completions/input_tokens", $$"""{{{Chat}}}""", "\"input_tokens\":"),
        ["chat, count, alias"] = new("chat/completions/input_tokens", $$"""{{{Chat}}}""", "\"input_tokens\":"),
        ["chat, control of none"] = new("v1/chat/completions/control",
            """{"model": "@model", "id": "chatcmpl-none", "action": "reasoning_end"}""", "\"success\":false"),
        ["responses"] = new("v1/responses", $$"""{{{Response}}}""", "\"output_text\""),
        ["responses, alias"] = new("responses", $$"""{{{Response}}}""", "\"output_text\""),
        ["responses, streamed"] = new("v1/responses", $$"""{{{Response}}, "stream": true}""", "event: response.completed"),
        ["responses, items"] = new("v1/responses",
            """
            {"model": "@model", "temperature": 0, "max_output_tokens": 8, "input": [
              {"role": "user", "content": [{"type": "input_text", "text": "one"}]},
              {"type": "message", "role": "assistant", "status": "completed", "id": "msg_1",
               "content": [{"type": "output_text", "text": "two", "annotations": [], "logprobs": []}]},
              {"role": "user", "content": "three"}]}
            """, "\"output_text\""),
        ["responses, count"] = new("v1/responses/input_tokens", $$"""{{{Response}}}""", "\"input_tokens\":"),
        ["responses, count, alias"] = new("responses/input_tokens", $$"""{{{Response}}}""", "\"input_tokens\":"),
        ["messages"] = new("v1/messages", $$"""{{{Messages}}}""", "\"stop_reason\":\"max_tokens\""),
        ["messages, streamed"] = new("v1/messages", $$"""{{{Messages}}, "stream": true}""", "event: message_stop"),
        ["messages, blocks"] = new("v1/messages",
            """
            {"model": "@model", "temperature": 0, "max_tokens": 8, "stop_sequences": ["never said"],
             "system": [{"type": "text", "text": "You help."}, {"type": "text", "text": "Always."}],
             "messages": [{"role": "user", "content": [{"type": "text", "text": "Good day!"}]}]}
            """, "\"text\""),
        ["messages, tools"] = new("v1/messages",
            $$"""
            {{{Messages}}, "stream": true, "tool_choice": {"type": "any"}, "tools": [{"name": "get_weather",
             "input_schema": {"type": "object", "properties": {"place": {"type": "string"} } } }]}
            """, "event: message_stop"),
        ["messages, count"] = new("v1/messages/count_tokens", $$"""{{{Messages}}}""", "\"input_tokens\":"),
        ["apply-template"] = new("apply-template", $$"""{{{Chat}}}""", "<|im_start|>system\\nYou help"),
    };

    public static TheoryData<string> Names => [.. Examples.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public Task Example_has_the_servers_own_answer(string name) => server.SameAsync("coder", Examples[name]);

    [Theory]
    [InlineData("")]
    [InlineData("active")]
    [InlineData("coder")]
    public async Task Active_model_answers_under_each_name_that_means_it(string name)
    {
        await server.UseAsync("coder");
        foreach (var example in Examples.Values.Where(e => e.Path is "v1/responses" or "v1/messages"))
        {
            var reply = await server.Through.RawAsync(example.Method, example.Path, example.BytesFor(name));
            Assert.Equal((200, "coder"), (reply.Status, reply.Model));
        }
    }

    [Fact]
    public async Task Body_without_a_model_is_answered()
    {
        await server.UseAsync("coder");
        foreach (var path in (string[])["v1/responses", "v1/messages", "apply-template"])
        {
            var example = Examples.Values.First(e => e.Path == path);
            var body = JsonNode.Parse(example.Body!)!.AsObject();
            body.Remove("model");
            await server.SameAsync(HttpMethod.Post, path, Encoding.UTF8.GetBytes(body.ToJsonString()));
        }
    }

    [Fact]
    public async Task Control_reaches_the_answer_that_runs()
    {
        await server.UseAsync("coder");
        var body = $$"""{{{Chat}}, "stream": true, "reasoning_control": true}"""
            .Replace("\"max_tokens\": 12", "\"max_tokens\": 4000", StringComparison.Ordinal)
            .Replace("@model", "active", StringComparison.Ordinal);
        using var answer = await server.Through.BeginAsync("v1/chat/completions", body);
        await answer.BegunAsync();
        var id = (string?)JsonNode.Parse(answer.Events[^1])!["id"];
        var control = await server.Through.PostAsync(
            "v1/chat/completions/control", new JsonObject { ["id"] = id, ["action"] = "reasoning_end" });
        Assert.Equal(200, control.Status);
        Assert.DoesNotContain("no active completion", control.Text);
    }
}
