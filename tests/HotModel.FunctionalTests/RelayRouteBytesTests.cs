using System.Text;
using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests;

/// <summary>Answers that nobody reads but the client: the same bytes, however they reach hotmodel, or a proper error.</summary>
public sealed class RelayRouteBytesTests
{
    private const int Connections = 8;
    private const string Head = UpstreamScript.EventStreamHead;

    // As llama-server words them; Anthropic's have a name, and no mark ends them.
    private static readonly string[] Completion =
    [
        "data: {\"choices\":[{\"text\":\" h\u00e9\",\"index\":0,\"finish_reason\":null}],\"object\":\"text_completion\"}\n\n",
        "data: {\"choices\":[{\"text\":\"\",\"index\":0,\"finish_reason\":\"stop\"}],\"object\":\"text_completion\"}\n\n",
        SseAnswer.Done,
    ];
    private static readonly string[] Message =
    [
        "event: content_block_delta\n"
            + "data: {\"type\":\"content_block_delta\",\"index\":0,"
            + "\"delta\":{\"type\":\"text_delta\",\"text\":\" h\u00e9\"}}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    ];

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Stream_in_two_segments_split_at_every_byte_is_the_same(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        foreach (var (route, events) in ((string, string[])[])[("v1/completions", Completion), ("v1/messages", Message)])
        {
            var wire = SseAnswer.Wire(events);
            var all = string.Concat(events);
            var positions = Enumerable.Range(1, wire.Length - 1);
            await RawConnections.ForAllAsync(hotmodel.Setup, positions, Connections, async (client, at) =>
            {
                var name = $"{route.Replace('/', '-')}-{at}";
                new UpstreamScript().Send(wire.AsSpan(0, at)).Send(wire.AsSpan(at)).Save(hotmodel.Setup, name);
                var reply = await client.PostAsync("/" + route, Body(name));
                Assert.True(reply.Status == 200 && reply.IsWhole && reply.Text == all, $"{name}: {reply.Head}{reply.Text}");
            });
        }
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Stream_that_ends_at_any_byte_ends_with_an_error_of_its_api(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        foreach (var (route, events, error) in ((string, string[], string)[])[
            ("v1/completions", Completion, "data: {\"error\":{"),
            ("v1/messages", Message, "event: error\ndata: {\"type\":\"error\",\"error\":{")])
        {
            var wire = SseAnswer.Wire(events);
            var positions = Enumerable.Range(Head.Length, wire.Length - Head.Length);
            await RawConnections.ForAllAsync(hotmodel.Setup, positions, Connections, async (client, at) =>
            {
                var name = $"{route.Replace('/', '-')}-{at}";
                var script = new UpstreamScript().Send(wire.AsSpan(0, at));
                (at % 2 == 0 ? script.Reset() : script.Close()).Save(hotmodel.Setup, name);
                var reply = await client.PostAsync("/" + route, Body(name));
                var lines = SseAnswer.SentLines(wire.AsSpan(0, at));
                var isWhole = lines.Contains("data: [DONE]\n", StringComparison.Ordinal);
                Assert.True(reply.Status == 200 && reply.IsWhole == isWhole
                    && reply.Text.StartsWith(lines, StringComparison.Ordinal), $"{name}: {reply.Text}");
                var rest = reply.Text[lines.Length..];
                if (isWhole)
                    Assert.Equal("", rest);
                else
                    // A blank line behind a name would make an event of it that has no data.
                    Assert.True(rest.TrimStart('\n').StartsWith(error, StringComparison.Ordinal)
                        && rest.EndsWith("}\n\n", StringComparison.Ordinal), $"{name}: {rest}");
                Assert.DoesNotMatch("(^|\n\n)event: \\w+\n\n", reply.Text);
            });
        }
        Assert.Equal(0, (int)(await hotmodel.StateAsync())["inflight_chats"]!);
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Json_in_two_segments_split_at_every_byte_is_the_same(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        const string Json = "{\"object\":\"list\",\"data\":[{\"embedding\":[0.5,-1.25e-3]}]}";
        const string Type = "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n";
        (string Name, byte[] Wire)[] framings =
        [
            ("length", Encoding.ASCII.GetBytes(Type + $"Content-Length: {Json.Length}\r\n\r\n" + Json)),
            ("chunks", [.. Encoding.ASCII.GetBytes(Type + "Transfer-Encoding: chunked\r\n\r\n"),
                .. UpstreamScript.Chunk(Json[..20]), .. UpstreamScript.Chunk(Json[20..]), .. "0\r\n\r\n"u8]),
        ];
        foreach (var (framing, wire) in framings)
        {
            var positions = Enumerable.Range(1, wire.Length - 1);
            await RawConnections.ForAllAsync(hotmodel.Setup, positions, Connections, async (client, at) =>
            {
                var name = $"{framing}-{at}";
                new UpstreamScript().Send(wire.AsSpan(0, at)).Send(wire.AsSpan(at)).Save(hotmodel.Setup, name);
                var reply = await client.PostAsync("/v1/embeddings", Body(name));
                Assert.True(reply.Status == 200 && reply.IsWhole && reply.Text == Json, $"{name}: {reply.Head}{reply.Text}");
            });
        }
    }

    private static JsonObject Body(string script) => new()
    {
        ["script"] = script,
        ["model"] = "active",
        ["prompt"] = "hello",
        ["stream"] = true,
    };
}
