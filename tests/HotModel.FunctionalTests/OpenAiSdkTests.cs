using System.ClientModel;
using OpenAI;
using OpenAI.Chat;

namespace HotModel.FunctionalTests;

/// <summary>OpenAI's own .NET library, pointed at hotmodel and otherwise as it comes.</summary>
public sealed class OpenAiSdkTests
{
    [Fact]
    public async Task Sdk_chats()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var completion = await Client(hotmodel).CompleteChatAsync(
            [new UserChatMessage("hello")], new ChatCompletionOptions { MaxOutputTokenCount = 8 });
        Assert.NotEmpty(completion.Value.Content[0].Text);
        Assert.Equal(8, completion.Value.Usage.OutputTokenCount);
    }

    [Fact]
    public async Task Sdk_streams_and_its_resent_history_is_recognised()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var client = Client(hotmodel);
        var messages = new List<ChatMessage> { new SystemChatMessage("Be brief."), new UserChatMessage("one") };
        for (var turn = 0; turn < 3; turn++)
        {
            var text = "";
            ChatFinishReason? end = null;
            await foreach (var update in client.CompleteChatStreamingAsync(
                messages, new ChatCompletionOptions { MaxOutputTokenCount = 8 }))
            {
                text += string.Concat(update.ContentUpdate.Select(part => part.Text));
                end = update.FinishReason ?? end;
            }
            Assert.NotEmpty(text);
            Assert.Equal(ChatFinishReason.Length, end);
            messages.Add(new AssistantChatMessage(text));
            messages.Add(new UserChatMessage($"and {turn}?"));
        }
        var sessions = (await hotmodel.Api.GetAsync("admin/sessions")).Json["sessions"]!.AsArray();
        Assert.Equal(6, (int?)sessions.Single()!["messages"]);
    }

    [Fact]
    public async Task Sdk_calls_a_tool_and_brings_its_result()
    {
        var setup = new Setup { ActiveModel = "caller" }.Tiny("caller").Tiny("b");
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        var client = Client(hotmodel);
        var tool = ChatTool.CreateFunctionTool("get_weather", "Weather now", BinaryData.FromString("""
            {"type": "object", "required": ["unit"],
             "properties": {"unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}}}
            """));
        var options = new ChatCompletionOptions
        {
            Tools = { tool },
            ToolChoice = ChatToolChoice.CreateRequiredChoice(),
            // The model is random: it would call twice now and then.
            AllowParallelToolCalls = false,
        };
        var messages = new List<ChatMessage> { new UserChatMessage("weather?") };
        ChatCompletion asked = await client.CompleteChatAsync(messages, options);
        Assert.Equal(ChatFinishReason.ToolCalls, asked.FinishReason);
        var call = Assert.Single(asked.ToolCalls);
        Assert.Equal("get_weather", call.FunctionName);
        messages.Add(new AssistantChatMessage(asked));
        messages.Add(new ToolChatMessage(call.Id, "12 degrees"));
        await hotmodel.Api.SwitchAsync("b");
        ChatCompletion answer = await client.CompleteChatAsync(
            messages, new ChatCompletionOptions { MaxOutputTokenCount = 8 });
        Assert.NotEmpty(answer.Content[0].Text);
        var sessions = (await hotmodel.Api.GetAsync("admin/sessions")).Json["sessions"]!.AsArray();
        Assert.Equal(4, (int?)sessions.Single()!["messages"]);
    }

    [Fact]
    public async Task Sdk_streams_a_tool_call()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { ActiveModel = "caller" }.Tiny("caller"));
        var tool = ChatTool.CreateFunctionTool("get_time", null, BinaryData.FromString(
            """{"type": "object", "properties": {"utc": {"type": "boolean"}}, "required": ["utc"]}"""));
        var options = new ChatCompletionOptions
        {
            Tools = { tool },
            ToolChoice = ChatToolChoice.CreateRequiredChoice(),
            // The model is random: it would call twice now and then.
            AllowParallelToolCalls = false,
        };
        var name = "";
        var arguments = "";
        await foreach (var update in Client(hotmodel).CompleteChatStreamingAsync([new UserChatMessage("time?")], options))
        {
            foreach (var part in update.ToolCallUpdates)
            {
                name += part.FunctionName;
                arguments += part.FunctionArgumentsUpdate;
            }
        }
        Assert.Equal("get_time", name);
        Assert.Contains("\"utc\"", arguments, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sdk_lists_the_models()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var models = await Sdk(hotmodel).GetOpenAIModelClient().GetModelsAsync();
        Assert.Equal(["a", "b"], models.Value.Select(m => m.Id));
    }

    private static ChatClient Client(HotModelProcess hotmodel) => Sdk(hotmodel).GetChatClient("active");

    private static OpenAIClient Sdk(HotModelProcess hotmodel) => new(
        new ApiKeyCredential("unused"), new OpenAIClientOptions { Endpoint = new Uri(hotmodel.Api.Address, "v1") });
}
