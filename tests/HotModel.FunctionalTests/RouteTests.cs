using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace HotModel.FunctionalTests;

/// <summary>One example of each class of llama-server's routes, against the real one.</summary>
public sealed partial class RouteTests
{
    private const string Hello = """{"messages":[{"role":"user","content":"hello"}],"max_tokens":4}""";

    [Fact]
    public async Task Every_documented_route_is_one_of_the_server()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        using var client = new HttpClient { BaseAddress = hotmodel.Api.Address };
        var routes = DocumentedRoutes();
        Assert.True(routes.Count > 30, $"{routes.Count} routes");
        foreach (var (method, path) in routes)
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), path);
            if (method == "POST" && path.EndsWith("transcriptions", StringComparison.Ordinal))
                request.Content = new MultipartFormDataContent { { new StringContent("x"), "file", "a.wav" } };
            else if (method == "POST")
                request.Content = new StringContent("{}", Encoding.UTF8, "application/json");
            using var response = await client.SendAsync(request);
            var text = await response.Content.ReadAsStringAsync();
            // The chat route says itself that there are no messages.
            var isOurs = path.EndsWith("/chat/completions", StringComparison.Ordinal);
            Assert.True(response.StatusCode is not (HttpStatusCode.NotFound or HttpStatusCode.MethodNotAllowed), $"{path}: {text}");
            Assert.True(isOurs || response.Headers.Contains("X-HotModel-Model"), $"{path}: {text}");
        }
    }

    [Fact]
    public async Task Bodies_queries_and_errors_are_those_of_the_server()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        using var router = hotmodel.OpenRouter();
        foreach (var (path, body) in ((string, string)[])[
            ("tokenize", """{"model":"a","content":"byte for byte"}"""),
            ("detokenize", """{"tokens":[5,6,7],"model":"a"}"""),
            ("apply-template", """{"model":"a","messages":[{"role":"user","content":"hi"}]}"""),
            ("v1/embeddings", """{"model":"a","input":"x"}"""),
            ("v1/messages", """{"model":"a","max_tokens":4}"""),
            ("infill", """{"model":"a"}""")])
        {
            var direct = await router.PostTextAsync(path, body);
            var through = await hotmodel.Api.PostTextAsync(path, body.Replace("\"a\"", "\"active\"", StringComparison.Ordinal));
            Assert.Equal((direct.Status, direct.Text), (through.Status, through.Text));
            Assert.Equal("a", through.Model);
        }
        Assert.Equal(
            (await router.GetAsync("lora-adapters?model=a&autoload=false")).Text,
            (await hotmodel.Api.GetAsync("lora-adapters?model=active&autoload=true")).Text);
        Assert.Equal("a", (string?)(await hotmodel.StateAsync())["active_model"]);
    }

    [Fact]
    public async Task Form_with_a_file_reaches_the_server_whole()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        using var client = new HttpClient { BaseAddress = hotmodel.Api.Address };
        using var form = new MultipartFormDataContent { { new ByteArrayContent(new byte[300_000]), "file", "a.wav" } };

        using var response = await client.PostAsync("v1/audio/transcriptions", form);

        // The one that takes no sound says so, having read all of it.
        Assert.Equal(HttpStatusCode.NotImplemented, response.StatusCode);
        Assert.Contains("audio", await response.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData("completion", """{"prompt":"hello","n_predict":4,"stream":true,"temperature":0}""", "\"stop\":true")]
    [InlineData("v1/completions", """{"prompt":"hello","max_tokens":4,"stream":true,"temperature":0}""", "data: [DONE]\n\n")]
    [InlineData("v1/responses", """{"input":"hello","max_output_tokens":4,"stream":true}""", "event: response.completed\n")]
    [InlineData("v1/messages", """{"messages":[{"role":"user","content":"hello"}],"max_tokens":4,"stream":true}""", "event: message_stop\n")]
    public async Task Streams_of_every_api_come_whole(string path, string body, string end)
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());

        var reply = await hotmodel.Api.PostTextAsync(path, body);

        Assert.Equal((200, "a"), (reply.Status, reply.Model));
        Assert.Contains(end, reply.Text);
        Assert.EndsWith("\n\n", reply.Text);
        Assert.DoesNotContain("\"error\"", reply.Text);
        var requests = (await hotmodel.StateAsync())["requests"]!;
        Assert.Equal((1, 0), ((int)requests["streams"]!, (int)requests["cut_streams"]!));
    }

    [Fact]
    public async Task Preset_is_counted_and_sent_on_all_chat_like_routes()
    {
        var plain = new Setup();
        var preset = new Setup { Preset = "system_prompt = \"one two three four\"" };
        await using var without = await HotModelProcess.StartAsync(plain);
        await using var with = await HotModelProcess.StartAsync(preset);
        foreach (var (path, body) in ((string, string)[])[
            ("v1/chat/completions/input_tokens", Hello),
            ("v1/messages/count_tokens", Hello),
            ("v1/responses/input_tokens", """{"input":"hello"}""")])
        {
            var own = Merged(path, body);
            var expected = await without.Api.PostTextAsync(path, own);
            var counted = await with.Api.PostTextAsync(path, body);
            Assert.Equal(200, counted.Status);
            Assert.Equal(expected.Text, counted.Text);
            Assert.NotEqual((await without.Api.PostTextAsync(path, body)).Text, counted.Text);
        }
    }

    [Fact]
    public async Task Switch_waits_for_a_completion_and_the_refused_routes_change_nothing()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(
            new Setup { ActiveModel = "slow" }.Tiny("slow").Tiny("b"));
        using var client = new HttpClient { BaseAddress = hotmodel.Api.Address };
        using var request = new HttpRequestMessage(HttpMethod.Post, "completion");
        request.Content = new StringContent(
            """{"prompt":"hello","n_predict":200,"ignore_eos":true,"stream":true}""", MediaTypeHeaderValue.Parse("application/json"));
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        foreach (var (method, path) in ((string, string)[])[
            ("POST", "models/unload"), ("POST", "models/load"), ("DELETE", "models?model=slow"), ("GET", "v1/stream?conv_id=x")])
        {
            using var refused = new HttpRequestMessage(new HttpMethod(method), path);
            using var answer = await client.SendAsync(refused);
            Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
            Assert.Contains("POST /admin/switch", await answer.Content.ReadAsStringAsync());
        }

        var switching = hotmodel.Api.SwitchAsync("b");
        var text = await response.Content.ReadAsStringAsync();

        Assert.Contains("\"stop\":true", text);
        Assert.Contains("\"tokens_predicted\":200", text);
        Assert.Equal(200, (await switching).Status);
        Assert.Equal("b", (await hotmodel.Api.PostTextAsync("tokenize", """{"content":"x"}""")).Model);
    }

    private static string Merged(string path, string body)
    {
        var merged = JsonNode.Parse(body)!.AsObject();
        const string text = "one two three four";
        if (path.StartsWith("v1/chat", StringComparison.Ordinal))
            merged["messages"]!.AsArray().Insert(0, new JsonObject { ["role"] = "system", ["content"] = text });
        else
            merged[path.StartsWith("v1/messages", StringComparison.Ordinal) ? "system" : "instructions"] = text;
        return merged.ToJsonString();
    }

    private static List<(string Method, string Path)> DocumentedRoutes()
    {
        var routes = new List<(string, string)>();
        foreach (var line in File.ReadLines(Path.Combine(Programs.RepositoryRoot, "docs", "routes.md")))
        {
            if (Row().Match(line) is not { Success: true } row)
                continue;
            routes.Add((row.Groups["method"].Value, row.Groups["path"].Value));
            routes.AddRange(row.Groups["alias"].Captures.Select(alias => (row.Groups["method"].Value, alias.Value)));
        }
        return routes;
    }

    [GeneratedRegex("^\\| `(?<method>GET|POST) (?<path>[^`]*)` \\| (`(?<alias>[^`]*)`(, )?)* ?\\| (body|form|query) \\|")]
    private static partial Regex Row();
}
