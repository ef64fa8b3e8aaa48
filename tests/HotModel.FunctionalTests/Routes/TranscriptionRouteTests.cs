namespace HotModel.FunctionalTests.Routes;

/// <summary>Sound: multipart forms, whose bytes no proxy may touch but for the model's name.</summary>
[Collection(RouteCollection.Name)]
public sealed class TranscriptionRouteTests(RouteServer server)
{
    private static readonly byte[] Sound = Tone.Wav(0.5);

    [Theory]
    [InlineData("v1/audio/transcriptions")]
    [InlineData("audio/transcriptions")]
    public async Task Transcript_is_the_servers_own(string path)
    {
        var own = await SameAsync(path, model => Form(model).File("tone.wav", Sound));
        Assert.Contains("\"transcript.text.done\"", own.Text);
        Assert.Contains("\"output_tokens\":8", own.Text);
    }

    [Fact]
    public async Task Streamed_transcript_is_the_servers_own()
    {
        var own = await SameAsync(
            "v1/audio/transcriptions", model => Form(model).Field("stream", "true").File("tone.wav", Sound));
        Assert.Equal("text/event-stream", own.ContentType);
        Assert.Contains("transcript.text.delta", own.Text);
        Assert.EndsWith("data: [DONE]\n\n", own.Text);
    }

    [Fact]
    public async Task Model_may_come_after_the_file_or_not_at_all()
    {
        foreach (var field in (string?[])["model", null])
        {
            var own = await SameAsync("v1/audio/transcriptions", model =>
            {
                var form = new Multipart().File("t\u00f6n \u4e2d.wav", Sound).Field("max_tokens", "4")
                    .Field("temperature", "0").Field("prompt", "Write down what is said.").Field("language", "de");
                return field is null ? form : form.Field(field, model);
            });
            Assert.Contains("\"output_tokens\":4", own.Text);
        }
    }

    [Fact]
    public async Task Large_form_arrives_whole_however_it_is_sent()
    {
        // Three stretches of 30 s: 2.5 MB. Every client asks before it sends as much, or sends it in chunks.
        var sound = Tone.Wav(80);
        foreach (var isChunked in (bool[])[false, true])
        {
            var own = await SameAsync(
                "v1/audio/transcriptions", model => Form(model).File("long.wav", sound), isChunked ? null : Ask, isChunked);
            Assert.Contains("\"output_tokens\":8", own.Text);
        }

        static void Ask(HttpRequestMessage request) => request.Headers.ExpectContinue = true;
    }

    [Fact]
    public async Task Form_that_the_server_refuses_has_its_own_error()
    {
        Func<string, Multipart>[] forms =
        [
            Form,
            model => Form(model).File("text.wav", "no sound at all"u8.ToArray()),
            model => Form(model).File("empty.wav", []),
            model => Form(model).Field("response_format", "vtt").File("tone.wav", Sound),
            model => Form(model).Field("top_k", "many").File("tone.wav", Sound),
        ];
        foreach (var form in forms)
        {
            var own = await SameAsync("v1/audio/transcriptions", form);
            Assert.InRange(own.Status, 400, 499);
        }
    }

    [Fact]
    public async Task Broken_form_has_the_servers_own_error()
    {
        await server.UseAsync("listener");
        var whole = Form("listener").File("tone.wav", Sound).Bytes();
        foreach (var (body, type) in ((byte[], string)[])
            [(whole[..^40], Multipart.Type), (whole, "multipart/form-data"), ("{}"u8.ToArray(), Multipart.Type),
             ([], Multipart.Type)])
        {
            var own = await server.SameAsync(HttpMethod.Post, "v1/audio/transcriptions", body, type);
            Assert.InRange(own.Status, 400, 499);
        }
    }

    [Fact]
    public async Task Sound_in_a_chat_is_heard()
    {
        var body = $$"""
            {"model": "@model", "temperature": 0, "max_tokens": 8, "messages": [{"role": "user", "content": [
              {"type": "text", "text": "What is that?"},
              {"type": "input_audio", "input_audio": {"format": "wav", "data": "{{Convert.ToBase64String(Sound)}}"} }]}]}
            """;
        await server.SameAsync("listener", new Example("v1/chat/completions", body, "\"prompt_tokens\":1"));
        await server.SameAsync(
            "listener", new Example("v1/chat/completions", body[..^1] + ", \"stream\": true}", "data: [DONE]"));
    }

    private static Multipart Form(string model) =>
        new Multipart().Field("model", model).Field("temperature", "0").Field("max_tokens", "8");

    private async Task<RawReply> SameAsync(
        string path, Func<string, Multipart> form, Action<HttpRequestMessage>? edit = null, bool isChunked = false)
    {
        await server.UseAsync("listener");
        return await server.SameAsync(
            HttpMethod.Post, path, form("listener").Bytes(), form("active").Bytes(), Multipart.Type,
            isChunked ? request => request.Headers.TransferEncodingChunked = true : edit);
    }
}
