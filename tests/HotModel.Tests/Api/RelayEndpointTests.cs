using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using HotModel.Api;
using HotModel.Configuration;
using HotModel.Scheduling;
using HotModel.Switching;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

// The timeout is there to name a test that hangs; ending it early gains nothing.
#pragma warning disable xUnit1069

namespace HotModel.Tests.Api;

public class RelayEndpointTests
{
    // A hang must have a name.
    private const int TimeoutMs = 60_000;

    private static readonly PresetConfig Preset = new() { SystemPrompt = "P", ClientSystem = ClientSystem.Merge };

    private const string First = "data: {}\n\n";

    private static StringContent Json(string body) => new(body, Encoding.UTF8, "application/json");

    private static RequestDelegate Body(string body, int status = 200, string type = "application/json") => context =>
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = type;
        context.Response.ContentLength = Encoding.UTF8.GetByteCount(body);
        return context.Response.WriteAsync(body);
    };

    private static RequestDelegate Events(params string[] events) => async context =>
    {
        context.Response.ContentType = "text/event-stream";
        foreach (string text in events)
        {
            await context.Response.WriteAsync(text);
            await context.Response.Body.FlushAsync();
        }
    };

    public static TheoryData<string, string> Paths()
    {
        var paths = new TheoryData<string, string>();
        foreach (RelayedRoute route in RelayedRoutes.All.Where(route => !route.HasSession))
        {
            foreach (string path in route.Paths)
                paths.Add(route.Method, path);
        }
        return paths;
    }

    [Theory(Timeout = TimeoutMs)]
    [MemberData(nameof(Paths))]
    public async Task Every_route_goes_to_its_own_path_with_our_model_and_comes_back_as_it_is(string method, string path)
    {
        const string answer = "{ \"as\" : \"it is\" }\n";
        path = path.Replace("{id}", "3", StringComparison.Ordinal);
        await using ChatHost host = await ChatHost.StartAsync(Body(answer, 201, "application/json; charset=utf-8"));
        HttpContent? content = method != "POST" ? null
            : path.EndsWith("transcriptions", StringComparison.Ordinal)
                ? new MultipartFormDataContent("B") { { new StringContent("active"), "model" } }
                : Json("""{"model":"active","x":1}""");

        using HttpResponseMessage response = await host.SendAsync(
            new HttpMethod(method), path + "?k=v&autoload=true", content,
            headers: [("X-Conversation-Id", "c"), ("Authorization", "Bearer client"), ("Cookie", "a=b"), ("Accept", "*/*")]);

        Assert.Equal((201, answer), ((int)response.StatusCode, await response.Content.ReadAsStringAsync()));
        Assert.Equal("application/json; charset=utf-8", response.Content.Headers.ContentType!.ToString());
        Assert.Equal(answer.Length, response.Content.Headers.ContentLength);
        Assert.Equal("alpha", response.Headers.GetValues("X-HotModel-Model").Single());
        Assert.False(response.Headers.Contains("X-HotModel-Session"));
        string query = method == "GET" ? "?k=v&model=upstream-id&autoload=false" : "?k=v&autoload=false";
        Assert.Equal($"{method} {path}{query}", host.ForwardedTargets.Single());
        if (method == "POST")
            Assert.Contains("upstream-id", host.Forwarded.Single());
        string[] known = method == "POST" ? ["Content-Length", "Content-Type"] : [];
        Assert.Equal(
            ["Accept", "Authorization", .. known, "Host"], host.ForwardedHeaders.Keys.Order(StringComparer.Ordinal));
        Assert.Equal("Bearer our-key", host.ForwardedHeaders["Authorization"]);
        await host.LeaseReturnedAsync();
        Assert.Equal(1, host.Metrics.Requests);
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Only_an_answer_of_the_model_itself_shows_that_it_works()
    {
        await using ChatHost host = await ChatHost.StartAsync(Body("{}"));

        (await host.SendAsync(HttpMethod.Get, "/metrics")).Dispose();
        Assert.False(host.Answered);
        (await host.SendAsync(HttpMethod.Post, "/v1/embeddings", Json("{}"))).Dispose();
        Assert.True(host.Answered);
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Head_is_answered_where_get_is()
    {
        await using ChatHost host = await ChatHost.StartAsync(context =>
        {
            context.Response.ContentLength = 17;
            return Task.CompletedTask;
        });

        using HttpResponseMessage response = await host.SendAsync(HttpMethod.Head, "/props");

        Assert.Equal((HttpStatusCode.OK, 17), (response.StatusCode, response.Content.Headers.ContentLength));
        Assert.Equal("HEAD /props?model=upstream-id&autoload=false", host.ForwardedTargets.Single());
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData("[1,2]")]
    [InlineData("{\"content\":\"a\u00ff\"")]
    [InlineData("nonsense")]
    public async Task Body_that_is_no_object_goes_on_as_it_is(string body)
    {
        byte[] bytes = Encoding.Latin1.GetBytes(body);
        await using ChatHost host = await ChatHost.StartAsync(Body("{}"));
        using var content = new ByteArrayContent(bytes);
        content.Headers.ContentType = MediaTypeHeaderValue.Parse("application/json; charset=x");

        (await host.SendAsync(HttpMethod.Post, "/v1/messages", content)).Dispose();

        Assert.Equal(bytes, host.ForwardedBytes.Single());
        Assert.Equal("application/json; charset=x", host.ForwardedHeaders["Content-Type"]);
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task No_body_goes_on_as_none_with_its_query()
    {
        await using ChatHost host = await ChatHost.StartAsync(Body("{}"));

        using HttpResponseMessage response = await host.SendAsync(HttpMethod.Post, "/tokenize?a=7%20x");

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("POST /tokenize?a=7%20x&autoload=false", host.ForwardedTargets.Single());
        Assert.Equal("0", host.ForwardedHeaders["Content-Length"]);
        Assert.False(host.ForwardedHeaders.ContainsKey("Content-Type"));
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData("/v1/responses", """{"input":"x"}""", """{"model":"upstream-id","instructions":"P","input":"x"}""")]
    [InlineData("/responses/input_tokens", """{"instructions":"C"}""", """{"model":"upstream-id","instructions":"P\n\nC"}""")]
    [InlineData("/v1/messages", """{"system":"C"}""", """{"model":"upstream-id","system":"P\n\nC"}""")]
    [InlineData("/v1/messages/count_tokens", """{}""", """{"model":"upstream-id","system":"P"}""")]
    [InlineData("/v1/chat/completions/input_tokens", """{"messages":[]}""", """{"model":"upstream-id","messages":[{"role":"system","content":"P"}]}""")]
    [InlineData("/completion", """{"prompt":"x"}""", """{"model":"upstream-id","prompt":"x"}""")]
    [InlineData("/apply-template", """{"messages":[]}""", """{"model":"upstream-id","messages":[]}""")]
    public async Task Preset_goes_where_the_api_has_its_instructions(string path, string body, string expected)
    {
        await using ChatHost host = await ChatHost.StartAsync(Body("{}"), preset: Preset);

        (await host.SendAsync(HttpMethod.Post, path, Json(body))).Dispose();

        Assert.Equal(expected, host.Forwarded.Single());
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Form_gets_our_model_and_keeps_its_boundary()
    {
        await using ChatHost host = await ChatHost.StartAsync(Body("{}"));
        using var form = new MultipartFormDataContent("x y")
        {
            { new ByteArrayContent([0, 255, 13, 10]), "file", "a.wav" },
            { new StringContent("active"), "model" },
        };
        string sent = Encoding.Latin1.GetString(await form.ReadAsByteArrayAsync());

        (await host.SendAsync(HttpMethod.Post, "/v1/audio/transcriptions", form)).Dispose();

        Assert.Equal(
            sent.Replace("active", "upstream-id", StringComparison.Ordinal),
            Encoding.Latin1.GetString(host.ForwardedBytes.Single()));
        Assert.Equal("multipart/form-data; boundary=\"x y\"", host.ForwardedHeaders["Content-Type"]);
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData("/completion", "data: {\"stop\":false}\n\n: ping\n\ndata: {\"stop\":true}\n\n", true)]
    [InlineData("/v1/completions", "data: {}\n\ndata: [DONE]\n\n", true)]
    [InlineData("/v1/messages", "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", true)]
    [InlineData("/v1/messages", "event: error\ndata: {\"type\":\"error\"}\n\n", false)]
    [InlineData("/completion", "data: {\"error\":{\"code\":500}}\n\n", false)]
    public async Task Stream_passes_byte_for_byte_and_its_orderly_end_makes_it_whole(string path, string events, bool isWhole)
    {
        await using ChatHost host = await ChatHost.StartAsync(Events(events));

        using HttpResponseMessage response = await host.SendAsync(HttpMethod.Post, path, Json("""{"stream":true}"""));

        Assert.Equal(events, await response.Content.ReadAsStringAsync());
        await host.LeaseReturnedAsync();
        Assert.Equal((1, isWhole ? 0 : 1, isWhole), (host.Metrics.Streams, host.Metrics.CutStreams, host.Answered));
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData("/completion", "data: {\"error\":{\"message\":\"*\",\"type\":\"upstream_error\",\"code\":\"upstream_cut\"}}\n\n")]
    [InlineData("/v1/messages", "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"*\"}}\n\n")]
    [InlineData("/v1/responses", "event: error\ndata: {\"type\":\"error\",\"code\":\"upstream_cut\",\"message\":\"*\",\"param\":null}\n\n")]
    public async Task Stream_broken_off_ends_with_an_error_of_its_own_api(string path, string error)
    {
        foreach (string garbage in (string[])["proxy error: Failed to read connection", "data: {\"half", ""])
        {
            var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await using ChatHost host = await ChatHost.StartAsync(async context =>
            {
                await Events(First, garbage)(context);
                await seen.Task;
                if (garbage.Length == 0)
                    context.Abort();
            });

            using HttpResponseMessage response = await host.SendAsync(HttpMethod.Post, path, Json("{}"));
            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
            var first = new char[First.Length];
            await reader.ReadBlockAsync(first);
            seen.SetResult();
            string text = new string(first) + await ErrorEvent.ReadToAsync(reader);

            string[] around = error.Split('*');
            Assert.StartsWith(First + around[0], text);
            Assert.EndsWith(around[1], text);
            Assert.DoesNotContain("proxy error", text);
            Assert.DoesNotContain("stored", text);
            await host.LeaseReturnedAsync();
            Assert.Equal((1, false), (host.Metrics.CutStreams, host.Answered));
        }
    }

    /// <summary>For clients that do not know the event.</summary>
    [Fact(Timeout = TimeoutMs)]
    public async Task Stream_broken_off_is_no_whole_body()
    {
        var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using ChatHost host = await ChatHost.StartAsync(async context =>
        {
            await Events(First)(context);
            await seen.Task;
            context.Abort();
        });

        using HttpResponseMessage response = await host.SendAsync(HttpMethod.Post, "/completion", Json("{}"));
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        Assert.NotNull(await reader.ReadLineAsync());
        seen.SetResult();

        Assert.EndsWith("\"upstream_cut\"}}\n\n", await ErrorEvent.ReadToAsync(reader));
        await Assert.ThrowsAsync<HttpIOException>(reader.ReadLineAsync);
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData(500, "proxy error: Could not establish connection")]
    [InlineData(400, """{"error":{"code":400,"message":"model is not loaded"}}""")]
    [InlineData(503, """{"error":{"code":503,"message":"Loading model"}}""")]
    [InlineData(200, null)]
    public async Task Request_whose_model_is_lost_before_it_answers_is_sent_once_more(int status, string? answer)
    {
        int asked = 0;
        ChatHost? host = null;
        await using ChatHost started = host = await ChatHost.StartAsync(async context =>
        {
            if (++asked > 1)
            {
                await Body("{\"n\":2}")(context);
                return;
            }
            host!.LoseModel();
            if (answer is null)
                context.Abort();
            else
                await Body(answer, status, "text/plain")(context);
        });

        using HttpResponseMessage response = await host.SendAsync(HttpMethod.Post, "/v1/embeddings", Json("{\"a\":1}"));

        Assert.Equal("{\"n\":2}", await response.Content.ReadAsStringAsync());
        Assert.Equal(["""{"model":"upstream-id","a":1}""", """{"model":"upstream-id","a":1}"""], host.Forwarded);
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Long_body_arrives_as_it_comes_and_broken_off_it_is_no_proper_answer()
    {
        using var go = new SemaphoreSlim(0);
        var chunk = new string('x', 100_000);
        await using ChatHost host = await ChatHost.StartAsync(async context =>
        {
            context.Response.ContentLength = 3 * chunk.Length;
            await context.Response.WriteAsync(chunk);
            await go.WaitAsync();
            await context.Response.WriteAsync(chunk);
            if (context.Request.Path == "/slots")
                await context.Response.WriteAsync(chunk);
            else
                context.Abort();
        });

        foreach (string path in (string[])["/slots", "/props"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            using HttpResponseMessage response = await host.Client.SendAsync(
                request, HttpCompletionOption.ResponseHeadersRead);
            Assert.Equal(3 * chunk.Length, response.Content.Headers.ContentLength);
            Stream body = await response.Content.ReadAsStreamAsync();
            await body.ReadExactlyAsync(new byte[chunk.Length]);
            go.Release();
            if (path == "/slots")
                await body.ReadExactlyAsync(new byte[2 * chunk.Length]);
            else
                await Assert.ThrowsAnyAsync<IOException>(() => body.CopyToAsync(Stream.Null));
        }
        Assert.Equal(1, host.Metrics.CutStreams);
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Client_that_does_not_read_the_end_of_a_long_body_does_not_keep_the_lease()
    {
        string big = new('x', 32 << 20);
        await using ChatHost host = await ChatHost.StartAsync(Body(big + "end"));
        StuckStream? stuck = null;
        host.WrapFirstBody = body => new StreamResponseBodyFeature(stuck = new(body.Stream, "end"u8.ToArray()), body);

        using HttpResponseMessage response = await host.SendAsync(HttpMethod.Post, "/v1/embeddings", Json("{}"));
        Task<string> text = response.Content.ReadAsStringAsync();
        await stuck!.Stuck;
        await host.LeaseReturnedAsync();
        Assert.True(host.Answered);
        host.AbortLease();
        stuck.Release();

        Assert.Equal(big.Length + 3, (await text).Length);
        Assert.Equal(0, host.Metrics.CutStreams);
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Errors_of_the_upstream_pass_with_retry_after()
    {
        await using ChatHost host = await ChatHost.StartAsync(context =>
        {
            context.Response.Headers.RetryAfter = "7";
            return Body("""{"error":{"code":503,"message":"busy"}}""", 503)(context);
        });

        using HttpResponseMessage response = await host.SendAsync(HttpMethod.Post, "/v1/rerank", Json("{}"));

        Assert.Equal("""{"error":{"code":503,"message":"busy"}}""", await response.Content.ReadAsStringAsync());
        Assert.Equal((503, "7"), ((int)response.StatusCode, response.Headers.RetryAfter!.ToString()));
        Assert.Single(host.Forwarded);
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData("/v1/messages", """{"type":"error","error":{"message":"why","type":"overloaded_error","param":null,"code":"switching"}}""")]
    [InlineData("/v1/completions", """{"error":{"message":"why","type":"unavailable_error","param":null,"code":"switching"}}""")]
    public async Task Refusal_has_the_shape_of_the_api(string path, string body)
    {
        await using ChatHost host = await ChatHost.StartAsync(Body("{}"));
        host.Refusal = new Refusal(RefusalKind.Switching, "why", TimeSpan.FromSeconds(2));

        using HttpResponseMessage response = await host.SendAsync(HttpMethod.Post, path, Json("{}"));

        Assert.Equal((503, body), ((int)response.StatusCode, await response.Content.ReadAsStringAsync()));
        Assert.Equal("2", response.Headers.RetryAfter!.ToString());
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Requests_that_a_web_page_can_send_are_refused()
    {
        await using ChatHost host = await ChatHost.StartAsync(Body("{}"));

        await AssertErrorAsync(415, "unsupported_media_type", "/completion", new StringContent("{}", Encoding.UTF8, "text/plain"));
        await AssertErrorAsync(415, "unsupported_media_type", "/completion", new FormUrlEncodedContent([new("a", "b")]));
        await AssertErrorAsync(415, "unsupported_media_type", "/completion", new ByteArrayContent([1]));
        await AssertErrorAsync(415, "unsupported_media_type", "/v1/audio/transcriptions", Json("{}"));
        await AssertErrorAsync(403, "foreign_origin", "/v1/audio/transcriptions", new MultipartFormDataContent(), "http://evil.example");
        await AssertErrorAsync(403, "foreign_origin", "/tokenize", null, "http://evil.example");
        Assert.Empty(host.Forwarded);

        async Task AssertErrorAsync(int status, string code, string path, HttpContent? content, string? origin = null)
        {
            using HttpResponseMessage response = await host.SendAsync(
                HttpMethod.Post, path, content, headers: origin is null ? [] : [("Origin", origin)]);
            JsonNode error = JsonNode.Parse(await response.Content.ReadAsStringAsync())!["error"]!;
            Assert.Equal((status, code), ((int)response.StatusCode, (string?)error["code"]));
        }
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData("GET", "/slots")]
    [InlineData("GET", "/props")]
    [InlineData("HEAD", "/metrics")]
    [InlineData("GET", "/lora-adapters")]
    public async Task What_tells_of_the_server_is_refused_under_a_name_that_may_be_rebound(string method, string path)
    {
        await using ChatHost host = await ChatHost.StartAsync(Body("{}"));
        foreach ((string name, int status) in ((string, int)[])[("evil.example", 403), ("localhost", 200), ("127.0.0.1", 200)])
        {
            using HttpResponseMessage response = await host.SendAsync(
                new HttpMethod(method), path, headers: [("Host", $"{name}:{host.Client.BaseAddress!.Port}")]);
            Assert.Equal(status, (int)response.StatusCode);
            if (status == 403 && method == "GET")
                Assert.Contains("foreign_host", await response.Content.ReadAsStringAsync());
        }
        Assert.Equal(2, host.ForwardedTargets.Count);
    }

    /// <summary>Beyond what HTTP allows, but the web server lets them pass.</summary>
    [Fact(Timeout = TimeoutMs)]
    public async Task Control_characters_of_a_query_go_on_escaped()
    {
        await using ChatHost host = await ChatHost.StartAsync(Body("{}"));
        Uri address = host.Client.BaseAddress!;
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(address.Host, address.Port);
        await client.SendAsync(Encoding.Latin1.GetBytes(
            $"GET /slots?x=\u007f\u0001 HTTP/1.1\r\nHost: {address.Authority}\r\nConnection: close\r\n\r\n"));

        using var reader = new StreamReader(new NetworkStream(client));
        Assert.StartsWith("HTTP/1.1 200 OK", await reader.ReadToEndAsync(), StringComparison.Ordinal);

        Assert.Equal("GET /slots?x=%7F%01&model=upstream-id&autoload=false", host.ForwardedTargets.Single());
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData("/v1/messages", true)]
    [InlineData("/V1/messages/count_tokens/", true)]
    [InlineData("/v1/completions", false)]
    public async Task Wrong_method_has_the_shape_of_the_api(string path, bool isAnthropic)
    {
        await using ChatHost host = await ChatHost.StartAsync(Body("{}"));

        using HttpResponseMessage response = await host.SendAsync(HttpMethod.Get, path);

        JsonNode body = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        Assert.Equal((405, isAnthropic ? "error" : null), ((int)response.StatusCode, (string?)body["type"]));
        Assert.Equal("wrong_method", (string?)body["error"]!["code"]);
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Mistake_of_our_own_is_told_as_json()
    {
        await using ChatHost host = await ChatHost.StartAsync(Body("{}"));
        host.OnEntering = _ => throw new InvalidOperationException("secret");

        using HttpResponseMessage response = await host.SendAsync(HttpMethod.Post, "/v1/messages", Json("{}"));

        string text = await response.Content.ReadAsStringAsync();
        JsonNode error = JsonNode.Parse(text)!["error"]!;
        Assert.Equal((500, "api_error", "internal_error"), ((int)response.StatusCode, (string?)error["type"], (string?)error["code"]));
        Assert.DoesNotContain("secret", text);
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData("POST", "/models/load")]
    [InlineData("POST", "/models/unload")]
    [InlineData("POST", "/models")]
    [InlineData("DELETE", "/models?model=x")]
    [InlineData("DELETE", "/models/some/repository:Q4")]
    [InlineData("POST", "/v1/models")]
    [InlineData("POST", "/v1/models/load")]
    [InlineData("POST", "/v1/models/unload")]
    [InlineData("DELETE", "/v1/models")]
    [InlineData("DELETE", "/v1/models/x")]
    [InlineData("GET", "/models/sse")]
    [InlineData("GET", "/v1/models/sse")]
    [InlineData("GET", "/v1/stream?conv_id=x")]
    [InlineData("DELETE", "/v1/stream/x/y")]
    [InlineData("POST", "/v1/streams/lookup")]
    public async Task What_would_change_the_model_is_refused_and_says_how_to(string method, string path)
    {
        await using ChatHost host = await ChatHost.StartAsync(Body("{}"));

        using HttpResponseMessage response = await host.SendAsync(new HttpMethod(method), path);

        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        Assert.Contains("POST /admin/switch", await response.Content.ReadAsStringAsync());
        Assert.Empty(host.ForwardedTargets);
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData("save")]
    [InlineData("restore")]
    [InlineData("erase")]
    public async Task What_would_change_a_slot_is_refused_and_says_why(string action)
    {
        await using ChatHost host = await ChatHost.StartAsync(Body("{}"));

        using HttpResponseMessage response = await host.SendAsync(
            HttpMethod.Post, $"/slots/0?action={action}", Json("""{"filename":"a"}"""));

        string text = await response.Content.ReadAsStringAsync();
        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        Assert.Contains("route_refused", text);
        Assert.Contains("GET /slots shows them", text);
        Assert.Empty(host.ForwardedTargets);
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData("GET", "/tools", 404)]
    [InlineData("POST", "/cors-proxy", 404)]
    [InlineData("GET", "/", 404)]
    [InlineData("GET", "/v1/completions", 405)]
    public async Task Other_routes_stay_unknown(string method, string path, int status)
    {
        await using ChatHost host = await ChatHost.StartAsync(Body("{}"));
        using HttpResponseMessage response = await host.SendAsync(new HttpMethod(method), path);
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Empty(host.ForwardedTargets);
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData("POST", "/v1/v1/chat/completions", "ends with /v1")]
    [InlineData("POST", "/v1/v1/messages", "Anthropic's does not")]
    [InlineData("POST", "/api/chat", "Ollama's /api is not served")]
    [InlineData("GET", "/admin/sates", "/admin there are state, ")]
    public async Task Unknown_route_says_what_to_do_next(string method, string path, string next)
    {
        await using ChatHost host = await ChatHost.StartAsync(Body("{}"));

        using HttpResponseMessage response = await host.SendAsync(new HttpMethod(method), path, method == "POST" ? Json("{}") : null);

        JsonNode error = JsonNode.Parse(await response.Content.ReadAsStringAsync())!["error"]!;
        Assert.Equal((404, "unknown_route"), ((int)response.StatusCode, (string?)error["code"]));
        Assert.StartsWith($"There is no {method} {path}. ", (string?)error["message"]);
        Assert.Contains(next, (string?)error["message"]);
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Body_that_is_too_large_is_told_the_limit_in_its_unit()
    {
        await using ChatHost host = await ChatHost.StartAsync(Body("{}"), maxBodyBytes: 2 << 20);

        using HttpResponseMessage response = await host.SendAsync(
            HttpMethod.Post, "/completion", Json(new string(' ', (2 << 20) + 1)));

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        Assert.Contains("longer than 2 MiB (server.max_body_mb)", await response.Content.ReadAsStringAsync());
    }
}
