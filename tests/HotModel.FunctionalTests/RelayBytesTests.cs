using System.Text;
using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests;

/// <summary>A client gets the bytes of the model's events, however they reach hotmodel.</summary>
public sealed class RelayBytesTests
{
    private const int Connections = 8;

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Answer_in_two_segments_split_at_every_byte_is_the_same(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        var events = SseAnswer.Of(" h\u00e9llo", " \U0001F642\\n");
        var wire = SseAnswer.Wire(events);
        await RawConnections.ForAllAsync(hotmodel.Setup, Enumerable.Range(1, wire.Length - 1), Connections, async (client, at) =>
        {
            var name = $"split-{at}";
            new UpstreamScript().Send(wire.AsSpan(0, at)).Send(wire.AsSpan(at)).Save(hotmodel.Setup, name);
            AssertWhole(events, await client.ChatAsync(name, $"X-HotModel-Session: {name}"), name);
        });
        await RawConnections.ForAllAsync(hotmodel.Setup, Enumerable.Range(1, wire.Length - 1), Connections, async (_, at) =>
            Assert.Equal(" h\u00e9llo \U0001F642\n", await StoredAsync(hotmodel, $"split-{at}")));
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Path_is_the_one_that_was_set(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        new UpstreamScript().Send(SseAnswer.Wire(SseAnswer.Of("a"))).Save(hotmodel.Setup, "one");
        using var client = await RawClient.ConnectAsync(hotmodel.Setup.Port);
        AssertWhole(SseAnswer.Of("a"), await client.ChatAsync("one"), "one");
        Assert.Equal(path == RelayPath.Fast, ProcessTree.ThreadNames(hotmodel.Pid).Contains(RelayPath.FastThread));
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Answer_in_segments_of_one_byte_is_the_same(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        var events = SseAnswer.Of(" h\u00e9llo");
        new UpstreamScript().SendByteByByte(SseAnswer.Wire(events)).Save(hotmodel.Setup, "bytes");
        using var client = await RawClient.ConnectAsync(hotmodel.Setup.Port);
        AssertWhole(events, await client.ChatAsync("bytes", "X-HotModel-Session: bytes"), "bytes");
        Assert.Equal(" h\u00e9llo", await StoredAsync(hotmodel, "bytes"));
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Answer_in_any_framing_is_the_same(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        var events = SseAnswer.Of(" one", " two");
        var all = Encoding.UTF8.GetBytes(string.Concat(events));
        using var client = await RawClient.ConnectAsync(hotmodel.Setup.Port);
        foreach (var (name, script) in Framings(events, all))
        {
            script.Save(hotmodel.Setup, name);
            AssertWhole(events, await client.ChatAsync(name, $"X-HotModel-Session: {name}"), name);
            Assert.Equal(" one two", await StoredAsync(hotmodel, name));
        }
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Events_of_any_kind_are_the_same(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        var megabyte = string.Concat(Enumerable.Range(0, 1 << 17).Select(i => (char)('a' + (i % 23)) + "1234567"));
        byte[] notUtf8 = [0xff, 0xc3, 0x28, 0x80];
        byte[] notUtf8Beside = [.. "data: {\"choices\":[],\"x\":\""u8, .. notUtf8, .. "\"}\n\n"u8];
        byte[] notUtf8Text = [.. "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\""u8, .. notUtf8, .. "\"}}]}\n\n"u8];
        (string Name, byte[][] Events, string? Stored)[] kinds =
        [
            ("pings", Bytes(
                [":\n\n", SseAnswer.Word("a"), ": ping\n\n", SseAnswer.Word("b"), ":\n\n", SseAnswer.Finish, SseAnswer.Done]),
                "ab"),
            ("crlf", Bytes([.. SseAnswer.Of("a", "b").Select(e => e.Replace("\n", "\r\n", StringComparison.Ordinal))]), "ab"),
            ("fields", Bytes(
                ["event: message\nid: 7\nretry: 10\n" + SseAnswer.Word("a"), SseAnswer.Finish, SseAnswer.Done]), "a"),
            ("no-space", Bytes([.. SseAnswer.Of("a").Select(e => e.Replace("data: ", "data:", StringComparison.Ordinal))]), "a"),
            ("long-line", Bytes(SseAnswer.Of(megabyte, "b")), megabyte + "b"),
            ("no-end-mark", Bytes([SseAnswer.Word("a"), SseAnswer.Finish]), "a"),
            ("no-last-line-end", Bytes([SseAnswer.Word("a"), SseAnswer.Finish, "data: [DONE]"]), "a"),
            ("no-last-blank-line", Bytes([SseAnswer.Word("a"), SseAnswer.Finish, "data: [DONE]\n"]), "a"),
            ("after-end-mark", Bytes([SseAnswer.Word("a"), SseAnswer.Finish, SseAnswer.Done, ": bye\n\n"]), "a"),
            ("not-utf8-beside", [notUtf8Beside, .. Bytes(SseAnswer.Of("a"))], "a"),
            ("not-utf8-text", [notUtf8Text, .. Bytes(SseAnswer.Of("a"))], null),
            ("not-json", Bytes([SseAnswer.Word("a"), "data: {no\n\n", SseAnswer.Finish, SseAnswer.Done]), null),
        ];
        using var client = await RawClient.ConnectAsync(hotmodel.Setup.Port);
        foreach (var (name, events, stored) in kinds)
        {
            byte[] all = [.. events.SelectMany(e => e)];
            var script = new UpstreamScript().Send(UpstreamScript.EventStreamHead);
            foreach (var e in events)
                script.Send(UpstreamScript.Chunk(e));
            script.Send("0\r\n\r\n").Save(hotmodel.Setup, name);
            var reply = await client.ChatAsync(name, $"X-HotModel-Session: {name}");
            Assert.True(reply.Status == 200 && reply.IsWhole && reply.Body.AsSpan().SequenceEqual(all), $"{name}: {reply.Text}");
            if (stored is null)
                Assert.Equal(404, (await hotmodel.Api.GetAsync("admin/sessions/" + name)).Status);
            else
                Assert.Equal(stored, await StoredAsync(hotmodel, name));
        }
    }

    private static IEnumerable<(string Name, UpstreamScript Script)> Framings(string[] events, byte[] all)
    {
        const string Head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
        const string ChunkedHead = Head + "Transfer-Encoding: chunked\r\n\r\n";
        var lengthHead = Head + $"Content-Length: {all.Length}\r\n\r\n";
        var chunks = string.Concat(events.Select(e => Encoding.UTF8.GetString(UpstreamScript.Chunk(e))));
        yield return ("one-segment", new UpstreamScript().Send(ChunkedHead + chunks + "0\r\n\r\n"));
        yield return ("one-chunk", new UpstreamScript().Send(ChunkedHead).Send([.. UpstreamScript.Chunk(all), .. "0\r\n\r\n"u8]));
        yield return ("chunks-of-7", Chunked(all, 7));
        yield return ("chunks-of-1", Chunked(all, 1));
        yield return ("extensions", new UpstreamScript().Send(ChunkedHead)
            .Send($"{all.Length:x};name=\"value;\";other\r\n").Send(all).Send("\r\n").Send("000;last\r\n\r\n"));
        yield return ("padded-size", new UpstreamScript().Send(ChunkedHead)
            .Send($"000{all.Length:x}  \r\n").Send(all).Send("\r\n0\r\n\r\n"));
        yield return ("trailers", new UpstreamScript().Send(ChunkedHead).Send(UpstreamScript.Chunk(all))
            .Send("0\r\n").Send("X-Trailer: 1\r\n").Send("X-Other: 2\r").Send("\n\r").Send("\n"));
        yield return ("length", new UpstreamScript().Send(lengthHead).Send(all.AsSpan(0, 100)).Send(all.AsSpan(100)));
        yield return ("length-with-head", new UpstreamScript().Send(lengthHead + string.Concat(events)));
        yield return ("to-close", new UpstreamScript().Send(Head + "Connection: close\r\n\r\n")
            .Send(all.AsSpan(0, 100)).Send(all.AsSpan(100)).Close());
        yield return ("http-1.0", new UpstreamScript()
            .Send(Head.Replace("1.1", "1.0", StringComparison.Ordinal) + "\r\n").Send(all).Close());
        yield return ("interim", new UpstreamScript().Send("HTTP/1.1 100 Continue\r\n\r\n")
            .Send("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ChunkedHead).Send(chunks + "0\r\n\r\n"));
        yield return ("interim-in-one", new UpstreamScript()
            .Send("HTTP/1.1 102 Processing\r\n\r\n" + ChunkedHead + chunks + "0\r\n\r\n"));
        yield return ("early", UpstreamScript.Early().Send(ChunkedHead + chunks).Read().Send("0\r\n\r\n"));
        yield return ("bare-line-feeds", new UpstreamScript()
            .Send(ChunkedHead.Replace("\r", "", StringComparison.Ordinal)).Send(chunks + "0\r\n\r\n"));
    }

    private static UpstreamScript Chunked(byte[] bytes, int size)
    {
        byte[] wire = [.. bytes.Chunk(size).SelectMany(c => UpstreamScript.Chunk(c)), .. "0\r\n\r\n"u8];
        return new UpstreamScript().Send(UpstreamScript.EventStreamHead).Send(wire.AsSpan(0, wire.Length / 2))
            .Send(wire.AsSpan(wire.Length / 2));
    }

    private static byte[][] Bytes(string[] events) => [.. events.Select(Encoding.UTF8.GetBytes)];

    private static void AssertWhole(string[] events, WireReply reply, string name) => Assert.True(
        reply.Status == 200 && reply.IsWhole && reply.Text == string.Concat(events), $"{name}: {reply.Head}{reply.Text}");

    private static async Task<string?> StoredAsync(HotModelProcess hotmodel, string session)
    {
        var history = (JsonArray)(await hotmodel.Api.GetAsync("admin/sessions/" + session)).Json["history"]!;
        Assert.Equal(2, history.Count);
        return (string?)history[1]!["message"]!["content"];
    }
}
