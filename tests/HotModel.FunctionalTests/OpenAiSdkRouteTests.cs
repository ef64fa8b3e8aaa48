using System.ClientModel;
using System.ClientModel.Primitives;
using OpenAI;
using OpenAI.Audio;
using OpenAI.Chat;
using OpenAI.Responses;

namespace HotModel.FunctionalTests;

/// <summary>OpenAI's own .NET library beyond chat, its exceptions, and answers that it gives up.</summary>
public sealed class OpenAiSdkRouteTests(SharedHotModel shared) : IClassFixture<SharedHotModel>
{
    private const string Schema = """
        {"type": "object", "required": ["unit"], "additionalProperties": false,
         "properties": {"unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}}}
        """;

    [Fact]
    public async Task Sdk_embeds()
    {
        var client = (await SdkAsync("embedder")).GetEmbeddingClient("active");
        var embeddings = (await client.GenerateEmbeddingsAsync(["one", "two", "one"])).Value;
        Assert.Equal([0, 1, 2], embeddings.Select(e => e.Index));
        var vectors = embeddings.Select(e => e.ToFloats().ToArray()).ToArray();
        Assert.True(vectors[0].Length > 1);
        Assert.Equal(vectors[0], vectors[2]);
        Assert.NotEqual(vectors[0], vectors[1]);
    }

    [Fact]
    public async Task Sdk_sends_a_sound_to_be_transcribed()
    {
        var client = (await SdkAsync("listener")).GetAudioClient("active");
        using var sound = new MemoryStream(Tone.Wav(0.5));
        AudioTranscription transcript = await client.TranscribeAudioAsync(
            sound, "tone.wav", new AudioTranscriptionOptions { Temperature = 0, Language = "en" });
        Assert.NotEmpty(transcript.Text);
    }

    [Fact]
    public async Task Sdk_gets_a_response()
    {
        var client = (await SdkAsync("a")).GetResponsesClient();
        var options = new CreateResponseOptions("active", [ResponseItem.CreateUserMessageItem("one two")])
        {
            Instructions = "Be brief.",
            MaxOutputTokenCount = 8,
        };
        ResponseResult response = await client.CreateResponseAsync(options);
        Assert.Equal(ResponseStatus.Completed, response.Status);
        Assert.NotEmpty(response.GetOutputText());
        Assert.Equal(8, response.Usage.OutputTokenCount);
    }

    [Fact]
    public async Task Sdk_streams_a_response()
    {
        var client = (await SdkAsync("a")).GetResponsesClient();
        var options = new CreateResponseOptions("active", [ResponseItem.CreateUserMessageItem("one two")])
        {
            MaxOutputTokenCount = 8,
            StreamingEnabled = true,
        };
        var text = "";
        ResponseResult? whole = null;
        await foreach (var update in await client.CreateResponseStreamingAsync(options))
        {
            text += (update as StreamingResponseOutputTextDeltaUpdate)?.Delta;
            whole = (update as StreamingResponseCompletedUpdate)?.Response ?? whole;
        }
        Assert.NotEmpty(text);
        Assert.Equal(text, whole?.GetOutputText());
    }

    [Fact]
    public async Task Sdk_calls_a_tool_in_a_response_and_brings_its_result_after_a_switch()
    {
        var client = (await SdkAsync("caller")).GetResponsesClient();
        var question = ResponseItem.CreateUserMessageItem("weather?");
        var options = new CreateResponseOptions("active", [question])
        {
            Tools = { ResponseTool.CreateFunctionTool("get_weather", BinaryData.FromString(Schema), strictModeEnabled: true) },
            ToolChoice = ResponseToolChoice.CreateRequiredChoice(),
            // The model is random: it would call twice now and then.
            ParallelToolCallsEnabled = false,
        };
        ResponseResult asked = await client.CreateResponseAsync(options);
        var call = Assert.Single(asked.OutputItems.OfType<FunctionCallResponseItem>());
        Assert.Equal("get_weather", call.FunctionName);
        await shared.WithAsync("a");
        var result = ResponseItem.CreateFunctionCallOutputItem(call.CallId, "12 degrees");
        ResponseResult answer = await client.CreateResponseAsync(
            new CreateResponseOptions("active", [question, call, result]) { MaxOutputTokenCount = 8 });
        Assert.NotEmpty(answer.GetOutputText());
    }

    [Fact]
    public async Task Sdk_gets_an_answer_that_keeps_to_a_schema()
    {
        var client = (await SdkAsync("caller")).GetChatClient("active");
        var options = new ChatCompletionOptions
        {
            ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat(
                "weather", BinaryData.FromString(Schema), jsonSchemaIsStrict: true),
        };
        ChatCompletion completion = await client.CompleteChatAsync([new UserChatMessage("weather?")], options);
        Assert.Matches("""^\s*\{\s*"unit"\s*:\s*"(celsius|fahrenheit)"\s*\}\s*$""", completion.Content[0].Text);
    }

