using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace HotModel.FunctionalTests;

/// <summary>A client that asks for a stream while no model is there is told so, and then gets its answer, or why not.</summary>
public sealed partial class WaitingTests
{
    private const string Events = "text/event-stream";
    private static readonly TimeSpan HeadLimit = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Wait_ends_with_the_bytes_of_the_models_answer(string path)
    {
        await using var waiting = await StartAsync(path);
        var setup = waiting.HotModel.Setup;
        var events = SseAnswer.Of(" h\u00e9llo", " \U0001F642\\n");
        var wire = SseAnswer.Wire(events);
        new UpstreamScript().Send(wire).Save(setup, "one-segment");
        new UpstreamScript().SendByteByByte(wire).Save(setup, "bytes");
        new UpstreamScript().Send(wire.AsSpan(0, wire.Length / 2)).Pause(50).Send(wire.AsSpan(wire.Length / 2)).Save(setup, "halves");
        (string Name, string Version)[] clients = [("one-segment", "1.1"), ("bytes", "1.1"), ("halves", "1.1"), ("one-segment", "1.0")];
        var told = new CountdownEvent(clients.Length);

        var answers = clients.Select(async (client, i) =>
        {
            using var connection = await RawClient.ConnectAsync(setup.Port);
            var request = RawClient.Request(
                "/v1/chat/completions", RawClient.Chat(client.Name), client.Version, $"X-HotModel-Session: s{i}");
            var head = await HeadAsync(connection, request);
            Assert.Contains($"X-HotModel-Session: s{i}\r\n", head, StringComparison.Ordinal);
            Assert.Equal(client.Version == "1.1", head.Contains("Transfer-Encoding: chunked", StringComparison.Ordinal));
            var (isWhole, text) = await BodyAsync(connection, head, comments: 3, () => told.Signal());
            AssertAnswer(string.Concat(events), text, isWhole);
            if (client.Version == "1.0")
                return;
            // The frames of the chunks are right to the last: the connection goes on.
            var next = await connection.ChatAsync(client.Name, $"X-HotModel-Session: s{i}");
            Assert.True(next.IsWhole && next.Text == string.Concat(events), client.Name + next.Head + next.Text);
        }).ToArray();
        await Until.True(() => told.IsSet || answers.Any(a => a.IsFaulted), Limit);
        waiting.Go();

        await Task.WhenAll(answers);
        for (var i = 0; i < clients.Length; i++)
        {
            var history = (JsonArray)(await waiting.HotModel.Api.GetAsync($"admin/sessions/s{i}")).Json["history"]!;
            Assert.Equal(" h\u00e9llo \U0001F642\n", (string?)history[1]!["message"]!["content"]);
        }
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Path_after_the_wait_is_the_one_that_was_set(string path)
    {
        await using var waiting = await StartAsync(path);
        new UpstreamScript().Send(UpstreamScript.EventStreamHead).Send(UpstreamScript.Chunk(SseAnswer.Filler(0xabc)))
            .Send("0\r\n\r\n").Save(waiting.HotModel.Setup, "filler");
        using var connection = await RawClient.ConnectAsync(waiting.HotModel.Setup.Port);
        await HeadAsync(connection, RawClient.Request("/completion", RawClient.Chat("filler"), headers: "Connection: close"));
        waiting.Go();

        var wire = Encoding.UTF8.GetString(await connection.ReadToEndAsync());
        // The web server writes its sizes in small letters, hotmodel in capitals.
        Assert.Contains(path == RelayPath.Fast ? "\r\nABC\r\ndata: " : "\r\nabc\r\ndata: ", wire, StringComparison.Ordinal);
        Assert.EndsWith("\r\n0\r\n\r\n", wire, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Failure_after_the_wait_is_one_error_event(string path)
    {
        await using var waiting = await StartAsync(path);
        var setup = waiting.HotModel.Setup;
        const string Error = """{"error":{"code":400,"message":"no such grammar","type":"invalid_request_error"}}""";
        new UpstreamScript().Send($"HTTP/1.1 400 Bad Request\r\nContent-Length: {Error.Length}\r\n\r\n{Error}").Save(setup, "bad");
        new UpstreamScript().Close().Save(setup, "gone");
        new UpstreamScript().Send(UpstreamScript.EventStreamHead)
            .Send(UpstreamScript.Chunk(SseAnswer.Word("a"))).Close().Save(setup, "cut");
        (string Script, string Code, string Type, string Message)[] failures =
        [
            ("bad", "400", "invalid_request_error", "no such grammar"),
            ("gone", "upstream_failed", "upstream_error", "without an answer"),
            ("cut", "upstream_cut", "upstream_error", "broke off"),
        ];
        string[] routes = ["/v1/chat/completions", "/v1/completions", "/infill", "/v1/responses", "/v1/messages"];
        var told = new CountdownEvent(failures.Length * routes.Length);

        var answers = failures.SelectMany(failure => routes.Select(async route =>
        {
            using var connection = await RawClient.ConnectAsync(setup.Port);
            var head = await HeadAsync(connection, RawClient.Request(route, RawClient.Chat(failure.Script)));
            var (isWhole, text) = await BodyAsync(connection, head, comments: 1, () => told.Signal());
            Assert.False(isWhole, text);
            var left = WithoutComments(text);
            if (failure.Script == "cut")
            {
                Assert.StartsWith(SseAnswer.Word("a"), left, StringComparison.Ordinal);
                left = left[SseAnswer.Word("a").Length..];
            }
            AssertError(route, failure.Code, failure.Type, failure.Message, left);
        })).ToArray();
        await Until.True(() => told.IsSet || answers.Any(a => a.IsFaulted), Limit);
        waiting.Go();

        await Task.WhenAll(answers);
        Assert.Empty((await waiting.HotModel.Api.GetAsync("admin/sessions")).Json["sessions"]!.AsArray());
    }

    [Fact]
    public async Task Load_is_told_with_its_progress()
    {
        var setup = new Setup { FakeFaults = "load-slow=2500@b", Server = "wait_comment_seconds = 0.2" };
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        var switching = await BeginAsync(hotmodel, "loading");
        using var connection = await RawClient.ConnectAsync(setup.Port);

        var head = await HeadAsync(connection, RawClient.Request("/v1/chat/completions", Chat("hello")));
        var (isWhole, text) = await BodyAsync(connection, head, comments: 1, () => { });

        await switching;
        Assert.True(isWhole, text);
        var percents = Told().Matches(text).Where(m => m.Groups["pct"].Success)
            .Select(m => int.Parse(m.Groups["pct"].Value, CultureInfo.InvariantCulture)).ToList();
        Assert.True(percents.Count > 5 && percents[0] < 50 && percents[^1] >= 80, text);
        Assert.Equal(percents.Order(), percents);
        Assert.StartsWith("data: {", WithoutComments(text), StringComparison.Ordinal);
        Assert.EndsWith(SseAnswer.Done, text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wait_that_is_too_long_is_an_error_event_for_a_stream_and_503_for_others()
    {
        var setup = new Setup { FakeFaults = "load-slow=4000@b", Server = "queue_timeout_seconds = 1" };
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        var switching = await BeginAsync(hotmodel, "loading");
        var plain = hotmodel.Api.ChatAsync("hello");

        await Task.WhenAll(((string[])["/v1/chat/completions", "/completion", "/v1/responses", "/v1/messages"]).Select(async route =>
        {
            using var connection = await RawClient.ConnectAsync(setup.Port);
            var head = await HeadAsync(connection, RawClient.Request(route, Chat("hello")));
            var (isWhole, text) = await BodyAsync(connection, head, comments: 1, () => { });
            Assert.False(isWhole, text);
            AssertError(route, "queue_timed_out", "unavailable_error", "queue_timeout_seconds", WithoutComments(text));
        }));

        Assert.Equal((503, "10"), ((await plain).Status, (await plain).Header("Retry-After")));
        Assert.Equal(200, (await switching).Status);
        Assert.Equal(0, (int?)(await hotmodel.StateAsync())["waiting_chats"]);
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Client_that_leaves_is_forgotten(string path)
    {
        await using var waiting = await StartAsync(path);
        var api = waiting.HotModel.Api;
        var clients = new List<RawClient>();
        for (var i = 0; i < 8; i++)
        {
            clients.Add(await RawClient.ConnectAsync(waiting.HotModel.Setup.Port));
            var request = RawClient.Request("/v1/chat/completions", RawClient.Chat("never"), headers: "X-HotModel-Session: s");
            // All but the first wait for the first one's turn.
            await HeadAsync(clients[i], request);
        }
        var state = await waiting.HotModel.StateAsync();
        Assert.Equal(1, (int?)state["waiting_chats"]);
        Assert.Equal(1, (int?)Assert.Single(state["waiting_by_model"]!.AsObject()).Value);

        foreach (var (i, client) in clients.Index())
        {
            if (i % 2 == 0)
                client.Reset();
            else
                client.Dispose();
        }

        await Until.True(
            async () => (int?)(await waiting.HotModel.StateAsync())["waiting_chats"] == 0, TimeSpan.FromSeconds(2));
        waiting.Go();
        Assert.Equal("b", (string?)(await waiting.Switching).Json["active_model"]);
        using var upstream = new ScriptedUpstream(waiting.HotModel.Setup, "b");
        Assert.Equal(0, (await upstream.CountAsync("never")).Requests);
        // Their conversation is free.
        new UpstreamScript().Send(SseAnswer.Wire(SseAnswer.Of("a"))).Save(waiting.HotModel.Setup, "a");
        using var next = await RawClient.ConnectAsync(waiting.HotModel.Setup.Port);
        Assert.Equal(string.Concat(SseAnswer.Of("a")), (await next.ChatAsync("a", "X-HotModel-Session: s")).Text);
    }

    /// <summary>hotmodel before scripted servers, draining for a switch to b until it is told to go on.</summary>
    private sealed class Waiting(HotModelProcess hotmodel, RawClient holder, Task<Reply> switching) : IAsyncDisposable
    {
        public HotModelProcess HotModel { get; } = hotmodel;
        public Task<Reply> Switching { get; } = switching;

        /// <summary>The running answer ends, and the switch goes on.</summary>
        public void Go() => holder.Dispose();

        public async ValueTask DisposeAsync()
        {
            Go();
            await Switching;
            await HotModel.DisposeAsync();
        }
    }

    private static async Task<Waiting> StartAsync(string path)
    {
        var hotmodel = await HotModelProcess.StartAsync(
            new Setup { Scripted = true, Server = path + "\nwait_comment_seconds = 0.2" });
        new UpstreamScript().Send(UpstreamScript.EventStreamHead).Send(UpstreamScript.Chunk(SseAnswer.Word("a"))).UntilLeft()
            .Save(hotmodel.Setup, "hold");
        var holder = await RawClient.ConnectAsync(hotmodel.Setup.Port);
        await holder.PostChatAsync("hold");
        await holder.ReadHeadAsync();
        return new(hotmodel, holder, await BeginAsync(hotmodel, "draining"));
    }

    /// <summary>Begins a switch to b and returns when it is that far.</summary>
    private static async Task<Task<Reply>> BeginAsync(HotModelProcess hotmodel, string phase)
    {
        var switching = hotmodel.Api.SwitchAsync("b");
        await Until.True(async () => (string?)(await hotmodel.StateAsync())["phase"] == phase, Limit);
        return switching;
    }

    private static JsonObject Chat(string text)
    {
        var body = Chats.Request(text);
        body["stream"] = true;
        return body;
    }

    /// <summary>Sends a request that has to wait, and returns the head of its answer, which must come all the same.</summary>
    private static async Task<string> HeadAsync(RawClient connection, byte[] request)
    {
        var started = Stopwatch.GetTimestamp();
        await connection.SendAsync(request);
        var head = await connection.ReadHeadAsync();
        Assert.InRange(Stopwatch.GetElapsedTime(started), TimeSpan.Zero, HeadLimit);
        Assert.StartsWith("HTTP/1.1 200 OK\r\n", head, StringComparison.Ordinal);
        Assert.Contains($"Content-Type: {Events}\r\n", head, StringComparison.Ordinal);
        Assert.Contains("Cache-Control: no-cache\r\n", head, StringComparison.Ordinal);
        Assert.Contains("X-Accel-Buffering: no\r\n", head, StringComparison.Ordinal);
        Assert.DoesNotContain("X-HotModel-Model", head, StringComparison.OrdinalIgnoreCase);
        return head;
    }

    /// <summary>Reads to the end, and says once when so many comments have come.</summary>
    private static async Task<(bool IsWhole, string Text)> BodyAsync(
        RawClient connection, string head, int comments, Action onTold)
    {
        var body = new MemoryStream();
        var hasTold = false;
        var isWhole = await connection.ReadBodyAsync(head, bytes =>
        {
            body.Write(bytes.Span);
            if (hasTold || Told().Count(Encoding.UTF8.GetString(body.ToArray())) < comments)
                return;
            hasTold = true;
            onTold();
        });
        return (isWhole, Encoding.UTF8.GetString(body.ToArray()));
    }

    private static void AssertAnswer(string events, string text, bool isWhole)
    {
        Assert.True(isWhole, text);
        Assert.Equal(events, WithoutComments(text));
    }

    /// <summary>What comes behind the comments, of which there is at least one.</summary>
    private static string WithoutComments(string text)
    {
        var comments = Leading().Match(text);
        Assert.True(comments.Success, text);
        return text[comments.Length..];
    }

    private static void AssertError(string route, string code, string type, string message, string text)
    {
        var isOpenAi = route is not ("/v1/responses" or "/v1/messages");
        var before = isOpenAi ? "data: " : "event: error\ndata: ";
        Assert.StartsWith(before, text, StringComparison.Ordinal);
        Assert.EndsWith("}\n\n", text, StringComparison.Ordinal);
        var said = JsonNode.Parse(text[before.Length..])!.AsObject();
        var error = route == "/v1/responses" ? said : said["error"]!.AsObject();
        Assert.Contains(message, (string?)error["message"], StringComparison.Ordinal);
        if (route == "/v1/messages")
            Assert.Equal(type switch { "unavailable_error" => "overloaded_error", "upstream_error" => "api_error", _ => type },
                (string?)error["type"]);
        else
            Assert.Equal(code, error["code"]!.ToString());
        if (isOpenAi)
            Assert.Equal(type, (string?)error["type"]);
        else
            Assert.Equal("error", (string?)said["type"]);
    }

    [GeneratedRegex(@"^: hotmodel state=(queued|draining|unloading|settling|loading|ready|conversation)( model=b)?( pct=(?<pct>\d+))?( position=\d+)?\n$",
        RegexOptions.Multiline)]
    private static partial Regex Told();

    [GeneratedRegex(@"\A(: hotmodel state=[a-z_]+( model=b)?( pct=\d+)?( position=\d+)?\n\n)+")]
    private static partial Regex Leading();
}
