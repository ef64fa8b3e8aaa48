using System.Text;
using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests.Strangers;

/// <summary>A13 to A17 of docs/security.md: names of routes, hosts, models and sessions that are written otherwise.</summary>
[Collection(StrangersCollection.Name)]
public sealed class NameTests(StrangersServer server)
{
    private const string Chat = """{"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}""";

    public static TheoryData<string> StatePaths =>
    [
        "/ADMIN/state", "/Admin/State", "/admin//state", "//admin/state", "/admin/./state", "/v1/../admin/state", "/%61dmin/state",
        "/admin%2fstate", "/admin/%2e%2e/admin/state", "/v1/%2e%2e/admin/state", "/admin/state/", "/admin/state;x", "/admin/state%00",
        @"/admin\state", "/admin%5cstate", "/admin/state?x#y", "/x/..;/admin/state", "/%2561dmin/state", "/admin/state%20",
        "/admin/sessions", "/slots", "/SLOTS", "/%73lots", "/props", "/metrics", "/lora-adapters",
    ];

    [Theory]
    [MemberData(nameof(StatePaths))]
    public async Task A13_no_spelling_of_a_path_shows_the_state_to_a_name_that_was_made_to_point_here(string path) =>
        Assert.InRange(await server.StatusAsync("GET", path, host: "evil.example"), 400, 404);

    [Theory]
    [InlineData("/models/load")]
    [InlineData("/Models/Load")]
    [InlineData("//models/load")]
    [InlineData("/models//load")]
    [InlineData("/%6dodels/load")]
    [InlineData("/models%2fload")]
    [InlineData("/v1/models/load")]
    [InlineData("/v1/../models/load")]
    [InlineData("/v1/%2e%2e/models/load")]
    [InlineData("/models/load/")]
    [InlineData("/models/./load")]
    [InlineData("/models/load%20")]
    [InlineData("/models/load;a")]
    [InlineData("/models/unload")]
    [InlineData("/models")]
    [InlineData("/slots/0?action=erase")]
    [InlineData("/slots//0?action=erase")]
    [InlineData("/%73lots/0?action=erase")]
    public async Task A13_no_spelling_of_a_refused_route_reaches_llama_server(string path)
    {
        foreach (var model in (string[])["a", "b"])
            Assert.InRange(await server.StatusAsync("POST", path, body: $$"""{"model": "{{model}}"}"""), 403, 405);
        await server.NothingHappenedAsync();
    }

    [Theory]
    [InlineData("localhost.evil.com")]
    [InlineData("evil.com:80")]
    [InlineData("user@localhost")]
    [InlineData("localhost@evil.com")]
    [InlineData("localhost.")]
    [InlineData("gpu-box.lan.")]
    [InlineData("127.0.0.1.")]
    [InlineData("127.0.0.1.evil.com")]
    [InlineData("[::1%25lo]")]
    [InlineData("[fe80::1%eth0]")]
    [InlineData("::1")]
    [InlineData("localhost:abc")]
    [InlineData("localhost,evil.com")]
    [InlineData("localhost evil.com")]
    [InlineData("127.0.0.1/evil.com")]
    [InlineData("")]
    public async Task A14_host_that_only_looks_like_ours_is_refused(string host) =>
        Assert.InRange(await server.StatusAsync("GET", "/admin/state", host), 400, 403);

    [Theory]
    [InlineData("localhost")]
    [InlineData("LOCALHOST:18080")]
    [InlineData("127.0.0.1:18080")]
    [InlineData("[::1]:18080")]
    [InlineData("gpu-box.lan:80")]
    public async Task A14_host_that_is_ours_is_let_in(string host) =>
        Assert.Equal(200, await server.StatusAsync("GET", "/admin/state", host));

    /// <summary>RFC 9112, 3.2: HTTP/1.0 has no Host, and who says nothing is nobody that we know.</summary>
    [Fact]
    public async Task A14_request_without_a_host_is_refused() =>
        Assert.Equal(403, StrangersServer.StatusOf(await server.ExchangeAsync("GET /admin/state HTTP/1.0\r\n\r\n")));

