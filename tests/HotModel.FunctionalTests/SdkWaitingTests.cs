using System.ClientModel;
using System.Diagnostics;
using Anthropic;
using Anthropic.Exceptions;
using Anthropic.Models.Messages;
using OpenAI.Chat;
using OpenAI.Responses;

namespace HotModel.FunctionalTests;

/// <summary>
/// What the libraries make of a model that takes long to come: they wait and stream, or get the reason as an error.
/// </summary>
public sealed class SdkWaitingTests
{
    /// <summary>All libraries at the same time, with comments every second.</summary>
    [Fact]
    public Task Sdks_stream_after_a_wait() => StreamAsync(6, "wait_comment_seconds = 1");

    /// <summary>
    /// The same for as long as many proxies and clients bear silence, with the comments that users get. This test takes 40 s.
    /// </summary>
    [Fact]
    [Trait("Takes", "40 s")]
    public Task Sdks_stream_after_a_wait_of_forty_seconds() => StreamAsync(40, "");

    [Fact]
    public async Task Wait_that_comes_to_nothing_is_an_error_of_the_sdks()
    {
        await using var hotmodel = await StartAsync(6, "queue_timeout_seconds = 2");
        var switching = await BeginAsync(hotmodel);

        var openAiJs = CheckAsync(hotmodel, "openai", "throws_when_the_model_does_not_come");
        var responsesJs = CheckAsync(hotmodel, "openai", "throws_when_the_model_of_a_response_does_not_come");
        var anthropicJs = CheckAsync(hotmodel, "anthropic", "throws_when_the_model_does_not_come");
        var anthropic = Assert.ThrowsAsync<AnthropicSseException>(() => MessageAsync(hotmodel));
        var responses = ResponseAsync(hotmodel);
        // This library passes over the event that says why, not over a body without its end.
        var chat = Assert.ThrowsAsync<HttpIOException>(() => ChatAsync(hotmodel));

        Assert.Contains("queue_timeout_seconds", (await anthropic).Message, StringComparison.Ordinal);
        var last = Assert.IsType<StreamingResponseErrorUpdate>(await responses);
        Assert.Equal("queue_timed_out", last.Code);
        Assert.Contains("queue_timeout_seconds", last.Message, StringComparison.Ordinal);
        Assert.Equal(HttpRequestError.ResponseEnded, (await chat).HttpRequestError);
        await Task.WhenAll(openAiJs, responsesJs, anthropicJs);
        Assert.Equal(200, (await switching).Status);
    }

    private static async Task StreamAsync(int loadSeconds, string server)
    {
        await using var hotmodel = await StartAsync(loadSeconds, server);
        var switching = await BeginAsync(hotmodel);
        var started = Stopwatch.GetTimestamp();
        var all = new List<Task>
        {
            CheckAsync(hotmodel, "openai", "streams"),
            CheckAsync(hotmodel, "openai", "streams_a_response"),
            CheckAsync(hotmodel, "anthropic", "streams"),
            Task.Run(async () => Assert.True(await ChatAsync(hotmodel) is ({ Length: > 0 }, ChatFinishReason.Length))),
            Task.Run(async () => Assert.IsType<StreamingResponseCompletedUpdate>(await ResponseAsync(hotmodel))),
            Task.Run(async () => Assert.Equal(RawMessageStreamEventType.MessageStop, await MessageAsync(hotmodel))),
        };

        await Task.WhenAny(all);
        // None of them had anything before the model was there.
        Assert.InRange(Stopwatch.GetElapsedTime(started).TotalSeconds, loadSeconds - 1, double.MaxValue);
        await Task.WhenAll(all);
        Assert.Equal("b", (string?)(await switching).Json["active_model"]);
    }

    /// <summary>The real llama-server, whose model b takes so long to come.</summary>
    private static async Task<HotModelProcess> StartAsync(int loadSeconds, string server)
    {
        var setup = new Setup { ProcessMode = true, Server = server };
        var slow = Path.Combine(setup.Folder, "slow-llama-server");
        await File.WriteAllTextAsync(slow, $"#!/bin/sh\nsleep {loadSeconds}\nexec {Programs.LlamaServer} \"$@\"\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(slow, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        return await HotModelProcess.StartAsync(setup.Tiny("a").Tiny("b", lines: $"binary = \"{slow}\""));
    }

    private static async Task<Task<Reply>> BeginAsync(HotModelProcess hotmodel)
    {
        var switching = hotmodel.Api.SwitchAsync("b");
        await Until.True(
            async () => (string?)(await hotmodel.StateAsync())["phase"] == "loading", TimeSpan.FromSeconds(10));
        return switching;
    }

    private static async Task CheckAsync(HotModelProcess hotmodel, string sdk, string check)
    {
        await using var script = JavaScript.Start(sdk, hotmodel.Api.Address);
        await script.CheckAsync(check);
    }

    private static async Task<(string Text, ChatFinishReason? End)> ChatAsync(HotModelProcess hotmodel)
    {
        var (text, end) = ("", (ChatFinishReason?)null);
        await foreach (var update in OpenAiSdkRouteTests.Sdk(hotmodel).GetChatClient("active").CompleteChatStreamingAsync(
            [new UserChatMessage("hello")], new ChatCompletionOptions { MaxOutputTokenCount = 8 }))
        {
            text += string.Concat(update.ContentUpdate.Select(part => part.Text));
            end = update.FinishReason ?? end;
        }
        return (text, end);
    }

    private static async Task<StreamingResponseUpdate?> ResponseAsync(HotModelProcess hotmodel)
    {
        var options = new CreateResponseOptions("active", [ResponseItem.CreateUserMessageItem("hello")])
        {
            MaxOutputTokenCount = 8,
            StreamingEnabled = true,
        };
        StreamingResponseUpdate? last = null;
        try
        {
            await foreach (var update in
                await OpenAiSdkRouteTests.Sdk(hotmodel).GetResponsesClient().CreateResponseStreamingAsync(options))
                last = update;
        }
        catch (HttpIOException)
        {
            // Behind the event that says why.
        }
        return last;
    }

    private static async Task<RawMessageStreamEventType> MessageAsync(HotModelProcess hotmodel)
    {
        using var client = new AnthropicClient
        {
            ApiKey = "unused",
            BaseUrl = hotmodel.Api.Address.AbsoluteUri.TrimEnd('/'),
            MaxRetries = 0,
        };
        RawMessageStreamEventType last = default;
        await foreach (var update in client.Messages.CreateStreaming(
            new MessageCreateParams { Model = "active", MaxTokens = 8, Messages = [new UserMessageParam("hello")] }))
            last = update.Type.Value();
        return last;
    }
}
