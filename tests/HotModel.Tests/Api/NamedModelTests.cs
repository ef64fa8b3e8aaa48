using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using HotModel.Api;
using HotModel.Proxy;
using HotModel.Scheduling;
using HotModel.Switching;
using Microsoft.AspNetCore.Http;

namespace HotModel.Tests.Api;

/// <summary>From the model that a request names, in whatever place its route has for that, to what is asked of the gate.</summary>
public class NamedModelTests
{
    private const int TimeoutMs = 60_000;

    /// <summary>By method and path: each route of the table, under each of its paths.</summary>
    public static TheoryData<string, string> Routes
    {
        get
        {
            var routes = new TheoryData<string, string>();
            foreach (RelayedRoute route in RelayedRoutes.All)
            {
                foreach (string path in route.Paths)
                    routes.Add(route.Method, path);
            }
            return routes;
        }
    }

    [Theory(Timeout = TimeoutMs)]
    [MemberData(nameof(Routes))]
    public async Task Route_asks_for_the_model_that_an_alias_means(string method, string path)
    {
        await using ChatHost host = await ChatHost.StartAsync(Answer);

        using HttpResponseMessage response = await SendAsync(host, method, path, "gpt-4o");

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        bool isControl = path.EndsWith("/control", StringComparison.Ordinal);
        RequestIntent intent = method == "GET" || isControl ? RequestIntent.Look : RequestIntent.Normal;
        Assert.Equal(new RequestAsk { Model = "beta", Intent = intent, JoinsAnswer = isControl }, host.Asks.Single());
        string sent = host.ForwardedTargets.Single() + host.Forwarded.Single();
        Assert.Contains("upstream-id", sent);
        Assert.DoesNotContain("gpt-4o", sent);
    }

    [Theory(Timeout = TimeoutMs)]
    [MemberData(nameof(Routes))]
    public async Task Route_asks_for_whatever_is_active_where_no_model_is_named(string method, string path)
    {
        foreach (string? name in (string?[])["active", "", null])
        {
            await using ChatHost host = await ChatHost.StartAsync(Answer);

            using HttpResponseMessage response = await SendAsync(host, method, path, name);

            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            Assert.Null(host.Asks.Single().Model);
        }
    }

