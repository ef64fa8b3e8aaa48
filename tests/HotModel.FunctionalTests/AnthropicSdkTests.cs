using System.Text.Json;
using Anthropic;
using Anthropic.Exceptions;
using Anthropic.Models.Messages;

namespace HotModel.FunctionalTests;

/// <summary>Anthropic's own .NET library, pointed at hotmodel and otherwise as it comes.</summary>
public sealed class AnthropicSdkTests(SharedHotModel shared) : IClassFixture<SharedHotModel>
{
    private static readonly Tool GetWeather = new()
    {
        Name = "get_weather",
        Description = "Weather now",
        InputSchema = new InputSchema
        {
            Properties = new Dictionary<string, JsonElement>
            {
                ["unit"] = JsonElement.Parse("""{"type": "string", "enum": ["celsius", "fahrenheit"]}"""),
            },
            Required = ["unit"],
        },
    };

    [Fact]
    public async Task Sdk_creates_a_message()
    {
        using var client = await ClientAsync("a");
        var message = await client.Messages.Create(Request("hello") with { System = "Be brief." });
        Assert.NotEmpty(Text(message));
        Assert.Equal(StopReason.MaxTokens, message.StopReason?.Value());
        Assert.Equal(8, message.Usage.OutputTokens);
    }

    [Fact]
    public async Task Sdk_counts_the_tokens_that_a_message_has()
    {
        using var client = await ClientAsync("a");
        var count = await client.Messages.CountTokens(
            new MessageCountTokensParams { Model = "active", System = "Be brief.", Messages = [User("hello")] });
        var message = await client.Messages.Create(Request("hello") with { System = "Be brief." });
        Assert.Equal(message.Usage.InputTokens + message.Usage.CacheReadInputTokens, count.InputTokens);
    }

    [Fact]
    public async Task Sdk_streams()
    {
        using var client = await ClientAsync("a");
        var text = "";
        var events = new List<RawMessageStreamEventType>();
        await foreach (var update in client.Messages.CreateStreaming(Request("hello")))
        {
            events.Add(update.Type.Value());
            if (update.TryPickContentBlockDelta(out var delta) && delta.Delta.TryPickText(out var part))
                text += part.Text;
        }
        Assert.NotEmpty(text);
        Assert.Equal(RawMessageStreamEventType.MessageStart, events[0]);
        Assert.Equal(RawMessageStreamEventType.MessageStop, events[^1]);
        Assert.Equal(8, events.Count(e => e == RawMessageStreamEventType.ContentBlockDelta));
    }

    [Fact]
    public async Task Sdk_calls_a_tool_and_brings_its_result_after_a_switch()
    {
        using var client = await ClientAsync("caller");
        var asked = await client.Messages.Create(ToolRequest());
        var calls = WeatherCalls(asked);
        await shared.WithAsync("a");
        var answer = await client.Messages.Create(Request("weather?") with
        {
            Messages =
            [
                User("weather?"),
                new AssistantMessageParam(calls.ConvertAll<ContentBlockParam>(
                    call => new ToolUseBlockParam { ID = call.ID, Name = call.Name, Input = call.Input })),
                new UserMessageParam(calls.ConvertAll<ContentBlockParam>(
                    call => new ToolResultBlockParam(call.ID) { Content = "12 degrees" })),
            ],
        });
        Assert.NotEmpty(Text(answer));
    }

    [Fact]
    public async Task Sdk_puts_a_streamed_tool_call_together()
    {
        using var client = await ClientAsync("caller");
        WeatherCalls(await client.Messages.CreateStreaming(ToolRequest()).Aggregate());
    }

    [Fact]
    public async Task Wrong_request_is_the_sdks_bad_request()
    {
        using var client = await ClientAsync("a");
        var request = new MessageCreateParams { Model = "active", MaxTokens = 8, Messages = [Empty()] };
        var thrown = await Assert.ThrowsAsync<AnthropicBadRequestException>(() => client.Messages.Create(request));
        Assert.Contains("must contain 'content'", thrown.ResponseBody, StringComparison.Ordinal);
        await Assert.ThrowsAsync<AnthropicBadRequestException>(async () =>
        {
            await foreach (var _ in client.Messages.CreateStreaming(request))
            {
            }
        });
    }

    [Fact]
    public async Task Cancelled_stream_frees_the_slot()
    {
        using var client = await ClientAsync("slow");
        using var cancel = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            var request = Request("hello") with { MaxTokens = Slots.EndlessTokens };
            await foreach (var update in client.Messages.CreateStreaming(request, cancel.Token))
            {
                if (!update.TryPickContentBlockDelta(out _))
                    continue;
                await Slots.BusyAsync(shared.Process);
                await cancel.CancelAsync();
            }
        });
        await Slots.IdleAsync(shared.Process);
    }

    [Fact]
    public async Task Stream_that_a_forced_switch_cuts_is_the_sdks_exception()
    {
        using var client = await ClientAsync("slow");
        Task<Reply>? cut = null;
        var thrown = await Assert.ThrowsAsync<AnthropicSseException>(async () =>
        {
            var request = Request("hello") with { MaxTokens = Slots.EndlessTokens };
            await foreach (var _ in client.Messages.CreateStreaming(request))
                cut ??= shared.Process.Api.CutAsync("b");
        });
        Assert.Contains("switch", thrown.Message, StringComparison.Ordinal);
        Assert.Equal(200, (await cut!).Status);
    }

    private async Task<AnthropicClient> ClientAsync(string model) => new()
    {
        ApiKey = "unused",
        BaseUrl = (await shared.WithAsync(model)).Api.Address.AbsoluteUri.TrimEnd('/'),
        MaxRetries = 0,
    };

    private static MessageCreateParams Request(string text) => new()
    {
        Model = "active",
        MaxTokens = 8,
        Messages = [User(text)],
    };

    private static MessageCreateParams ToolRequest() => Request("weather?") with
    {
        MaxTokens = 1024,
        Tools = [GetWeather],
        ToolChoice = new ToolChoiceAny(),
    };

    private static MessageParam User(string text) => new UserMessageParam(text);

    private static MessageParam Empty() => new(JsonElement.Parse("""{"role": "user"}"""));

    private static string Text(Message message) =>
        Assert.Single(message.Content).TryPickText(out var text) ? text.Text : "";

    /// <remarks>The model is random and calls twice now and then; llama-server passes over DisableParallelToolUse.</remarks>
    private static List<ToolUseBlock> WeatherCalls(Message message)
    {
        Assert.Equal(StopReason.ToolUse, message.StopReason?.Value());
        var calls = message.Content.Select(b => b.TryPickToolUse(out var use) ? use : null).OfType<ToolUseBlock>().ToList();
        Assert.NotEmpty(calls);
        Assert.All(calls, call => Assert.Equal("get_weather", call.Name));
        Assert.All(calls, call => Assert.Contains(call.Input["unit"].GetString(), (string[])["celsius", "fahrenheit"]));
        return calls;
    }
}
