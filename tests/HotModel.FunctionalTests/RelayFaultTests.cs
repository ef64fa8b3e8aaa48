using System.Text;

namespace HotModel.FunctionalTests;

/// <summary>A model's server that breaks off or talks nonsense: the client is told, and nothing hangs or leaks.</summary>
public sealed class RelayFaultTests
{
    private const int Connections = 8;
    private const string Head = UpstreamScript.EventStreamHead;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Answer_that_ends_at_any_byte_ends_with_an_error_or_is_whole(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        using var upstream = new ScriptedUpstream(hotmodel.Setup);
        var wire = SseAnswer.Wire(SseAnswer.Of(" h\u00e9llo"));
        var positions = Enumerable.Range(Head.Length, wire.Length - Head.Length);
        await RawConnections.ForAllAsync(hotmodel.Setup, positions, Connections, async (client, at) =>
        {
            foreach (var isReset in (bool[])[true, false])
            {
                var name = $"{(isReset ? "reset" : "close")}-{at}";
                var script = new UpstreamScript().Send(wire.AsSpan(0, at));
                (isReset ? script.Reset() : script.Close()).Save(hotmodel.Setup, name);
                var reply = await client.ChatAsync(name, $"X-HotModel-Session: {name}");
                var isWhole = AssertCut(SseAnswer.SentLines(wire.AsSpan(0, at)), reply, name);
                Assert.Equal(isWhole ? 200 : 404, (await hotmodel.Api.GetAsync("admin/sessions/" + name)).Status);
            }
        });
        await NothingHeldAsync(hotmodel, upstream);
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Head_that_ends_at_any_byte_is_a_bad_gateway_and_the_request_is_not_sent_twice(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        using var upstream = new ScriptedUpstream(hotmodel.Setup);
        // All at once: each waits to learn whether the model is lost.
        await RawConnections.ForAllAsync(hotmodel.Setup, Enumerable.Range(0, Head.Length), Head.Length, async (client, at) =>
        {
            var name = $"head-{at}";
            var script = at == 0 ? new UpstreamScript() : new UpstreamScript().Send(Head.AsSpan(0, at).ToString());
            (at % 2 == 0 ? script.Reset() : script.Close()).Save(hotmodel.Setup, name);
            AssertBadGateway(await client.ChatAsync(name), name);
        });
        for (var at = 0; at < Head.Length; at++)
            Assert.Equal(1, (await upstream.CountAsync($"head-{at}")).Requests);
        await NothingHeldAsync(hotmodel, upstream);
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Stream_that_is_no_proper_one_ends_with_an_error(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        var word = SseAnswer.Word("a");
        var chunk = Encoding.UTF8.GetString(UpstreamScript.Chunk(word));
        const string Type = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
        (string Name, UpstreamScript Script)[] cases =
        [
            ("no-size", new UpstreamScript().Send(Head + chunk).Send("data: x\n\n").UntilLeft()),
            ("size-too-long", new UpstreamScript().Send(Head + chunk).Send("FFFFFFFFFFFFFFFFF\r\n").UntilLeft()),
            ("no-end-of-chunk", new UpstreamScript().Send(Head + chunk[..^2]).Send("XX").UntilLeft()),
            ("ends-early", new UpstreamScript().Send(Head + chunk).Send("0\r\n\r\n")),
            ("ends-in-event", new UpstreamScript().Send(Head + chunk)
                .Send(UpstreamScript.Chunk("data: {\"choices\"")).Send("0\r\n\r\n")),
            ("too-short", new UpstreamScript().Send(Type + $"Content-Length: {word.Length + 1}\r\n\r\n" + word).Close()),
            ("to-close-early", new UpstreamScript().Send(Type + "\r\n" + word).Close()),
            ("to-close-reset", new UpstreamScript().Send(Type + "\r\n" + word).Reset()),
            ("router-error", new UpstreamScript().Send(Head + chunk)
                .Send(UpstreamScript.Chunk("proxy error: Failed to read connection")).Send("0\r\n\r\n")),
            ("html", new UpstreamScript().Send(Head + chunk).Send(UpstreamScript.Chunk("<html>\n")).UntilLeft()),
        ];
        using var upstream = new ScriptedUpstream(hotmodel.Setup);
        using var client = await RawClient.ConnectAsync(hotmodel.Setup.Port);
        foreach (var (name, script) in cases)
        {
            script.Save(hotmodel.Setup, name);
            Assert.False(AssertCut(word, await client.ChatAsync(name), name));
            Assert.Equal(1, (await upstream.CountAsync(name)).Requests);
        }
        await NothingHeldAsync(hotmodel, upstream);
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Line_without_an_end_is_given_up(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        var filler = UpstreamScript.Chunk(new string('x', 64 << 10));
        new UpstreamScript().Send(Head).Send(UpstreamScript.Chunk("data: ")).Repeat(1024, filler).Save(hotmodel.Setup, "endless");
        using var client = await RawClient.ConnectAsync(hotmodel.Setup.Port);
        Assert.False(AssertCut("", await client.ChatAsync("endless"), "endless"));
        using var upstream = new ScriptedUpstream(hotmodel.Setup);
        await Until.True(
            async () => (await upstream.CountAsync("endless")).Left == 1, Limit, "its connection is closed");
    }

    /// <summary>For clients that do not know the error event: no HTTP client takes the body for whole.</summary>
    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Connection_of_a_stream_that_breaks_off_ends_behind_the_error_without_a_last_chunk(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        new UpstreamScript().Send(Head).Send(UpstreamScript.Chunk(SseAnswer.Word("a"))).Close().Save(hotmodel.Setup, "cut");
        foreach (var route in (string[])["/v1/chat/completions", "/v1/completions"])
        {
            using var client = await RawClient.ConnectAsync(hotmodel.Setup.Port);
            await client.SendAsync(RawClient.Request(route, RawClient.Chat("cut")));
            var wire = Encoding.UTF8.GetString(await client.ReadToEndAsync());
            Assert.EndsWith("\"code\":\"upstream_cut\"}}\n\n\r\n", wire, StringComparison.Ordinal);
        }
    }

    private static async Task NothingHeldAsync(HotModelProcess hotmodel, ScriptedUpstream upstream)
    {
        await Until.True(
            async () => (int)(await hotmodel.StateAsync())["inflight_chats"]! == 0, Limit, "no request is left");
        // One may be kept for the next request.
        await Until.True(
            async () => await upstream.OpenAsync() <= 1, Limit, "the connections of broken answers are closed");
    }

    private static void AssertBadGateway(WireReply reply, string name) => Assert.True(
        reply.Status == 502 && reply.IsWhole && reply.Text.Contains("\"upstream_failed\"", StringComparison.Ordinal),
        $"{name}: {reply.Head}{reply.Text}");

    /// <summary>Whole with the end mark, else all lines and an error event behind them.</summary>
    private static bool AssertCut(string lines, WireReply reply, string name)
    {
        var isWhole = lines.Contains("data: [DONE]\n", StringComparison.Ordinal);
        Assert.True(reply.Status == 200 && reply.IsWhole == isWhole, $"{name}: {reply.Head}{reply.Text}");
        if (isWhole)
        {
            Assert.True(lines == reply.Text, $"{name}: {reply.Text}");
            return true;
        }
        Assert.True(reply.Text.StartsWith(lines, StringComparison.Ordinal), $"{name}: {reply.Text}");
        var isInsideEvent = lines.Length > 0 && !lines.EndsWith("\n\n", StringComparison.Ordinal);
        var error = reply.Text[lines.Length..];
        Assert.True(error.StartsWith((isInsideEvent ? "\n" : "") + "data: {\"error\":{", StringComparison.Ordinal)
            && error.EndsWith("\"code\":\"upstream_cut\"}}\n\n", StringComparison.Ordinal), $"{name}: {error}");
        return false;
    }
}