    [Theory(Timeout = TimeoutMs)]
    [MemberData(nameof(Routes))]
    public async Task Route_tells_of_an_unknown_model_in_the_shape_of_its_api(string method, string path)
    {
        await using ChatHost host = await ChatHost.StartAsync(Answer);

        using HttpResponseMessage response = await SendAsync(host, method, path, "betta");

        JsonNode body = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        Assert.Equal((HttpStatusCode.NotFound, "model_not_found"), (response.StatusCode, (string?)body["error"]!["code"]));
        Assert.Equal("not_found_error", (string?)body["error"]!["type"]);
        Assert.Equal(path.StartsWith("/v1/messages", StringComparison.Ordinal) ? "error" : null, (string?)body["type"]);
        Assert.Equal(
            "There is no model \"betta\" (did you mean \"beta\"?). Configured are: alpha, beta. \"active\" is the one that "
            + "answers now.", (string?)body["error"]!["message"]);
        Assert.Empty(host.Asks);
        Assert.Empty(host.ForwardedTargets);
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData("?model=alpha&model=beta", "beta")]
    [InlineData("?x&mod%65l=bet%61", "beta")]
    [InlineData("?model=&autoload=true", null)]
    [InlineData("?Model=no-such", null)]
    [InlineData("?remodel=no-such", null)]
    public async Task Query_is_read_as_llama_server_reads_it(string query, string? expected)
    {
        await using ChatHost host = await ChatHost.StartAsync(Answer);

        (await host.SendAsync(HttpMethod.Get, "/props" + query)).Dispose();

        Assert.Equal(new RequestAsk { Model = expected, Intent = RequestIntent.Look }, host.Asks.Single());
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData("""{"model":"alpha","model":"beta"}""", "beta")]
    [InlineData("""{"mod\u0065l":"bet\u0061"}""", "beta")]
    [InlineData("""{"model":null}""", null)]
    [InlineData("""{"model":{"model":"no-such"}}""", null)]
    [InlineData("""{"model":7}""", null)]
    [InlineData("""{"a":{"model":"no-such"}}""", null)]
    [InlineData("""{"model":"no-such",}""", null)]
    [InlineData("""["no-such"]""", null)]
    public async Task Body_is_read_as_llama_server_reads_it(string body, string? expected)
    {
        await using ChatHost host = await ChatHost.StartAsync(Answer);

        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        (await host.SendAsync(HttpMethod.Post, "/tokenize", content)).Dispose();

        Assert.Equal(new RequestAsk { Model = expected }, host.Asks.Single());
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData("/v1/chat/completions")]
    [InlineData("/v1/messages")]
    [InlineData("/slots")]
    public async Task Headers_say_how_long_a_request_waits_and_whether_others_come_first(string path)
    {
        await using ChatHost host = await ChatHost.StartAsync(Answer);
        string method = path == "/slots" ? "GET" : "POST";

        (await SendAsync(host, method, path, "beta", ("Prefer", "wait=7"), ("X-HotModel-Intent", "background"))).Dispose();
        using HttpResponseMessage wrong = await SendAsync(host, method, path, "beta", ("X-HotModel-Intent", "urgent"));

        RequestAsk ask = host.Asks.Single();
        RequestIntent intent = method == "GET" ? RequestIntent.Look : RequestIntent.Background;
        Assert.Equal((TimeSpan.FromSeconds(7), intent), (ask.Patience, ask.Intent));
        JsonNode body = JsonNode.Parse(await wrong.Content.ReadAsStringAsync())!;
        Assert.Equal((400, "invalid_intent"), ((int)wrong.StatusCode, (string?)body["error"]!["code"]));
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Chat_with_an_unknown_model_leaves_no_session()
    {
        await using ChatHost host = await ChatHost.StartAsync(Answer);

        using HttpResponseMessage response = await SendAsync(
            host, "POST", "/v1/chat/completions", "no-such", ("X-HotModel-Session", "s"));

        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        Assert.Null(host.Store.Find("s"));
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Own_bound_on_waiting_covers_the_turn_of_the_session_too()
    {
        var running = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var end = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using ChatHost host = await ChatHost.StartAsync(async context =>
        {
            running.SetResult();
            await end.Task;
            await Answer(context);
        });

        Task<HttpResponseMessage> first = SendAsync(
            host, "POST", "/v1/chat/completions", "beta", ("X-HotModel-Session", "s"));
        await running.Task;
        using HttpResponseMessage second = await SendAsync(
            host, "POST", "/v1/chat/completions", "beta", ("X-HotModel-Session", "s"), ("Prefer", "wait=0"));
        end.SetResult();
        (await first).Dispose();

        string text = await second.Content.ReadAsStringAsync();
        Assert.Equal(HttpStatusCode.Conflict, second.StatusCode);
        Assert.Contains("\"code\":\"session_busy\"", text);
        Assert.Contains("(the request's Prefer: wait)", text);
        Assert.Single(host.Asks);
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData(RefusalKind.OtherModel, 409, "invalid_request_error", "other_model_active", null)]
    [InlineData(RefusalKind.Pinned, 409, "invalid_request_error", "model_pinned", null)]
    [InlineData(RefusalKind.Background, 503, "overloaded_error", "background_refused", "4")]
    [InlineData(RefusalKind.ModelQueueFull, 503, "overloaded_error", "queue_full", "4")]
    internal async Task Refusal_says_whether_trying_again_may_help(
        RefusalKind kind, int status, string type, string code, string? retryAfter)
    {
        await using ChatHost host = await ChatHost.StartAsync(Answer);
        host.Refusal = new Refusal(kind, "why", TimeSpan.FromSeconds(4));

        using HttpResponseMessage response = await SendAsync(host, "POST", "/v1/messages", "beta");

        JsonNode error = JsonNode.Parse(await response.Content.ReadAsStringAsync())!["error"]!;
        Assert.Equal((status, type, code), ((int)response.StatusCode, (string?)error["type"], (string?)error["code"]));
        Assert.Equal(retryAfter, response.Headers.RetryAfter?.ToString());
    }

    private static Task Answer(HttpContext context)
    {
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync("""{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello"}}]}""");
    }

    /// <summary>The smallest request of the route that passes; a null name is one without a model.</summary>
    private static async Task<HttpResponseMessage> SendAsync(
        ChatHost host, string method, string path, string? name, params (string Name, string Value)[] headers)
    {
        if (method == "GET")
            return await host.SendAsync(HttpMethod.Get, name is null ? path : $"{path}?model={name}", headers: headers);
        if (RelayedRoutes.At(path)!.Model == ModelPlace.FormField)
        {
            using var form = new MultipartFormDataContent { { new ByteArrayContent([1]), "file", "a.wav" } };
            if (name is not null)
                form.Add(new StringContent(name), "model");
            return await host.SendAsync(HttpMethod.Post, path, form, headers: headers);
        }
        string model = name is null ? "" : $"\"model\":\"{name}\",";
        string body = $$"""{{{model}}"messages":[{"role":"user","content":"hi"}]}""";
        using var json = new StringContent(body, Encoding.UTF8, "application/json");
        return await host.SendAsync(HttpMethod.Post, path, json, headers: headers);
    }
}
