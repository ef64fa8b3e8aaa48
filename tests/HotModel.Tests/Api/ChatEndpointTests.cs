using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using HotModel.Configuration;
using HotModel.Scheduling;
using HotModel.Switching;
using Microsoft.AspNetCore.Http;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Time.Testing;

// The timeout is there to name a test that hangs; ending it early gains nothing.
#pragma warning disable xUnit1069

namespace HotModel.Tests.Api;

public class ChatEndpointTests
{
    private const string Hello = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"}}]}\n\n";
    private const string Finish = "data: {\"choices\":[{\"finish_reason\":\"stop\",\"index\":0,\"delta\":{}}]}\n\n";
    private const string Done = "data: [DONE]\n\n";
    private const string StreamBody = """{"model":"active","stream":true,"messages":[{"role":"user","content":"hi"}],"session_id":"s"}""";
    private const string JsonBody = """{"messages":[{"role":"user","content":"hi"}],"session_id":"s","top_k":3}""";
    private const string JsonAnswer =
        """{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello"}}],"id":"x"} """;

    // A hang must have a name.
    private const int TimeoutMs = 60_000;

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static RequestDelegate Events(params string[] events) => async context =>
    {
        context.Response.ContentType = "text/event-stream";
        foreach (string text in events)
        {
            await context.Response.WriteAsync(text);
            await context.Response.Body.FlushAsync();
        }
    };

