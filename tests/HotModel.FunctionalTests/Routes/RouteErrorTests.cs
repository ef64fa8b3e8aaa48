using System.Text;

namespace HotModel.FunctionalTests.Routes;

/// <summary>What llama-server makes of requests that are wrong, or odd, is what the client is told.</summary>
[Collection(RouteCollection.Name)]
public sealed class RouteErrorTests(RouteServer server)
{
    private static readonly string[] Paths =
    [
        "v1/completions", "completion", "infill", "v1/responses", "v1/responses/input_tokens", "v1/messages",
        "v1/messages/count_tokens", "v1/chat/completions/input_tokens", "v1/chat/completions/control", "v1/embeddings",
        "v1/rerank", "v1/systemone", "tokenize", "detokenize", "apply-template", "lora-adapters",
    ];

    private static readonly Dictionary<string, byte[]> Bodies = new()
    {
        ["empty"] = [],
        ["white"] = " \r\n"u8.ToArray(),
        ["cut"] = """{"model": "coder", "prompt": "so it be"""u8.ToArray(),
        ["no value"] = """{"prompt": , "model": "coder"}"""u8.ToArray(),
        ["more behind"] = """{"model": "coder", "n_predict": 2} {}"""u8.ToArray(),
        ["array"] = "[]"u8.ToArray(),
        ["text"] = "\"coder\""u8.ToArray(),
        ["nothing asked"] = """{"model": "coder"}"""u8.ToArray(),
        ["null everywhere"] = """
            {"prompt": null, "messages": null, "input": null, "content": null, "id": null, "max_tokens": 1, "temperature": 0}
            """u8.ToArray(),
        ["numbers"] = """
            {"prompt": 5, "content": 5, "messages": 5, "input": 5, "tokens": 5, "filename": 5, "id": 5, "max_tokens": 1,
             "temperature": 0}
            """u8.ToArray(),
        ["wrong options"] = """
            {"prompt": "a", "input": "a", "content": "a", "messages": [{"role": "user", "content": "a"}],
             "temperature": "hot", "max_tokens": [1], "n_predict": {}, "max_output_tokens": "x", "stream": "yes"}
            """u8.ToArray(),
        ["model of another type"] =
            """{"model": {"name": "coder"}, "prompt": "a", "n_predict": 1, "temperature": 0}"""u8.ToArray(),
        ["no UTF-8"] =
        [
            .. "{\"model\": \"coder\", \"prompt\": \"a"u8, 0xff, 0xfe, .. "b\", \"content\": \""u8, 0xc3, 0x28,
            .. "\", \"messages\": [{\"role\": \"user\", \"content\": \""u8, 0xe2, 0x82, .. "\"}]}"u8,
        ],
        ["half a character"] = """{"model": "coder", "prompt": "\ud800", "content": "\ud800", "n_predict": 1}"""u8.ToArray(),
        ["byte order mark"] = [0xef, 0xbb, 0xbf, .. """{"model": "coder", "n_predict": 1, "tokens": []}"""u8],
        ["no JSON"] = "prompt=a&model=coder"u8.ToArray(),
    };

    private static readonly Dictionary<string, (string Path, string Body)> Odd = new()
    {
        ["unknown members"] = ("completion",
            """{"prompt": "a", "n_predict": 1, "temperature": 0, "frobnicate": {"deep": [1, {"model": "inner"}]}}"""),
        ["a member twice"] = ("completion", """{"prompt": "a", "prompt": "b", "n_predict": 1, "temperature": 0}"""),
        ["two models"] = ("v1/completions",
            """{"model": "x", "prompt": "a", "max_tokens": 1, "temperature": 0, "model": "coder"}"""),
        ["numbers that no double holds"] = ("completion",
            """{"prompt": "a", "n_predict": 1, "temperature": 0.000000000000000000001e0, "seed": 4294967295, "big": 1e400}"""),
        ["escapes in names"] = ("tokenize", """{"cont\u0065nt": "a\/b\u0000c"}"""),
        ["control characters"] = ("tokenize", "{\"content\": \"a\tb\"}"),
        ["a large body"] = ("tokenize", $$"""{"padding": "{{new string('x', 3_000_000)}}", "content": "a"}"""),
        ["more than the context holds"] = ("completion", $$"""{"prompt": "{{new string('x', 9_000)}}", "n_predict": 1}"""),
        ["invalid grammar"] = ("completion", """{"prompt": "a", "grammar": "root ::= ("}"""),
        ["invalid schema"] = ("v1/completions", """{"prompt": "a", "json_schema": {"type": "no such type"}}"""),
        ["invalid tools"] = ("v1/messages",
            """{"max_tokens": 2, "messages": [{"role": "user", "content": "a"}], "tools": [{"name": 3}]}"""),
        ["invalid part"] = ("v1/responses", """{"input": [{"role": "user", "content": [{"type": "input_fish"}]}]}"""),
        ["streamed error"] = ("v1/messages", """{"stream": true, "messages": [{"role": "user", "content": 7}]}"""),
        ["adapter that is not there"] = ("lora-adapters", """[{"id": 7, "scale": 1.5}]"""),
        ["adapter without a scale"] = ("lora-adapters", """[{"id": 0}]"""),
    };