    [Theory]
    [InlineData("../../etc/passwd")]
    [InlineData("..")]
    [InlineData("a/b")]
    [InlineData(@"a\b")]
    [InlineData("a\u0000b")]
    [InlineData("a\r\nX-Evil: 1")]
    [InlineData("a b")]
    [InlineData("'; drop table sessions; --")]
    [InlineData("\u00e9")]
    [InlineData("")]
    public async Task A15_session_that_is_no_plain_name_is_refused(string id)
    {
        var body = JsonNode.Parse(Chat)!.AsObject();
        body["session_id"] = id;
        var reply = await server.Process.Api.PostAsync("v1/chat/completions", body);
        Assert.Equal((400, "invalid_session_id"), (reply.Status, (string?)reply.Json["error"]!["code"]));
        Assert.Null(reply.Header("X-Evil"));
    }

    [Fact]
    public async Task A15_session_is_a_name_in_headers_and_paths_too()
    {
        Assert.Equal(400, await server.StatusAsync(
            "POST", "/v1/chat/completions", headers: "X-HotModel-Session: ../x\r\n", body: Chat));
        // Two headers are one name that is none.
        Assert.Equal(400, await server.StatusAsync(
            "POST", "/v1/chat/completions", headers: "X-HotModel-Session: x\r\nX-HotModel-Session: y\r\n", body: Chat));
        foreach (var path in (string[])["..%2f..%2fetc%2fpasswd", "%2e%2e/export", "x%00", new string('a', 5000)])
        {
            foreach (var method in (string[])["GET", "DELETE"])
                Assert.InRange(await server.StatusAsync(method, $"/admin/sessions/{path}"), 400, 405);
        }
        Assert.True(File.Exists("/etc/passwd"));
    }

    [Theory]
    [InlineData(@"a\r\nX-Evil: 1")]
    [InlineData(@"\u0000a")]
    [InlineData(@"../a")]
    [InlineData(@"a\u0000")]
    [InlineData(@" a")]
    [InlineData(@"A")]
    public async Task A15_model_that_is_no_name_of_ours_is_refused_and_quoted_safely(string name)
    {
        foreach (var path in (string[])["v1/chat/completions", "completion"])
        {
            var reply = await server.Process.Api.PostTextAsync(path,
                $$"""{"model": "{{name}}", "prompt": "x", "n_predict": 1, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}""");
            Assert.True(reply.Status == 404, reply.Text);
            Assert.Null(reply.Header("X-Evil"));
        }
        await server.NothingHappenedAsync();
    }

    /// <summary>The model that is judged is the model that is asked: never another one for llama-server.</summary>
    [Theory]
    [InlineData("""{"model": "a", "model": "b", "prompt": "x", "n_predict": 1}""", 409)]
    [InlineData("""{"model": "b", "model": "a", "prompt": "x", "n_predict": 1}""", 200)]
    [InlineData("""{"model": "a", "mode\u006c": "b", "prompt": "x", "n_predict": 1}""", 409)]
    [InlineData("""{"mode\u006c": "b", "model": null, "prompt": "x", "n_predict": 1}""", 200)]
    [InlineData("""{"Model": "b", "prompt": "x", "n_predict": 1}""", 200)]
    [InlineData("""{"x": {"model": "b"}, "prompt": "x", "n_predict": 1}""", 200)]
    [InlineData("\uFEFF{\"model\": \"b\", \"prompt\": \"x\", \"n_predict\": 1}", 409)]
    [InlineData("{\"prompt\": \"x\", \"n_predict\": 1}\0{\"model\": \"b\"}", 200)]
    [InlineData("""{"model": "b", /*c*/ "prompt": "x", "n_predict": 1}""", 400)]
    [InlineData("""{"prompt": "x", "n_predict": 1, "model": "b",}""", 400)]
    [InlineData("""{'model': 'b', 'prompt': 'x'}""", 400)]
    public async Task A16_body_that_two_readers_read_differently_loads_nothing(string body, int status)
    {
        var reply = await server.Process.Api.RawAsync(HttpMethod.Post, "completion", Encoding.UTF8.GetBytes(body));
        Assert.True(reply.Status == status, $"{reply.Status} {reply.Text}");
        if (status == 200)
            Assert.Equal("a", (string?)JsonNode.Parse(reply.Text)!["model"]);
        await server.NothingHappenedAsync();
    }