    private static RequestDelegate Body(string body, int status = 200, string type = "application/json") => context =>
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = type;
        return context.Response.WriteAsync(body);
    };

    private static async Task AssertErrorAsync(HttpResponseMessage response, int status, string code)
    {
        Assert.Equal(status, (int)response.StatusCode);
        JsonNode error = JsonNode.Parse(await response.Content.ReadAsStringAsync())!["error"]!;
        Assert.Equal(code, (string?)error["code"]);
        Assert.False(string.IsNullOrEmpty((string?)error["message"]));
    }

    private static async Task FirstEventAsync(HttpResponseMessage response)
    {
        var bytes = new byte[Hello.Length];
        await (await response.Content.ReadAsStreamAsync()).ReadExactlyAsync(bytes);
        Assert.Equal(Hello, Encoding.UTF8.GetString(bytes));
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Stream_passes_byte_for_byte_and_is_stored_with_its_question()
    {
        await using ChatHost host = await ChatHost.StartAsync(Events(": ping\n\n", Hello, Finish, Done));

        using HttpResponseMessage response = await host.PostAsync(StreamBody);

        Assert.Equal(": ping\n\n" + Hello + Finish + Done, await response.Content.ReadAsStringAsync());
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.ToString());
        Assert.Equal("s", response.Headers.GetValues("X-HotModel-Session").Single());
        Assert.Equal("alpha", response.Headers.GetValues("X-HotModel-Model").Single());
        Assert.Equal("no-cache", response.Headers.GetValues("Cache-Control").Single());
        Assert.Equal(
            ["""{"role":"user","content":"hi"}""", """{"role":"assistant","content":"Hello"}"""], host.Stored("s"));
        await host.LeaseReturnedAsync();
        Assert.Equal((1, 1, 0, 0), (host.Metrics.Requests, host.Metrics.Streams, host.Metrics.CutStreams, host.Metrics.StoreFailures));
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Stream_end_mark_seen_by_the_client_means_stored()
    {
        var hold = NewSource();
        await using ChatHost host = await ChatHost.StartAsync(async context =>
        {
            await Events(Hello, Finish, Done)(context);
            await hold.Task;
        });

        using HttpResponseMessage response = await host.PostAsync(StreamBody);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        while (await reader.ReadLineAsync() != "data: [DONE]")
        {
        }

        Assert.Equal(2, host.Stored("s").Length);
        hold.SetResult();
    }

    /// <summary>SDKs send on at the end mark, and the upstream's end may take its time: the session must be free by then.</summary>
    [Fact(Timeout = TimeoutMs)]
    public async Task Stream_end_mark_seen_by_the_client_means_that_the_session_is_recognised_at_once()
    {
        var hold = NewSource();
        int asked = 0;
        await using ChatHost host = await ChatHost.StartAsync(async context =>
        {
            await Events(Hello, Finish, Done)(context);
            if (Interlocked.Increment(ref asked) == 1)
                await hold.Task;
        });

        using HttpResponseMessage first = await host.PostAsync(
            """{"stream":true,"messages":[{"role":"user","content":"hi"}]}""");
        using var reader = new StreamReader(await first.Content.ReadAsStreamAsync());
        while (await reader.ReadLineAsync() != "data: [DONE]")
        {
        }
        using HttpResponseMessage second = await host.PostAsync("""
            {"stream":true,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"Hello"},
             {"role":"user","content":"and?"}]}
            """);

        Assert.Equal(first.Headers.GetValues("X-HotModel-Session"), second.Headers.GetValues("X-HotModel-Session"));
        hold.SetResult();
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Forwarded_body_has_our_model_and_history_and_headers_are_ours()
    {
        await using ChatHost host = await ChatHost.StartAsync(Body(JsonAnswer));

        using HttpResponseMessage first = await host.PostAsync(JsonBody);
        using HttpResponseMessage second = await host.PostAsync(
            """{"messages":[{"role":"user","content":"more"}],"model":"active"}""", headers: [("X-HotModel-Session", "s"),
            ("X-Conversation-Id", "c"), ("Authorization", "Bearer client"), ("Cookie", "a=b"), ("traceparent", "00-1-1-01")]);

        Assert.Equal("""{"model":"upstream-id","messages":[{"role":"user","content":"hi"}],"top_k":3}""", host.Forwarded[0]);
        Assert.Equal(
            """{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"Hello"},{"role":"user","content":"more"}],"model":"upstream-id"}""",
            host.Forwarded[1]);
        Assert.Equal("Bearer our-key", host.ForwardedHeaders["Authorization"]);
        Assert.Equal(
            ["Authorization", "Content-Length", "Content-Type", "Host"], host.ForwardedHeaders.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(4, host.Stored("s").Length);
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Json_answer_gains_the_hotmodel_object_and_is_stored()
    {
        await using ChatHost host = await ChatHost.StartAsync(Body(JsonAnswer));

        using HttpResponseMessage response = await host.PostAsync(JsonBody);

        Assert.Equal(
            """{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello"}}],"id":"x","hotmodel":{"session_id":"s","active_model":"alpha","prompt_messages":1,"prompt_budget":{"cost":2,"unit":"chars","dropped_messages":0}}} """,
            await response.Content.ReadAsStringAsync());
        Assert.Equal("""{"role":"assistant","content":"Hello"}""", host.Stored("s")[1]);
        await host.LeaseReturnedAsync();
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Upstream_error_is_passed_on_as_it_is_and_nothing_is_stored()
    {
        await using ChatHost host = await ChatHost.StartAsync(Body("""{"error":{"code":400}}""", 400, "application/json; charset=utf-8"));

        using HttpResponseMessage response = await host.PostAsync(StreamBody);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal("""{"error":{"code":400}}""", await response.Content.ReadAsStringAsync());
        Assert.Equal("application/json; charset=utf-8", response.Content.Headers.ContentType!.ToString());
        Assert.Equal("alpha", response.Headers.GetValues("X-HotModel-Model").Single());
        Assert.Empty(host.Stored("s"));
        await host.LeaseReturnedAsync();
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData(200)]
    [InlineData(400)]
    public async Task Client_that_does_not_read_keeps_neither_the_lease_nor_the_session(int status)
    {
        // More than all the buffers on the way.
        string big = $$"""{"pad":"{{new string('x', 32 << 20)}}",{{JsonAnswer[1..]}}""";
        int calls = 0;
        await using ChatHost host = await ChatHost.StartAsync(context =>
            ++calls == 1 ? Body(big, status)(context) : Body(JsonAnswer)(context));
        Uri address = host.Client.BaseAddress!;
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        client.ReceiveBufferSize = 4096;
        await client.ConnectAsync(address.Host, address.Port);
        await client.SendAsync(Encoding.ASCII.GetBytes(
            $"POST /v1/chat/completions HTTP/1.1\r\nHost: {address.Authority}\r\nContent-Type: application/json\r\n"
            + $"Content-Length: {JsonBody.Length}\r\n\r\n{JsonBody}"));

        await host.LeaseReturnedAsync();
        using HttpResponseMessage second = await host.PostAsync(JsonBody);
        string answer = await second.Content.ReadAsStringAsync();

        Assert.Equal(HttpStatusCode.OK, second.StatusCode);
        // Not the first one's: it is still being written.
        Assert.InRange(host.Metrics.RelayedBytes, 0, answer.Length);
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Client_that_does_not_read_the_end_of_a_stream_keeps_neither_the_lease_nor_the_session()
    {
        await using ChatHost host = await ChatHost.StartAsync(Events(Hello, Finish, Done));
        StuckStream? stuck = null;
        host.WrapFirstBody = body => new StreamResponseBodyFeature(stuck = new(body.Stream, "[DONE]"u8.ToArray()), body);

        using HttpResponseMessage first = await host.PostAsync(StreamBody);
        await stuck!.Stuck;
        await host.LeaseReturnedAsync();
        Assert.True(host.Answered);
        // The model may go now; what it has said is the client's all the same.
        host.AbortLease();
        stuck.Release();

        Assert.Equal(Hello + Finish + Done, await first.Content.ReadAsStringAsync());
        Assert.Equal((0, 2), (host.Metrics.CutStreams, host.Stored("s").Length));
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Client_that_leaves_at_the_end_of_a_stream_is_noticed()
    {
        await using ChatHost host = await ChatHost.StartAsync(Events(Hello, Finish, Done));
        StuckStream? stuck = null;
        host.WrapFirstBody = body => new StreamResponseBodyFeature(stuck = new(body.Stream, "[DONE]"u8.ToArray()), body);

        using (HttpResponseMessage first = await host.PostAsync(StreamBody))
            await stuck!.Stuck;
        // A chat's bytes are counted when its relay has ended.
        while (host.Metrics.RelayedBytes == 0)
            await Task.Yield();

        Assert.True(host.Answered);
        Assert.Equal((0, 2), (host.Metrics.CutStreams, host.Stored("s").Length));
        stuck.Release();
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Client_that_does_not_read_the_error_event_keeps_neither_the_lease_nor_the_session()
    {
        int calls = 0;
        await using ChatHost host = await ChatHost.StartAsync(context =>
            ++calls == 1 ? Events(Hello)(context) : Events(Hello, Finish, Done)(context));
        StuckStream? stuck = null;
        host.WrapFirstBody = body => new StreamResponseBodyFeature(
            stuck = new(body.Stream, "\"upstream_cut\""u8.ToArray()), body);

        using HttpResponseMessage first = await host.PostAsync(StreamBody);
        await stuck!.Stuck;
        await host.LeaseReturnedAsync();
        using HttpResponseMessage second = await host.PostAsync(StreamBody);

        Assert.Equal(Hello + Finish + Done, await second.Content.ReadAsStringAsync());
        stuck.Release();
        Assert.Contains("upstream_cut", await ErrorEvent.ReadToAsync(first));
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Client_that_has_no_room_for_the_head_keeps_neither_the_lease_nor_the_session(bool leaves)
    {
        var hold = NewSource();
        await using ChatHost host = await ChatHost.StartAsync(async context =>
        {
            await Events(Hello)(context);
            await hold.Task;
        });
        var stuck = NewSource();
        host.WrapFirstBody = body => new StuckHead(body, stuck);
        using var client = new CancellationTokenSource();

        Task<HttpResponseMessage> first = host.PostAsync(StreamBody, cancel: client.Token);
        await stuck.Task;
        if (leaves)
            await client.CancelAsync();
        else
            host.AbortLease();

        await host.LeaseReturnedAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => first);
        Assert.Equal(leaves ? 0 : 1, host.Metrics.CutStreams);
        hold.SetResult();
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData("Qwen 3 (8b)", "Qwen 3 (8b)")]
    [InlineData("größe", "gr%C3%B6%C3%9Fe")]
    [InlineData("a\nb", "a%0Ab")]
    public async Task Model_header_of_a_name_beyond_ascii_is_percent_encoded(string model, string header)
    {
        await using ChatHost host = await ChatHost.StartAsync(Body(JsonAnswer));
        host.Model = model;

        using HttpResponseMessage response = await host.PostAsync(JsonBody);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(header, response.Headers.GetValues("X-HotModel-Model").Single());
        JsonNode answer = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        Assert.Equal(model, (string?)answer["hotmodel"]!["active_model"]);
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData("<html></html>", "text/html")]
    [InlineData("[]", "application/json")]
    public async Task Answer_that_is_no_json_object_is_a_bad_gateway(string body, string type)
    {
        // On a clock that stands still: whoever waits here, to see whether the model is lost, waits for ever.
        await using ChatHost host = await ChatHost.StartAsync(Body(body, type: type), new FakeTimeProvider());

        await AssertErrorAsync(await host.PostAsync(JsonBody), 502, "upstream_cut");
        await host.LeaseReturnedAsync();
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Routers_error_text_in_a_stream_becomes_an_error_event()
    {
        await using ChatHost host = await ChatHost.StartAsync(Events(Hello, "proxy error: Failed to read connection"));

        string text = await ErrorEvent.ReadToAsync(await host.PostAsync(StreamBody));

        Assert.StartsWith(Hello + "data: {\"error\":{", text, StringComparison.Ordinal);
        Assert.DoesNotContain("proxy error", text, StringComparison.Ordinal);
        Assert.Empty(host.Stored("s"));
        Assert.Equal(1, host.Metrics.CutStreams);
        await host.LeaseReturnedAsync();
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Upstream_dies_in_mid_answer_the_client_is_told(bool stream)
    {
        var seen = NewSource();
        await using ChatHost host = await ChatHost.StartAsync(async context =>
        {
            context.Response.ContentType = stream ? "text/event-stream" : "application/json";
            await context.Response.WriteAsync(stream ? Hello + "data: {\"cho" : "{\"choices\"");
            await context.Response.Body.FlushAsync();
            await seen.Task;
            context.Abort();
        });

        Task<HttpResponseMessage> answering = host.PostAsync(stream ? StreamBody : JsonBody);
        if (stream)
            await FirstEventAsync(await answering);
        seen.SetResult();
        HttpResponseMessage response = await answering;

        if (stream)
            Assert.Matches("^data: {\"error\":.*Nothing of the answer was stored.*\"upstream_cut\"}}\n\n$", await ErrorEvent.ReadToAsync(response));
        else
            // The head of the answer may or may not have been on its way yet.
            Assert.Equal(HttpStatusCode.BadGateway, response.StatusCode);
        Assert.Empty(host.Stored("s"));
        await host.LeaseReturnedAsync();
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Lease_aborted_in_mid_answer_upstream_is_closed_and_the_client_told(bool stream)
    {
        var closed = NewSource();
        var begun = NewSource();
        await using ChatHost host = await ChatHost.StartAsync(async context =>
        {
            context.RequestAborted.Register(closed.SetResult);
            if (stream)
                await Events(Hello)(context);
            begun.SetResult();
            await closed.Task;
        });

        Task<HttpResponseMessage> answering = host.PostAsync(stream ? StreamBody : JsonBody);
        await begun.Task;
        if (stream)
            await FirstEventAsync(await answering);
        host.AbortLease();
        HttpResponseMessage response = await answering;

        if (stream)
            Assert.Matches("^data: {\"error\":.*Nothing of the answer was stored.*\"answer_aborted\"}}\n\n$", await ErrorEvent.ReadToAsync(response));
        else
            await AssertErrorAsync(response, 503, "answer_aborted");
        await closed.Task.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Empty(host.Stored("s"));
        await host.LeaseReturnedAsync();
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Client_leaves_upstream_is_closed_and_nothing_stored(bool stream)
    {
        var closed = NewSource();
        var begun = NewSource();
        await using ChatHost host = await ChatHost.StartAsync(async context =>
        {
            context.RequestAborted.Register(closed.SetResult);
            if (stream)
                await Events(Hello)(context);
            begun.SetResult();
            await closed.Task;
        });
        using var leave = new CancellationTokenSource();

        Task<HttpResponseMessage> answering = host.PostAsync(stream ? StreamBody : JsonBody, cancel: leave.Token);
        await begun.Task;
        if (stream)
            (await answering).Dispose();
        else
            await leave.CancelAsync();

        await closed.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await host.LeaseReturnedAsync();
        Assert.Empty(host.Stored("s"));
        Assert.Equal(0, host.Metrics.CutStreams);
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Upstream_falls_silent_the_answer_is_given_up()
    {
        var time = new FakeTimeProvider();
        var closed = NewSource();
        await using ChatHost host = await ChatHost.StartAsync(async context =>
        {
            context.RequestAborted.Register(closed.SetResult);
            await Events(Hello)(context);
            await closed.Task;
        }, time);

        using HttpResponseMessage response = await host.PostAsync(StreamBody);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        Assert.Equal(Hello.TrimEnd(), await reader.ReadLineAsync());
        Task<string> rest = ErrorEvent.ReadToAsync(reader);
        // More than once: the relay may be just about to wait for the next bytes.
        while (!rest.IsCompleted)
        {
            time.Advance(TimeSpan.FromMinutes(11));
            await Task.Yield();
        }

        Assert.Contains("sent nothing for too long", await rest);
        await closed.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await host.LeaseReturnedAsync();
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Upstream_falls_silent_within_a_json_answer_it_is_given_up()
    {
        var time = new FakeTimeProvider();
        var hold = NewSource();
        await using ChatHost host = await ChatHost.StartAsync(async context =>
        {
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync("{\"choices\"");
            await context.Response.Body.FlushAsync();
            await hold.Task;
        }, time);

        Task<HttpResponseMessage> answering = host.PostAsync(JsonBody);
        while (!answering.IsCompleted)
        {
            time.Advance(TimeSpan.FromMinutes(11));
            await Task.Delay(1);
        }
        hold.SetResult();

        using HttpResponseMessage response = await answering;
        Assert.Contains("sent nothing for too long", await response.Content.ReadAsStringAsync());
        await host.LeaseReturnedAsync();
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Store_fails_the_answer_arrives_and_the_failure_is_counted()
    {
        await using ChatHost host = await ChatHost.StartAsync(Events(Hello, Finish, Done));
        host.Store.LimitPages(1);
        string long_ = StreamBody.Replace("hi", new string('x', 100_000), StringComparison.Ordinal);

        using HttpResponseMessage response = await host.PostAsync(long_);

        Assert.Equal(Hello + Finish + Done, await response.Content.ReadAsStringAsync());
        Assert.Equal(1, host.Metrics.StoreFailures);
        Assert.Empty(host.Stored("s"));
        await host.LeaseReturnedAsync();
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Store_breaks_the_answer_arrives_and_the_failure_is_counted(bool stream)
    {
        ChatHost? host = null;
        await using ChatHost started = host = await ChatHost.StartAsync(context =>
        {
            using var other = new SqliteConnection($"Data Source={host!.Database};Pooling=False");
            other.Open();
            using SqliteCommand drop = other.CreateCommand();
            drop.CommandText = "DROP TABLE messages";
            drop.ExecuteNonQuery();
            return stream ? Events(Hello, Finish, Done)(context) : Body(JsonAnswer)(context);
        });

        using HttpResponseMessage response = await host.PostAsync(stream ? StreamBody : JsonBody);
        string text = await response.Content.ReadAsStringAsync();

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.EndsWith(stream ? Done : "}} ", text, StringComparison.Ordinal);
        Assert.Equal(1, host.Metrics.StoreFailures);
        await host.LeaseReturnedAsync();
        Assert.True(host.Answered);
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData("data: {broken\n\n", true)]
    [InlineData("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\ud800\"}}]}\n\n", true)]
    [InlineData("""{"choices":[{"index":0,"message":{"role":"assistant","content":"\ud800"}}]}""", false)]
    public async Task Answer_that_cannot_be_stored_arrives_and_the_failure_is_counted(string answer, bool stream)
    {
        await using ChatHost host = await ChatHost.StartAsync(stream ? Events(Hello, answer, Finish, Done) : Body(answer));

        using HttpResponseMessage response = await host.PostAsync(stream ? StreamBody : JsonBody);
        string body = await response.Content.ReadAsStringAsync();

        if (stream)
            Assert.Equal(Hello + answer + Finish + Done, body);
        else
            Assert.StartsWith(answer[..^1] + ",\"hotmodel\":", body, StringComparison.Ordinal);
        Assert.Equal(1, host.Metrics.StoreFailures);
        Assert.Empty(host.Stored("s"));
        await host.LeaseReturnedAsync();
    }

    /// <summary>Nobody listens there, and no test's server will.</summary>
    private static readonly Uri Nowhere = new("http://127.0.0.1:1/");

    [Fact(Timeout = TimeoutMs)]
    public async Task Upstream_unreachable_twice_is_a_bad_gateway()
    {
        await using ChatHost host = await ChatHost.StartAsync(Body(JsonAnswer));
        host.Upstream = host.Upstream with { BaseAddress = Nowhere };
        int entered = 0;
        host.OnEntering = before =>
        {
            entered = before + 1;
            if (before == 0)
                _ = Task.Run(host.LoseModel);
        };

        await AssertErrorAsync(await host.PostAsync(JsonBody), 502, "upstream_unreachable");
        Assert.Equal(2, entered);
        await host.LeaseReturnedAsync();
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData(400, """{"error":{"code":400,"message":"model is not loaded","type":"invalid_request_error"}}""")]
    [InlineData(500, "proxy error: Could not establish connection")]
    [InlineData(503, """{"error":{"message":"Loading model","type":"unavailable_error","code":503}}""")]
    [InlineData(500, "proxy error: Failed to read connection")]
    [InlineData(0, "")]
    public async Task Request_whose_model_is_lost_before_it_answers_waits_and_is_answered(int status, string answer)
    {
        ChatHost? host = null;
        host = await ChatHost.StartAsync(async context =>
        {
            bool isFirst = host!.Forwarded.Count == 1 && status != 0;
            context.Response.StatusCode = isFirst ? status : 200;
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync(isFirst ? answer : JsonAnswer);
            if (isFirst)
                _ = Task.Run(host.LoseModel);
        });
        await using ChatHost disposing = host;
        var back = host.Upstream;
        if (status == 0)
            host.Upstream = back with { BaseAddress = Nowhere };
        host.OnEntering = before =>
        {
            if (status == 0 && before == 0)
                _ = Task.Run(host.LoseModel);
            else
                host.Upstream = back;
        };

        using HttpResponseMessage response = await host.PostAsync(JsonBody);

        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal(2, host.Stored("s").Length);
        await host.LeaseReturnedAsync();
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Upstream_that_hangs_up_without_an_answer_is_asked_once_and_is_a_bad_gateway()
    {
        // Time stands still: nobody waits to learn whether a model is lost whose server answers.
        await using ChatHost host = await ChatHost.StartAsync(context =>
        {
            context.Abort();
            return Task.CompletedTask;
        }, new FakeTimeProvider());
        host.ServerAnswers = true;

        await AssertErrorAsync(await host.PostAsync(JsonBody), 502, "upstream_failed");
        Assert.Single(host.Forwarded);
        await host.LeaseReturnedAsync();
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Upstream_that_hangs_up_on_a_pooled_connection_is_asked_again()
    {
        int calls = 0;
        await using ChatHost host = await ChatHost.StartAsync(async context =>
        {
            if (++calls == 2)
                context.Abort();
            else
                await Body(JsonAnswer)(context);
        });

        await (await host.PostAsync(JsonBody)).Content.ReadAsStringAsync();
        using HttpResponseMessage response = await host.PostAsync(JsonBody);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(3, calls);
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData(nameof(RefusalKind.NoActiveModel), null, "no_active_model")]
    [InlineData(nameof(RefusalKind.Switching), 1.2, "switching")]
    [InlineData(nameof(RefusalKind.QueueFull), 0.0, "queue_full")]
    public async Task Refusal_is_unavailable_with_retry_after(string kind, double? seconds, string code)
    {
        await using ChatHost host = await ChatHost.StartAsync(Body(JsonAnswer));
        TimeSpan? after = seconds is { } s ? TimeSpan.FromSeconds(s) : null;
        host.Refusal = new(Enum.Parse<RefusalKind>(kind), "Not now.", after);

        using HttpResponseMessage response = await host.PostAsync(JsonBody);

        await AssertErrorAsync(response, 503, code);
        Assert.Equal(after is null ? null : TimeSpan.FromSeconds(Math.Max(1, Math.Ceiling(seconds!.Value))), response.Headers.RetryAfter?.Delta);
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Refused_requests_say_why()
    {
        await using ChatHost host = await ChatHost.StartAsync(Body(JsonAnswer), maxBodyBytes: 1000);
        string own = host.Client.BaseAddress!.GetLeftPart(UriPartial.Authority);

        await AssertErrorAsync(await host.PostAsync(JsonBody, "text/plain"), 415, "unsupported_media_type");
        await AssertErrorAsync(await host.PostAsync("{}"), 400, "invalid_body");
        await AssertErrorAsync(await host.PostAsync(new string(' ', 1001)), 413, "body_too_large");
        await AssertErrorAsync(await host.PostAsync(JsonBody, headers: ("X-HotModel-Session", "other")), 400, "invalid_session_id");
        await AssertErrorAsync(await host.PostAsync(JsonBody.Replace("\"s\"", "\"a/b\"", StringComparison.Ordinal)), 400, "invalid_session_id");
        await AssertErrorAsync(await host.PostAsync(JsonBody, headers: ("Origin", "http://evil.example")), 403, "foreign_origin");
        await AssertErrorAsync(await host.PostAsync(JsonBody, headers: ("Origin", "null")), 403, "foreign_origin");
        await AssertErrorAsync(await host.PostAsync(JsonBody, headers: ("Sec-Fetch-Site", "cross-site")), 403, "foreign_origin");
        await AssertErrorAsync(
            await host.PostAsync(JsonBody, headers: [("Host", "evil.example"), ("Origin", "http://evil.example")]), 403, "foreign_origin");
        Assert.Empty(host.Forwarded);

        Assert.Equal(HttpStatusCode.OK, (await host.PostAsync(JsonBody, headers: ("Origin", own))).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await host.PostAsync(JsonBody, headers: ("X-HotModel-Session", "s"))).StatusCode);
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Body_without_a_length_is_bounded_too()
    {
        await using ChatHost host = await ChatHost.StartAsync(Body(JsonAnswer), maxBodyBytes: 1000);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions");
        request.Headers.TransferEncodingChunked = true;
        request.Content = new StreamContent(new MemoryStream(new byte[5000]));
        request.Content.Headers.ContentType = new("application/json");

        await AssertErrorAsync(await host.Client.SendAsync(request), 413, "body_too_large");
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Turns_of_one_session_wait_for_each_other_without_a_lease()
    {
        var first = NewSource();
        int calls = 0;
        await using ChatHost host = await ChatHost.StartAsync(async context =>
        {
            if (Interlocked.Increment(ref calls) == 1)
                await first.Task;
            await Body(JsonAnswer)(context);
        });

        Task<HttpResponseMessage> one = host.PostAsync(JsonBody);
        while (host.Leases == 0)
            await Task.Yield();
        Task<HttpResponseMessage> two = host.PostAsync(JsonBody.Replace("hi", "again", StringComparison.Ordinal));
        while (host.Metrics.Requests < 2)
            await Task.Yield();
        Assert.Equal(1, host.Leases);
        first.SetResult();

        await Task.WhenAll(one, two);
        Assert.Equal(4, host.Stored("s").Length);
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Token_budget_asks_the_upstream_with_the_clients_tools()
    {
        SessionConfig session = TestConfig.Create().Session with { MaxPromptTokens = 5, TokenBudgetMode = TokenBudgetMode.Llama };
        await using ChatHost host = await ChatHost.StartAsync(context => context.Request.Path.Value switch
        {
            "/apply-template" => Body("""{"prompt":"<|\"hi\u00e9"}""")(context),
            "/tokenize" => Body("""{"tokens":[1,[2,3],{"id":4}]}""")(context),
            _ => Body(JsonAnswer)(context),
        }, session: session);

        using HttpResponseMessage response = await host.PostAsync(JsonBody);

        JsonNode answer = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        Assert.Equal("""{"cost":3,"unit":"tokens","dropped_messages":0}""", answer["hotmodel"]!["prompt_budget"]!.ToJsonString());
        Assert.Equal("""{"model":"upstream-id","messages":[{"role":"user","content":"hi"}],"top_k":3}""", host.Forwarded[0]);
        Assert.Equal(
            """{"model":"upstream-id","content":"<|\"hi\u00e9","add_special":true,"parse_special":true}""", host.Forwarded[1]);
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Token_budget_upstream_cannot_count_an_estimate_does()
    {
        SessionConfig session = TestConfig.Create().Session with { MaxPromptTokens = 5, TokenBudgetMode = TokenBudgetMode.Llama };
        await using ChatHost host = await ChatHost.StartAsync(context => context.Request.Path == "/v1/chat/completions"
            ? Body(JsonAnswer)(context) : Body("File Not Found", 404)(context), session: session);

        using HttpResponseMessage response = await host.PostAsync(JsonBody);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Contains("\"unit\":\"tokens\"", await response.Content.ReadAsStringAsync());
    }
}
