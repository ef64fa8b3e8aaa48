using System.Text;
using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests.Routes;

/// <summary>A hotmodel with a preset prompt, and the port of its model, which knows nothing of it.</summary>
public sealed class PresetServer : IAsyncLifetime
{
    internal const string Text = "Answer like a sailor of the old days, \u00fc, and \"in few words\".";

    private HotModelProcess? process;

    internal Api Through => process!.Api;
    internal Api Direct { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        var setup = new Setup { Preset = $"system_prompt = '{Text}'", Router = "parallel = 1" };
        process = await HotModelProcess.StartAsync(setup);
        Direct = await process.OpenModelAsync();
    }

    public ValueTask DisposeAsync()
    {
        Direct?.Dispose();
        return process?.DisposeAsync() ?? ValueTask.CompletedTask;
    }
}

/// <summary>The preset prompt on the routes that take messages, and nowhere else.</summary>
public sealed class PresetRouteTests(PresetServer server) : IClassFixture<PresetServer>
{
    [Theory]
    [InlineData("v1/chat/completions/input_tokens")]
    [InlineData("chat/completions/input_tokens")]
    [InlineData("v1/responses/input_tokens")]
    [InlineData("responses/input_tokens")]
    [InlineData("v1/messages/count_tokens")]
    public async Task Count_is_that_of_a_request_with_the_preset_prompt(string path)
    {
        var without = Count(await server.Direct.RawAsync(HttpMethod.Post, path, Body(path, null)));
        var with = Count(await server.Direct.RawAsync(HttpMethod.Post, path, Body(path, PresetServer.Text)));
        var through = Count(await server.Through.RawAsync(HttpMethod.Post, path, Body(path, null)));
        Assert.True(with > without + 20, $"{with} and {without} tokens");
        Assert.Equal(with, through);
    }

    [Theory]
    [InlineData("v1/chat/completions")]
    [InlineData("chat/completions")]
    [InlineData("v1/responses")]
    [InlineData("responses")]
    [InlineData("v1/messages")]
    public async Task Prompt_of_an_answer_holds_the_preset_prompt(string path)
    {
        await server.Direct.RawAsync(HttpMethod.Post, path, Body(path, PresetServer.Text));
        var own = await server.Direct.RawAsync(HttpMethod.Post, path, Body(path, PresetServer.Text));
        var through = await server.Through.RawAsync(HttpMethod.Post, path, Body(path, null));
        Assert.Equal(200, own.Status);
        Assert.Equal(PromptTokens(own), PromptTokens(through));
        Assert.Equal(Said(own), Said(through));
    }

    [Theory]
    [InlineData("v1/responses/input_tokens")]
    [InlineData("v1/messages/count_tokens")]
    public async Task Clients_own_instructions_stay_behind_the_preset_prompt(string path)
    {
        const string own = "And in rhyme.";
        var alone = Count(await server.Direct.RawAsync(HttpMethod.Post, path, Body(path, own)));
        var through = Count(await server.Through.RawAsync(HttpMethod.Post, path, Body(path, own)));
        Assert.True(through > alone + 20, $"{through} and {alone} tokens");
    }

    [Theory]
    [InlineData("completion", "{\"prompt\": \"ahoy\", \"n_predict\": 2, \"temperature\": 0}")]
    [InlineData("v1/completions", "{\"prompt\": \"ahoy\", \"max_tokens\": 2, \"temperature\": 0}")]
    [InlineData("tokenize", "{\"content\": \"ahoy\"}")]
    public async Task Routes_without_messages_have_no_preset_prompt(string path, string body)
    {
        var bytes = Encoding.UTF8.GetBytes(body);
        await server.Direct.RawAsync(HttpMethod.Post, path, bytes);
        var own = await server.Direct.RawAsync(HttpMethod.Post, path, bytes);
        var through = await server.Through.RawAsync(HttpMethod.Post, path, bytes);
        Assert.Equal((200, own.Comparable), (through.Status, through.Comparable));
    }

    private static int Count(RawReply reply)
    {
        Assert.True(reply.Status == 200, reply.Text);
        return (int)JsonNode.Parse(reply.Text)!["input_tokens"]!;
    }

    private static int PromptTokens(RawReply reply)
    {
        var usage = JsonNode.Parse(reply.Text)!["usage"]!;
        // Anthropic's counts what was not in the cache.
        return (int?)usage["prompt_tokens"] ?? ((int)usage["input_tokens"]! + ((int?)usage["cache_read_input_tokens"] ?? 0));
    }

    private static string Said(RawReply reply)
    {
        var body = JsonNode.Parse(reply.Text)!;
        var said = (string?)body["choices"]?[0]!["message"]!["content"] ?? (string?)body["content"]?[0]!["text"]
            ?? (string?)body["output"]?[0]!["content"]![0]!["text"];
        Assert.NotNull(said);
        return said;
    }

    private static byte[] Body(string path, string? system)
    {
        var body = new JsonObject { ["model"] = "a", ["temperature"] = 0, ["max_tokens"] = 8, ["max_output_tokens"] = 8 };
        if (path.Contains("responses", StringComparison.Ordinal))
        {
            body.Remove("max_tokens");
            body["input"] = "ahoy";
            if (system is not null)
                body["instructions"] = system;
        }
        else
        {
            var messages = new JsonArray(Chats.Message("user", "ahoy"));
            if (system is not null && path.Contains("chat", StringComparison.Ordinal))
                messages.Insert(0, Chats.Message("system", system));
            else if (system is not null)
                body["system"] = system;
            body["messages"] = messages;
        }
        return Encoding.UTF8.GetBytes(body.ToJsonString());
    }
}