    [Theory]
    [InlineData("""{"model": "a", "model": "b", "messages": [{"role": "user", "content": "x"}]}""")]
    [InlineData("""{"messages": [{"role": "user", "content": "x"}], "messages": []}""")]
    [InlineData("""{"session_id": "x", "session_id": "y", "messages": [{"role": "user", "content": "x"}]}""")]
    [InlineData("\uFEFF{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}]}")]
    [InlineData("{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}]}\0{}")]
    [InlineData("""{"messages": [{"role": "user", "content": "\udc00"}], "\ud800": 1}""")]
    public async Task A16_chat_is_read_strictly(string body)
    {
        var reply = await server.Process.Api.PostTextAsync("v1/chat/completions", body);
        Assert.Equal((400, "invalid_body"), (reply.Status, (string?)reply.Json["error"]!["code"]));
    }

    [Fact]
    public async Task A16_chat_that_is_no_utf8_is_refused()
    {
        byte[] body = [.. "{\"messages\": [{\"role\": \"user\", \"content\": \""u8, 0xff, .. "\"}]}"u8];
        Assert.Equal(400, (await server.Process.Api.RawAsync(HttpMethod.Post, "v1/chat/completions", body)).Status);
    }

    [Theory]
    [InlineData("?model=a&model=b", 409)]
    [InlineData("?model=b&model=a", 200)]
    [InlineData("?mod%65l=b", 409)]
    [InlineData("?model=b%00", 404)]
    [InlineData("?model%00=b", 200)]
    [InlineData("?model=b;autoload=true", 404)]
    [InlineData("?autoload=true&model=b", 409)]
    [InlineData("?model[]=b", 200)]
    [InlineData("?Model=b", 200)]
    [InlineData("?x=%0d%0aX-Evil:%201", 200)]
    public async Task A16_query_that_two_readers_read_differently_loads_nothing(string query, int status)
    {
        Assert.Equal(status, await server.StatusAsync("GET", "/props" + query));
        await server.NothingHappenedAsync();
    }

    [Theory]
    [InlineData("1e999")]
    [InlineData("99999999999999999999999")]
    [InlineData("-1e400")]
    public async Task A16_number_beyond_all_bounds_is_an_error_of_the_request(string number)
    {
        foreach (var path in (string[])["v1/chat/completions", "completion"])
        {
            var reply = await server.Process.Api.PostTextAsync(path,
                $$"""{"prompt": "x", "messages": [{"role": "user", "content": "x"}], "n_predict": {{number}}, "max_tokens": {{number}}}""");
            Assert.True(reply.Status == 400, reply.Text);
        }
        await server.NothingHappenedAsync();
    }

    /// <summary>Only a proxy may say these, and HotModel asks none.</summary>
    [Theory]
    [InlineData("X-Forwarded-Host: localhost\r\nX-Forwarded-For: 127.0.0.1\r\nForwarded: host=localhost\r\n")]
    [InlineData("X-Real-IP: 127.0.0.1\r\nX-Host: localhost\r\nX-HTTP-Host-Override: localhost\r\n")]
    public async Task A17_what_a_client_says_of_itself_is_not_believed(string headers) =>
        Assert.Equal(403, await server.StatusAsync("GET", "/admin/state", "evil.example", headers));

    [Fact]
    public async Task A17_target_and_method_are_those_of_the_request_line()
    {
        Assert.Equal(404, await server.StatusAsync("GET", "/nothing", headers: "X-Original-URL: /admin/state\r\nX-Rewrite-URL: /admin/state\r\n"));
        await server.Process.Api.PostTextAsync("v1/chat/completions", """{"session_id": "kept", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}""");
        foreach (var header in (string[])["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
        {
            Assert.Equal(405, await server.StatusAsync("POST", "/admin/sessions/kept", headers: $"{header}: DELETE\r\n", body: "{}"));
            Assert.Equal(200, await server.StatusAsync("GET", "/admin/sessions/kept?_method=DELETE", headers: $"{header}: DELETE\r\n"));
        }
        Assert.Equal(200, await server.StatusAsync("GET", "/admin/sessions/kept"));
    }
}
