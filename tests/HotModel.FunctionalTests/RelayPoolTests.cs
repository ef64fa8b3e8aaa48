using System.Text;
using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests;

/// <summary>Connections to the model's server are used again, and it may close them at any moment.</summary>
public sealed class RelayPoolTests
{
    private const string Json = "{\"object\":\"list\",\"data\":[{\"embedding\":[0.5,-1.25e-3]}]}";
    private static readonly byte[] Wire =
    [
        .. Encoding.ASCII.GetBytes(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"),
        .. UpstreamScript.Chunk(Json), .. "0\r\n\r\n"u8,
    ];
    private static readonly string[] Events = SseAnswer.Of("a");
    private static readonly byte[] StreamWire = SseAnswer.Wire(Events);

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Connection_that_the_server_drops_between_answers_is_never_the_clients_error(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        using var upstream = new ScriptedUpstream(hotmodel.Setup);
        using var client = await RawClient.ConnectAsync(hotmodel.Setup.Port);
        const int Rounds = 30;
        // Dropped as the next request comes; just before; some time before.
        (string Name, UpstreamScript Script)[] drops =
        [
            ("reset-next", new UpstreamScript().Send(Wire).ResetNext()),
            ("close-at-once", new UpstreamScript().Send(Wire).Close()),
            ("reset-at-once", new UpstreamScript().Send(Wire).Reset()),
            ("close-soon", new UpstreamScript().Send(Wire).Pause(1).Close()),
        ];
        foreach (var (name, script) in drops)
        {
            script.Save(hotmodel.Setup, name);
            for (var i = 0; i < Rounds; i++)
                AssertWhole(await AskAsync(client, name), $"{name} {i}");
            Assert.Equal(Rounds, (await upstream.CountAsync(name)).Requests);
        }
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Request_that_the_server_read_and_did_not_answer_is_sent_once(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        using var upstream = new ScriptedUpstream(hotmodel.Setup);
        new UpstreamScript().Send(Wire).Save(hotmodel.Setup, "good");
        new UpstreamScript().Close().Save(hotmodel.Setup, "pooled");
        new UpstreamScript().Close().Save(hotmodel.Setup, "new");
        using var client = await RawClient.ConnectAsync(hotmodel.Setup.Port);
        using var other = await RawClient.ConnectAsync(hotmodel.Setup.Port);
        Assert.Equal(200, (await AskAsync(client, "good")).Status);
        var accepted = await upstream.AcceptedAsync();
        var onPooled = AskAsync(client, "pooled");
        var onNew = AskAsync(other, "new");
        AssertBadGateway(await onPooled, "pooled");
        AssertBadGateway(await onNew, "new");
        Assert.Equal((1, 1), ((await upstream.CountAsync("pooled")).Requests, (await upstream.CountAsync("new")).Requests));
        // One for the request, and where both ask at once whether the server is there, one for each question.
        Assert.InRange(await upstream.AcceptedAsync() - accepted, 1, 3);
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Answers_that_end_well_share_one_connection(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        using var upstream = new ScriptedUpstream(hotmodel.Setup);
        using var client = await RawClient.ConnectAsync(hotmodel.Setup.Port);
        new UpstreamScript().Send(Wire).Save(hotmodel.Setup, "whole");
        // The end of the last chunk comes after all of the body, in pieces.
        new UpstreamScript().Send(Wire.AsSpan(0, Wire.Length - 5)).Send(Wire.AsSpan(Wire.Length - 5, 3))
            .Send(Wire.AsSpan(Wire.Length - 2)).Save(hotmodel.Setup, "late-end");
        var before = await upstream.AcceptedAsync();
        for (var i = 0; i < 10; i++)
            AssertWhole(await AskAsync(client, i % 2 == 0 ? "whole" : "late-end"), "answer");
        // Where hotmodel asked for its health first, that connection is the one.
        Assert.InRange(await upstream.AcceptedAsync() - before, 0, 1);
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Server_that_does_not_end_its_answer_holds_nothing(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        using var upstream = new ScriptedUpstream(hotmodel.Setup);
        new UpstreamScript().Send(StreamWire.AsSpan(0, StreamWire.Length - 5)).UntilLeft().Save(hotmodel.Setup, "no-end");
        using var client = await RawClient.ConnectAsync(hotmodel.Setup.Port);
        AssertWholeStream(await client.ChatAsync("no-end"), "no-end");
        await Until.True(async () => await upstream.OpenAsync() == 0, TimeSpan.FromSeconds(10), "its connection is closed");
        Assert.Equal(0, (int)(await hotmodel.StateAsync())["inflight_chats"]!);
    }

    /// <summary>llama-server would swallow the next request on it; see ReplyHead.</summary>
    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Connection_of_an_event_stream_is_not_used_again(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        using var upstream = new ScriptedUpstream(hotmodel.Setup);
        using var client = await RawClient.ConnectAsync(hotmodel.Setup.Port);
        new UpstreamScript().Send(StreamWire).Save(hotmodel.Setup, "stream");
        var before = await upstream.AcceptedAsync();
        for (var i = 0; i < 3; i++)
            AssertWholeStream(await client.ChatAsync("stream"), "stream");
        Assert.InRange(await upstream.AcceptedAsync() - before, 2, 3);
        await Until.True(async () => await upstream.OpenAsync() == 0, TimeSpan.FromSeconds(10), "their connections are closed");
    }

    private static Task<WireReply> AskAsync(RawClient client, string script) =>
        client.PostAsync("/v1/embeddings", new JsonObject { ["script"] = script, ["input"] = "hello" });

    private static void AssertWhole(WireReply reply, string name) => Assert.True(
        reply.Status == 200 && reply.IsWhole && reply.Text == Json, $"{name}: {reply.Head}{reply.Text}");

    private static void AssertWholeStream(WireReply reply, string name) => Assert.True(
        reply.Status == 200 && reply.IsWhole && reply.Text == string.Concat(Events), $"{name}: {reply.Head}{reply.Text}");

    private static void AssertBadGateway(WireReply reply, string name) => Assert.True(
        reply.Status == 502 && reply.IsWhole && reply.Text.Contains("\"upstream_failed\"", StringComparison.Ordinal),
        $"{name}: {reply.Head}{reply.Text}");
}
