using System.Text;
using System.Text.Json;
using HotModel.Http;
using HotModel.Llama;
using HotModel.Tests.Llama;

namespace HotModel.Tests.Http;

[Trait("needs", "llama-server")]
public class LlamaServerTests
{
    [Fact]
    public async Task Answers_and_streams_of_a_real_server_are_read_whole()
    {
        await using var scene = new BackendScene();
        Upstream upstream = await scene.LoadedAsync("a");
        using var endpoint = new HttpEndpoint(upstream.BaseAddress, TimeProvider.System);

        for (int i = 0; i < 3; i++)
        {
            using HttpReply reply = await endpoint.SendAsync(Chat(upstream, 5, "false"), BackendScene.Soon);
            Assert.Equal(200, reply.Status);
            Assert.True(reply.IsOfType("application/json"));
            JsonDocument.Parse(await ReadAsync(reply)).Dispose();

            using HttpReply stream = await endpoint.SendAsync(Chat(upstream, 5, "true"), BackendScene.Soon);
            Assert.True(stream.IsOfType("text/event-stream"));
            Assert.EndsWith("\n\ndata: [DONE]\n\n", await ReadAsync(stream));
        }
        using HttpReply refused = await endpoint.SendAsync(
            Chat(upstream with { ApiKey = "wrong" }, 5, "true"), BackendScene.Soon);
        Assert.Equal(401, refused.Status);
    }

    [Fact]
    public async Task Stream_given_up_frees_the_slot_of_a_real_server()
    {
        await using var scene = new BackendScene();
        Upstream upstream = await scene.LoadedAsync("a");
        using var endpoint = new HttpEndpoint(upstream.BaseAddress, TimeProvider.System);
        using (HttpReply stream = await endpoint.SendAsync(Chat(upstream, 100_000, "true"), BackendScene.Soon))
        {
            Assert.NotEqual(0, await stream.Body.ReadAsync(new byte[100]));
            Assert.True(await IsBusyAsync());
        }

        while (await IsBusyAsync())
        {
        }

        async Task<bool> IsBusyAsync()
        {
            var slots = new OutgoingRequest("GET", "slots?model=a&autoload=false") { ApiKey = upstream.ApiKey };
            using HttpReply reply = await endpoint.SendAsync(slots, BackendScene.Soon);
            return (await ReadAsync(reply)).Contains("\"is_processing\":true", StringComparison.Ordinal);
        }
    }

    private static OutgoingRequest Chat(Upstream upstream, int tokens, string stream) =>
        new("POST", "v1/chat/completions")
        {
            ApiKey = upstream.ApiKey,
            Body =
        [
            Encoding.UTF8.GetBytes($"{{\"model\":\"{upstream.Model}\",\"max_tokens\":{tokens},\"stream\":{stream},"),
            "\"ignore_eos\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"u8.ToArray(),
        ],
        };

    private static async Task<string> ReadAsync(HttpReply reply)
    {
        using var reader = new StreamReader(reply.Body);
        return await reader.ReadToEndAsync();
    }
}
