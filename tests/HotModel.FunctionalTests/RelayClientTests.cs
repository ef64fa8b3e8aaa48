using System.Globalization;

namespace HotModel.FunctionalTests;

/// <summary>Clients that leave, or speak HTTP in their own way.</summary>
public sealed class RelayClientTests
{
    private const string Head = UpstreamScript.EventStreamHead;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Client_that_leaves_has_its_upstream_connection_closed_at_once(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        using var upstream = new ScriptedUpstream(hotmodel.Setup);
        var word = UpstreamScript.Chunk(SseAnswer.Word("a"));
        (string Name, UpstreamScript Script, bool HasBegun)[] cases =
        [
            ("no-head", new UpstreamScript(), false),
            ("half-head", new UpstreamScript().Send("HTTP/1.1 200 O"), false),
            ("head", new UpstreamScript().Send(Head), true),
            ("event", new UpstreamScript().Send(Head).Send(word), true),
            ("half-event", new UpstreamScript().Send(Head).Send(word).Send(word.AsSpan(0, 100)), true),
            ("end-mark", new UpstreamScript().Send(Head).Send(UpstreamScript.Chunk(string.Concat(SseAnswer.Of("a")))), true),
            ("half-json", new UpstreamScript()
                .Send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"), false),
        ];
        foreach (var (name, script, hasBegun) in cases)
        {
            script.UntilLeft().Save(hotmodel.Setup, name);
            foreach (var isReset in (bool[])[false, true])
            {
                var before = await upstream.CountAsync(name);
                using var client = await RawClient.ConnectAsync(hotmodel.Setup.Port);
                await client.PostChatAsync(name);
                if (hasBegun)
                    await client.ReadHeadAsync();
                await Until.True(
                    async () => (await upstream.CountAsync(name)).Requests > before.Requests, Limit, "the request is there");
                var left = TimeProvider.System.GetUtcNow();
                if (isReset)
                    client.Reset();
                else
                    client.Dispose();
                await Until.True(
                    async () => (await upstream.CountAsync(name)).Left > before.Left, Limit, $"{name}: the upstream is left");
                Assert.InRange(((await upstream.CountAsync(name)).LeftAt - left).TotalSeconds, -0.01, 1);
            }
        }
        await NothingHeldAsync(hotmodel);
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Clients_connection_serves_again_after_a_stream(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        var events = SseAnswer.Of("a", "b");
        var all = string.Concat(events);
        new UpstreamScript().Send(SseAnswer.Wire(events)).Save(hotmodel.Setup, "whole");
        using var client = await RawClient.ConnectAsync(hotmodel.Setup.Port);
        AssertWhole(all, await client.ChatAsync("whole"));
        AssertWhole(all, await client.ChatAsync("whole"));
        await client.SendAsync("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"u8.ToArray());
        Assert.Equal(200, (await client.ReadReplyAsync()).Status);
        AssertWhole(all, await client.ChatAsync("whole"));
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Requests_sent_while_a_stream_runs_are_answered_in_order(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        using var upstream = new ScriptedUpstream(hotmodel.Setup);
        string[] names = ["one", "two", "three"];
        foreach (var name in names)
        {
            var wire = SseAnswer.Wire(SseAnswer.Of(name));
            new UpstreamScript().Send(wire.AsSpan(0, wire.Length / 2)).Pause(50).Send(wire.AsSpan(wire.Length / 2))
                .Save(hotmodel.Setup, name);
        }
        using var client = await RawClient.ConnectAsync(hotmodel.Setup.Port);
        // Two at once, the third while the first runs.
        await client.SendAsync([.. Request("one"), .. Request("two")]);
        await Until.True(async () => (await upstream.CountAsync("one")).Requests == 1, Limit, "the first runs");
        await client.SendAsync(Request("three"));
        foreach (var name in names)
            AssertWhole(string.Concat(SseAnswer.Of(name)), await client.ReadReplyAsync());
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Client_that_leaves_under_a_second_request_of_its_own_leaves_nothing_behind(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        using var upstream = new ScriptedUpstream(hotmodel.Setup);
        new UpstreamScript().Send(Head).Send(UpstreamScript.Chunk(SseAnswer.Word("a"))).UntilLeft().Save(hotmodel.Setup, "open");
        using (var client = await RawClient.ConnectAsync(hotmodel.Setup.Port))
        {
            await client.PostChatAsync("open");
            await client.ReadHeadAsync();
            await client.SendAsync(Request("open"));
        }
        await Until.True(async () => (await upstream.CountAsync("open")).Left == 1, Limit, "the upstream is left");
        await NothingHeldAsync(hotmodel);
        Assert.Equal(1, (await upstream.CountAsync("open")).Requests);
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Client_that_wants_the_connection_closed_gets_the_same_bytes(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        var events = SseAnswer.Of("h\u00e9llo", "b");
        var wire = SseAnswer.Wire(events);
        new UpstreamScript().Send(wire.AsSpan(0, 400)).Send(wire.AsSpan(400)).Save(hotmodel.Setup, "whole");
        new UpstreamScript().Send(wire.AsSpan(0, 400)).Close().Save(hotmodel.Setup, "cut");
        foreach (var (version, header) in ((string, string)[])
            [("1.1", "Connection: close"), ("1.0", "Accept: */*"), ("1.0", "Connection: keep-alive")])
        {
            foreach (var script in (string[])["whole", "cut"])
            {
                using var client = await RawClient.ConnectAsync(hotmodel.Setup.Port);
                await client.SendAsync(RawClient.Request("/v1/chat/completions", RawClient.Chat(script), version, header));
                var reply = await client.ReadReplyAsync();
                Assert.Equal(version == "1.0", reply.Header("Transfer-Encoding") is null);
                Assert.True(await client.IsClosedAsync(), "the connection is closed");
                if (script == "whole")
                    AssertWhole(string.Concat(events), reply);
                else
                    Assert.EndsWith("\"code\":\"upstream_cut\"}}\n\n", reply.Text, StringComparison.Ordinal);
            }
        }
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Clients_that_leave_at_any_moment_leave_nothing_behind(string path)
    {
        const int Clients = 200;
        const int AtOnce = 40;
        const int Seed = 20_260_101;
        await using var hotmodel = await RelayPath.StartAsync(path);
        using var upstream = new ScriptedUpstream(hotmodel.Setup);
        var script = new UpstreamScript().Send(Head);
        foreach (var i in Enumerable.Range(0, 12))
            script.Send(UpstreamScript.Chunk(SseAnswer.Word(string.Create(CultureInfo.InvariantCulture, $"w{i}")))).Pause(i % 3);
        script.UntilLeft().Save(hotmodel.Setup, "open");
        new UpstreamScript().Send(SseAnswer.Wire(SseAnswer.Of("a"))).Close().Save(hotmodel.Setup, "whole");
        var request = Request("open");
        using var last = await RawClient.ConnectAsync(hotmodel.Setup.Port);
        AssertWhole(string.Concat(SseAnswer.Of("a")), await last.ChatAsync("whole"));
        await NothingHeldAsync(hotmodel);
        var files = ProcessTree.OpenFiles(hotmodel.Pid);

        await RawConnections.ForAllAsync(hotmodel.Setup, Enumerable.Range(0, Clients), AtOnce, async (_, i) =>
        {
            var random = new Random(Seed + i);
            using var client = await RawClient.ConnectAsync(hotmodel.Setup.Port);
            // One in ten leaves within its request.
            var sent = random.Next(10) == 0 ? random.Next(request.Length) : request.Length;
            await client.SendAsync(request[..sent]);
            if (sent == request.Length && random.Next(10) > 0)
                await client.ReadSomeAsync(random.Next(1, 3000));
            if (random.Next(2) == 0)
                client.Reset();
        });

        await NothingHeldAsync(hotmodel);
        await Until.True(async () => await upstream.OpenAsync() == 0, Limit, "all upstream connections are closed");
        await Until.True(() => ProcessTree.OpenFiles(hotmodel.Pid) <= files, Limit);
        var count = await upstream.CountAsync("open");
        Assert.InRange(count.Requests, Clients / 2, Clients);
        Assert.Equal((count.Requests, 0), (count.Left, count.Ended));
        AssertWhole(string.Concat(SseAnswer.Of("a")), await last.ChatAsync("whole"));
    }

    private static byte[] Request(string script) => RawClient.Request("/v1/chat/completions", RawClient.Chat(script));

    private static void AssertWhole(string body, WireReply reply) => Assert.True(
        reply.Status == 200 && reply.IsWhole && reply.Text == body, reply.Head + reply.Text);

    private static Task NothingHeldAsync(HotModelProcess hotmodel) => Until.True(
        async () => (int)(await hotmodel.StateAsync())["inflight_chats"]! == 0, Limit, "no request is left");
}