    public static TheoryData<string> PathNames => [.. Paths];
    public static TheoryData<string> OddNames => [.. Odd.Keys];

    [Theory]
    [MemberData(nameof(PathNames))]
    public async Task Wrong_body_has_the_servers_own_error(string path)
    {
        await server.UseAsync("coder");
        var refused = 0;
        foreach (var (name, body) in Bodies)
        {
            var own = await server.SameAsync(HttpMethod.Post, path, body);
            TestContext.Current.TestOutputHelper?.WriteLine($"{name}: {own.Status}");
            refused += own.Status >= 400 ? 1 : 0;
        }
        Assert.True(refused > 3, $"{path} refused {refused} of {Bodies.Count} bodies");
    }

    /// <summary>The place that the parser's message names is one in the client's bytes.</summary>
    [Fact]
    public async Task Place_of_a_syntax_error_is_the_clients()
    {
        await server.UseAsync("coder");
        var body = """{"model": "a-name-much-longer-than-the-real-one", "prompt": "a", }"""u8.ToArray();
        var own = await server.SameAsync(HttpMethod.Post, "completion", body);
        Assert.Equal(400, own.Status);
        Assert.Contains("line 1, column 66", own.Text);
    }

    /// <summary>What web pages can send unasked is refused here, whatever llama-server would make of it.</summary>
    [Theory]
    [InlineData("completion", "text/plain")]
    [InlineData("tokenize", "application/x-www-form-urlencoded")]
    [InlineData("v1/messages", "multipart/form-data; boundary=x")]
    [InlineData("v1/audio/transcriptions", "application/json")]
    public async Task Body_of_another_type_is_refused(string path, string type)
    {
        var reply = await server.Through.RawAsync(
            HttpMethod.Post, path, """{"content": "a", "n_predict": 1, "max_tokens": 1}"""u8.ToArray(), type);
        Assert.Equal(415, reply.Status);
        Assert.Contains("Content-Type", reply.Text);
    }

    [Theory]
    [MemberData(nameof(OddNames))]
    public async Task Odd_body_has_the_servers_own_answer(string name)
    {
        await server.UseAsync("coder");
        var own = await server.SameAsync(HttpMethod.Post, Odd[name].Path, Encoding.UTF8.GetBytes(Odd[name].Body));
        Assert.NotEmpty(own.Body);
    }

    [Theory]
    [InlineData("v1/chat/completions")]
    [InlineData("chat/completions")]
    public async Task Chat_that_is_no_JSON_is_refused(string path)
    {
        await server.UseAsync("coder");
        foreach (var name in (string[])["empty", "cut", "no value", "more behind", "array", "text", "no JSON", "no UTF-8"])
        {
            var reply = await server.Through.RawAsync(HttpMethod.Post, path, Bodies[name]);
            Assert.True(reply.Status == 400, $"{name}: {reply.Status} {reply.Text}");
            Assert.Contains("\"invalid_request_error\"", reply.Text);
        }
    }

    [Theory]
    [InlineData("v1/chat/completions")]
    [InlineData("chat/completions")]
    public async Task Chat_that_is_wrong_has_the_servers_own_error(string path)
    {
        await server.UseAsync("coder");
        foreach (var body in (string[])
        [
            """{"model": "coder", "messages": [{"role": "user", "content": 5}]}""",
            """{"model": "coder", "messages": [{"content": "a"}]}""",
            """{"model": "coder", "messages": [{"role": "user", "content": "a"}], "tools": 5}""",
            """{"model": "coder", "messages": [{"role": "user", "content": "a"}], "temperature": "hot"}""",
            """{"model": "coder", "messages": [{"role": "user", "content": "a"}], "stream": true, "n": 0}""",
            """{"model": "coder", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}""",
        ])
        {
            var own = await server.SameAsync(HttpMethod.Post, path, Encoding.UTF8.GetBytes(body));
            Assert.InRange(own.Status, 400, 599);
        }
    }

    [Theory]
    [InlineData("GET", "completion")]
    [InlineData("GET", "v1/messages")]
    [InlineData("PUT", "v1/completions")]
    [InlineData("DELETE", "slots/0")]
    [InlineData("POST", "slots")]
    [InlineData("POST", "metrics")]
    [InlineData("GET", "no/such/route")]
    public async Task Route_that_is_none_is_404(string method, string path)
    {
        await server.UseAsync("coder");
        var reply = await server.Through.RawAsync(new HttpMethod(method), path, method == "GET" ? null : "{}"u8.ToArray());
        Assert.InRange(reply.Status, 404, 405);
        Assert.Contains("\"error\"", reply.Text);
    }
}