    [Fact]
    public async Task Wrong_request_is_the_sdks_exception()
    {
        var sdk = await SdkAsync("a");
        var options = new ChatCompletionOptions { TopLogProbabilityCount = 5 };
        var chat = await Assert.ThrowsAsync<ClientResultException>(
            () => sdk.GetChatClient("active").CompleteChatAsync([new UserChatMessage("hello")], options));
        Assert.Equal(400, chat.Status);
        Assert.Contains("logprobs", chat.Message, StringComparison.Ordinal);
        var embedding = await Assert.ThrowsAsync<ClientResultException>(
            () => sdk.GetEmbeddingClient("active").GenerateEmbeddingAsync("one"));
        Assert.Equal(501, embedding.Status);
        var model = await Assert.ThrowsAsync<ClientResultException>(
            () => sdk.GetOpenAIModelClient().GetModelAsync("none"));
        Assert.Equal(404, model.Status);
    }

    [Fact]
    public async Task Cancelled_stream_frees_the_slot()
    {
        var client = (await SdkAsync("slow")).GetChatClient("active");
        using var cancel = new CancellationTokenSource();
        var options = new ChatCompletionOptions { MaxOutputTokenCount = Slots.EndlessTokens };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var update in client.CompleteChatStreamingAsync(
                [new UserChatMessage("hello")], options, cancel.Token))
            {
                if (update.ContentUpdate.Count == 0)
                    continue;
                await Slots.BusyAsync(shared.Process);
                await cancel.CancelAsync();
            }
        });
        await Slots.IdleAsync(shared.Process);
    }

    [Fact]
    public async Task Cancelled_answer_that_is_not_streamed_frees_the_slot()
    {
        var client = (await SdkAsync("slow")).GetChatClient("active");
        using var cancel = new CancellationTokenSource();
        var options = new ChatCompletionOptions { MaxOutputTokenCount = Slots.EndlessTokens };
        var answer = client.CompleteChatAsync([new UserChatMessage("hello")], options, cancel.Token);
        await Slots.BusyAsync(shared.Process);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => answer);
        await Slots.IdleAsync(shared.Process, isWhole: true);
    }

    /// <remarks>This library passes over the event that says why, not over a body without its end.</remarks>
    [Fact]
    public async Task Stream_that_a_forced_switch_cuts_is_an_exception()
    {
        var client = (await SdkAsync("slow")).GetChatClient("active");
        var options = new ChatCompletionOptions { MaxOutputTokenCount = Slots.EndlessTokens };
        Task<Reply>? cut = null;
        var thrown = await Assert.ThrowsAsync<HttpIOException>(async () =>
        {
            await foreach (var update in client.CompleteChatStreamingAsync([new UserChatMessage("hello")], options))
            {
                cut ??= shared.Process.Api.CutAsync("b");
                Assert.Null(update.FinishReason);
            }
        });
        Assert.Equal(HttpRequestError.ResponseEnded, thrown.HttpRequestError);
        Assert.Equal("b", (string?)(await cut!).Json["active_model"]);
    }

    [Fact]
    public async Task Response_that_a_forced_switch_cuts_says_so()
    {
        var client = (await SdkAsync("slow")).GetResponsesClient();
        var options = new CreateResponseOptions("active", [ResponseItem.CreateUserMessageItem("hello")])
        {
            MaxOutputTokenCount = Slots.EndlessTokens,
            StreamingEnabled = true,
        };
        Task<Reply>? cut = null;
        StreamingResponseUpdate? last = null;
        await Assert.ThrowsAsync<HttpIOException>(async () =>
        {
            await foreach (var update in await client.CreateResponseStreamingAsync(options))
            {
                cut ??= shared.Process.Api.CutAsync("b");
                last = update;
            }
        });
        Assert.Equal("b", (string?)(await cut!).Json["active_model"]);
        Assert.Contains("switch", Assert.IsType<StreamingResponseErrorUpdate>(last).Message, StringComparison.Ordinal);
    }

    private async Task<OpenAIClient> SdkAsync(string model) => Sdk(await shared.WithAsync(model));

    /// <summary>Without its retries: what went wrong shows.</summary>
    internal static OpenAIClient Sdk(HotModelProcess hotmodel) => new(
        new ApiKeyCredential("unused"),
        new OpenAIClientOptions
        {
            Endpoint = new Uri(hotmodel.Api.Address, "v1"),
            RetryPolicy = new ClientRetryPolicy(maxRetries: 0),
        });
}
