using System.Text;
using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests.Strangers;

/// <summary>A18 of docs/security.md: more than there is room for is refused, and said so.</summary>
[Collection(StrangersCollection.Name)]
public sealed class LimitTests(StrangersServer server)
{
    private const int Levels = 256;

    public static TheoryData<string, string, string> Nested => new()
    {
        { "v1/chat/completions", Chat(Levels - 1), "nested at most 256 levels" },
        { "v1/chat/completions", new string('[', 100_000), "must be a JSON object" },
        { "completion", $$"""{"prompt": {{Brackets(Levels)}}}""", "more than 256 levels" },
        { "completion", Brackets(Levels + 1), "more than 256 levels" },
        { "completion", new string('[', 1_000_000), "more than 256 levels" },
        { "v1/messages", $$"""{"tools": {{Brackets(Levels)}}, "messages": []}""", "more than 256 levels" },
        { "lora-adapters", Brackets(Levels + 1), "more than 256 levels" },
    };

    [Theory]
    [MemberData(nameof(Nested))]
    public async Task A18_body_that_is_nested_too_deep_is_refused(string path, string body, string says)
    {
        var reply = await server.Process.Api.PostTextAsync(path, body);
        Assert.True(reply.Status == 400, reply.Text);
        Assert.Contains(says, reply.Text, StringComparison.Ordinal);
        await server.NothingHappenedAsync();
    }

    [Fact]
    public async Task A18_body_that_is_nested_as_deep_as_it_may_is_taken()
    {
        Assert.Equal(200, (await server.Process.Api.PostTextAsync("v1/chat/completions", Chat(Levels - 2))).Status);
        // llama-server's own words.
        Assert.DoesNotContain("levels", (await server.Process.Api.PostTextAsync("completion", Brackets(Levels))).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A18_body_that_is_too_long_is_refused_whether_it_says_so_or_not()
    {
        var body = Encoding.ASCII.GetBytes($$"""{"content": "{{new string('x', 3_000_000)}}"}""");
        foreach (var path in (string[])["v1/chat/completions", "tokenize"])
        {
            foreach (var isChunked in (bool[])[false, true])
            {
                var reply = await server.Process.Api.RawAsync(
                    HttpMethod.Post, path, body, edit: request => request.Headers.TransferEncodingChunked = isChunked);
                Assert.True(reply.Status == 413, reply.Text);
                Assert.Contains("longer than 2 MiB (server.max_body_mb)", reply.Text, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public async Task A18_more_messages_than_any_context_holds_are_refused()
    {
        var body = $$"""{"messages": [{{string.Join(',', Enumerable.Repeat("{}", 65_537))}}]}""";
        var reply = await server.Process.Api.PostTextAsync("v1/chat/completions", body);
        Assert.True(reply.Status == 400, reply.Text);
        Assert.Contains("more than 65536 messages", reply.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A18_form_of_more_parts_than_it_can_have_is_refused()
    {
        var form = new StringBuilder();
        for (var i = 0; i <= 1024; i++)
            form.Append("--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nb\r\n");
        var reply = await server.Process.Api.RawAsync(HttpMethod.Post, "v1/audio/transcriptions",
            Encoding.ASCII.GetBytes(form.Append("--B--\r\n").ToString()), "multipart/form-data; boundary=B");
        Assert.True(reply.Status == 400, reply.Text);
        Assert.Contains("more than 1024 parts", reply.Text, StringComparison.Ordinal);
        await server.NothingHappenedAsync();
    }

    [Fact]
    public async Task A18_limits_of_the_admin_routes_are_told()
    {
        foreach (var (path, kib) in ((string, int)[])[("admin/switch", 16), ("admin/reload", 1)])
        {
            var reply = await server.Process.Api.PostTextAsync(path, $$"""{"model": "{{new string('b', 20_000)}}"}""");
            Assert.True(reply.Status == 400, reply.Text);
            Assert.Contains($"longer than {kib} KiB", reply.Text, StringComparison.Ordinal);
        }
        await server.NothingHappenedAsync();
    }

    private static string Brackets(int levels) => new string('[', levels) + new string(']', levels);

    /// <summary>An object with one member that has so many levels.</summary>
    private static string Chat(int levels)
    {
        var body = new JsonObject { ["max_tokens"] = 1, ["messages"] = new JsonArray(Chats.Message("user", "x")) };
        return body.ToJsonString()[..^1] + $", \"x\": {Brackets(levels + 1)}}}";
    }
}

/// <summary>A18 too, of clients that take their time. On a server of their own, because that takes time.</summary>
public sealed class SlowSenderTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task A18_slow_head_and_slow_body_end_and_hold_nobody_up()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { FakeFaults = "" });
        using var slowHead = await RawClient.ConnectAsync(hotmodel.Setup.Port);
        using var slowBody = await RawClient.ConnectAsync(hotmodel.Setup.Port);
        await slowHead.SendAsync("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX"u8.ToArray());
        await slowBody.SendAsync("""
            POST /v1/chat/completions HTTP/1.1
            Host: localhost
            Content-Type: application/json
            X-HotModel-Session: mine
            Content-Length: 1000

            {
            """u8.ToArray().Where(b => b != '\r').SelectMany(b => b == '\n' ? "\r\n"u8.ToArray() : [b]).ToArray());
        // Neither the model nor its session waits for them.
        Assert.Equal(200, (await hotmodel.Api.ChatAsync("hello", session: "mine")).Status);
        Assert.Equal(200, (await hotmodel.Api.SwitchAsync("b")).Status);

        var told = await slowBody.ReadReplyAsync().WaitAsync(Limit);
        Assert.True(told.Status == 408, told.Head);
        Assert.Contains("slower than 240 bytes a second", told.Text, StringComparison.Ordinal);
        Assert.True(await slowBody.IsClosedAsync().WaitAsync(Limit));
        var end = Encoding.ASCII.GetString(await slowHead.ReadToEndAsync().WaitAsync(Limit));
        Assert.StartsWith("HTTP/1.1 408 ", end, StringComparison.Ordinal);
    }
}
