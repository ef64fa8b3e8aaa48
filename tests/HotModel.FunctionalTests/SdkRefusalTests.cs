using System.ClientModel;
using Anthropic;
using Anthropic.Exceptions;
using Anthropic.Models.Messages;
using OpenAI.Chat;

namespace HotModel.FunctionalTests;

/// <summary>What the libraries make of a hotmodel that has no model for them now.</summary>
public sealed class SdkRefusalTests
{
    [Fact]
    public async Task Request_that_is_refused_during_a_switch_is_the_sdks_exception()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(Rejecting());
        using var running = await hotmodel.Api.StreamAsync("hello", maxTokens: Slots.EndlessTokens);
        await running.BegunAsync();
        var switching = hotmodel.Api.SwitchAsync("b");
        await Until.True(
            async () => (string?)(await hotmodel.StateAsync())["phase"] == "draining", TimeSpan.FromSeconds(5));

        var openAi = await Assert.ThrowsAsync<ClientResultException>(() => ChatAsync(hotmodel));
        Assert.Equal(503, openAi.Status);
        Assert.Contains("switching", openAi.Message, StringComparison.Ordinal);
        var anthropic = await Assert.ThrowsAsync<AnthropicServiceUnavailableException>(() => MessageAsync(hotmodel));
        Assert.Contains("\"switching\"", anthropic.ResponseBody, StringComparison.Ordinal);
        await using var script = JavaScript.Start("anthropic", hotmodel.Api.Address);
        await script.CheckAsync("is_refused_during_a_switch");

        running.Dispose();
        Assert.Equal("b", (string?)(await switching).Json["active_model"]);
    }

    [Fact]
    public async Task Request_that_is_refused_during_a_switch_is_sent_again_by_the_sdk()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(Rejecting());
        await using var script = JavaScript.Start("openai", hotmodel.Api.Address);
        await script.CheckAsync("is_refused_during_a_switch_and_tries_again");
    }

    private static Setup Rejecting() =>
        new Setup { ActiveModel = "slow", Server = "during_switch = \"reject\"" }.Tiny("slow").Tiny("b");

    private static async Task ChatAsync(HotModelProcess hotmodel) =>
        await OpenAiSdkRouteTests.Sdk(hotmodel).GetChatClient("active").CompleteChatAsync(
            [new UserChatMessage("hello")], new ChatCompletionOptions { MaxOutputTokenCount = 8 });

    private static async Task MessageAsync(HotModelProcess hotmodel)
    {
        using var client = new AnthropicClient
        {
            ApiKey = "unused",
            BaseUrl = hotmodel.Api.Address.AbsoluteUri.TrimEnd('/'),
            MaxRetries = 0,
        };
        await client.Messages.Create(
            new MessageCreateParams { Model = "active", MaxTokens = 8, Messages = [new UserMessageParam("hello")] });
    }
}
