using System.Net;
using System.Text.Json.Nodes;
using HotModel.Llama;
using HotModel.Proxy;
using HotModel.Scheduling;
using HotModel.Switching;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;

// The timeout is there to name a test that hangs; ending it early gains nothing.
#pragma warning disable xUnit1069

namespace HotModel.Tests.Api;

/// <summary>What a client that asked for a stream sees while it waits for a model, and when that comes to nothing.</summary>
public class WaitingStreamTests
{
    private const string Events = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"}}]}\n\n"
        + "data: {\"choices\":[{\"finish_reason\":\"stop\",\"index\":0,\"delta\":{}}]}\n\ndata: [DONE]\n\n";
    private const string Comment = ": hotmodel state=loading model=alpha pct=42 position=2\n\n";
    private const string Body = """{"stream":true,"messages":[{"role":"user","content":"hi"}],"session_id":"s"}""";
    private const string Plain = """{"stream":true}""";
    private const string Chat = "/v1/chat/completions";
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    // A hang must have a name.
    private const int TimeoutMs = 60_000;

    /// <summary>How each API tells an error in a stream: what stands around the message.</summary>
    private static readonly Dictionary<string, Func<string, string, string, string>> Shapes = new()
    {
        [Chat] = (type, code, message) => $$$"""data: {"error":{"message":"{{{message}}}","type":"{{{type}}}","code":{{{code}}}}}""",
        ["/v1/completions"] = (type, code, message) =>
            $$$"""data: {"error":{"message":"{{{message}}}","type":"{{{type}}}","code":{{{code}}}}}""",
        ["/v1/messages"] = (type, _, message) =>
            $$$"""
            event: error
            data: {"type":"error","error":{"type":"{{{Anthropic(type)}}}","message":"{{{message}}}"}}
            """,
        ["/v1/responses"] = (_, code, message) =>
            $$$"""
            event: error
            data: {"type":"error","code":"{{{code.Trim('"')}}}","message":"{{{message}}}","param":null}
            """,
    };

    public static TheoryData<string> Routes => [.. Shapes.Keys];

    [Theory(Timeout = TimeoutMs)]
    [InlineData(Chat, Body)]
    [InlineData("/completion", Plain)]
    [InlineData("/infill", """{"stream":false,"x":{"stream":false},"stream":true}""")]
    public async Task Wait_has_a_head_at_once_comments_and_then_the_stream_byte_for_byte(string path, string body)
    {
        await using Waiting waiting = await Waiting.StartAsync(Stream);

        using HttpResponseMessage response = await waiting.HeadAsync(path, body);
        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.ToString());
        Assert.Equal("no-cache", response.Headers.GetValues("Cache-Control").Single());
        Assert.Equal("no", response.Headers.GetValues("X-Accel-Buffering").Single());
        Assert.Equal(path == Chat, response.Headers.Contains("X-HotModel-Session"));
        Assert.False(response.Headers.Contains("X-HotModel-Model"));
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        Assert.Equal(Comment, await waiting.CommentAsync(reader, TimeSpan.Zero));
        waiting.Host.Told = new("draining", "größe 2", null, null);
        Assert.Equal(": hotmodel state=draining model=gr%C3%B6%C3%9Fe%202\n\n", await waiting.CommentAsync(reader, Interval));
        waiting.Release();

        AssertAnswer(await reader.ReadToEndAsync());
        await waiting.Host.LeaseReturnedAsync();
        Assert.Equal(path == Chat ? 2 : 0, waiting.Host.Stored("s").Length);
        Assert.Equal((1, 1, 0), (waiting.Host.Metrics.Requests, waiting.Host.Metrics.Streams, waiting.Host.Metrics.CutStreams));
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Wait_goes_on_to_be_told_until_the_answer_begins()
    {
        var hold = NewSource();
        await using Waiting waiting = await Waiting.StartAsync(async context =>
        {
            await hold.Task;
            await Stream(context);
        });

        using HttpResponseMessage response = await waiting.HeadAsync(Chat, Body);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        await waiting.CommentAsync(reader, TimeSpan.Zero);
        waiting.Host.Model = "other";
        waiting.Release();
        string comment;
        do
        {
            comment = await waiting.CommentAsync(reader, Interval);
        }
        while (comment == Comment);
        Assert.Equal(": hotmodel state=ready model=other\n\n", comment);
        hold.SetResult();

        AssertAnswer(await reader.ReadToEndAsync());
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData(Chat, Body)]
    [InlineData("/v1/completions", Plain)]
    public async Task Short_wait_is_an_ordinary_answer_however_long_that_takes(string path, string body)
    {
        var asked = NewSource();
        var hold = NewSource();
        await using Waiting waiting = await Waiting.StartAsync(async context =>
        {
            asked.SetResult();
            await hold.Task;
            await Stream(context);
        });

        Task<HttpResponseMessage> sending = waiting.SendAsync(path, body);
        await waiting.Queued;
        waiting.Time.Advance(WaitingStream.Grace - TimeSpan.FromMilliseconds(1));
        waiting.Release();
        await asked.Task;
        waiting.Time.Advance(10 * Interval);
        hold.SetResult();

        using HttpResponseMessage response = await sending;
        Assert.Equal("alpha", response.Headers.GetValues("X-HotModel-Model").Single());
        Assert.Equal(Events, await response.Content.ReadAsStringAsync());
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Form_that_asks_for_a_stream_is_told_too()
    {
        await using Waiting waiting = await Waiting.StartAsync(Stream);
        using var form = new MultipartFormDataContent
        {
            { new ByteArrayContent([1, 2, 3]), "file", "sound.wav" },
            { new StringContent("true"), "stream" },
        };

        Task<HttpResponseMessage> sending = waiting.Host.SendAsync(HttpMethod.Post, "/v1/audio/transcriptions", form);
        await waiting.Queued;
        waiting.Time.Advance(WaitingStream.Grace);
        using HttpResponseMessage response = await sending;
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        Assert.Equal(Comment, await waiting.CommentAsync(reader, TimeSpan.Zero));
        waiting.Release();

        AssertAnswer(await reader.ReadToEndAsync());
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData(Plain, "/v1/embeddings")]
    [InlineData("""{"stream":1}""", "/completion")]
    [InlineData("""{"stream":true,"stream":false}""", "/completion")]
    [InlineData("""{"messages":[{"role":"user","content":"hi"}]}""", Chat)]
    [InlineData("""{"stream":true} {""", "/completion")]
    public async Task Request_for_no_stream_waits_silently(string body, string path)
    {
        await using Waiting waiting = await Waiting.StartAsync(Stream);

        Task<HttpResponseMessage> sending = waiting.SendAsync(path, body);
        await waiting.Queued;
        waiting.Time.Advance(10 * Interval);
        waiting.Host.Refusal = Busy;
        waiting.Release();

        using HttpResponseMessage response = await sending;
        Assert.Equal((503, 7), ((int)response.StatusCode, (int)response.Headers.RetryAfter!.Delta!.Value.TotalSeconds));
    }

    [Theory(Timeout = TimeoutMs)]
    [MemberData(nameof(Routes))]
    public async Task Early_refusal_keeps_its_status(string path)
    {
        await using Waiting waiting = await Waiting.StartAsync(Stream);
        waiting.Host.Refusal = Busy;

        Task<HttpResponseMessage> sending = waiting.SendAsync(path, path == Chat ? Body : Plain);
        await waiting.Queued;
        waiting.Release();

        using HttpResponseMessage response = await sending;
        Assert.Equal((HttpStatusCode)503, response.StatusCode);
        Assert.Equal("application/json", response.Content.Headers.ContentType!.ToString());
    }

    [Theory(Timeout = TimeoutMs)]
    [MemberData(nameof(Routes))]
    public async Task Late_refusal_is_an_error_event(string path)
    {
        await using Waiting waiting = await Waiting.StartAsync(Stream);
        waiting.Host.Refusal = Busy;

        string text = await waiting.FailedAsync(path);

        Assert.Equal(Comment + Shapes[path]("unavailable_error", "\"queue_timed_out\"", "Too late.") + "\n\n", text);
        Assert.Empty(waiting.Host.Stored("s"));
    }

    [Theory(Timeout = TimeoutMs)]
    [MemberData(nameof(Routes))]
    public async Task Late_error_of_the_models_server_is_an_error_event_with_its_own_words(string path)
    {
        foreach (var (status, body, type, code, message) in new[]
        {
            (400, """{"error":{"code":400,"message":"bad\ngrammar","type":"invalid_request_error"}}""",
                "invalid_request_error", "400", "bad\\ngrammar"),
            (501, """{"type":"error","error":{"message":"not here","type":"not_supported_error"}}""",
                "not_supported_error", "501", "not here"),
            (500, "<html>", "upstream_error", "500", "The model's server answered 500."),
            (404, """{"error":"text"}""", "upstream_error", "404", "The model's server answered 404."),
            (200, """{"choices":[]}""", "upstream_error", "\"no_stream\"", "The model's server answered 200, and not with a stream."),
        })
        {
            await using Waiting waiting = await Waiting.StartAsync(context =>
            {
                context.Response.StatusCode = status;
                context.Response.ContentType = "application/json";
                return context.Response.WriteAsync(body);
            });

            string text = await waiting.FailedAsync(path);

            Assert.Equal(Comment + Shapes[path](type, code, message) + "\n\n", text);
            await waiting.Host.LeaseReturnedAsync();
            Assert.Empty(waiting.Host.Stored("s"));
        }
    }

    [Theory(Timeout = TimeoutMs)]
    [MemberData(nameof(Routes))]
    public async Task Upstream_that_is_gone_is_an_error_event(string path)
    {
        await using Waiting waiting = await Waiting.StartAsync(Stream);
        waiting.Host.Upstream = new Upstream(new Uri("http://127.0.0.1:1/"), "gone", null);
        using HttpResponseMessage response = await waiting.HeadAsync(path, path == Chat ? Body : Plain);
        waiting.Release();

        // Whether the model is lost is waited for.
        Task<string> reading = ErrorEvent.ReadToAsync(response);
        while (!reading.IsCompleted)
        {
            waiting.Time.Advance(TimeSpan.FromSeconds(1));
            // Real time too: a client that has not taken the event within ten seconds of the other one is closed.
            await Task.WhenAny(reading, Task.Delay(50));
        }

        string[] around = Shapes[path]("upstream_error", "\"upstream_unreachable\"", "*").Split('*');
        Assert.Contains(around[0], await reading, StringComparison.Ordinal);
        Assert.EndsWith(around[1] + "\n\n", await reading, StringComparison.Ordinal);
        await waiting.Host.LeaseReturnedAsync();
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Second_try_that_waits_is_told_as_the_first_or_begins_the_stream(bool firstWaits)
    {
        Waiting? running = null;
        int asked = 0;
        await using Waiting waiting = running = await Waiting.StartAsync(async context =>
        {
            if (Volatile.Read(ref asked) == 1)
            {
                asked++;
                await Stream(context);
                return;
            }
            running!.Hold();
            Volatile.Write(ref asked, 1);
            running.Host.LoseModel();
            context.Response.StatusCode = 503;
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync("""{"error":{"code":503,"message":"Loading model"}}""");
        });
        if (!firstWaits)
            waiting.Release();

        Task<HttpResponseMessage> sending = waiting.SendAsync(Chat, Body);
        if (firstWaits)
        {
            await waiting.Queued;
            waiting.Time.Advance(WaitingStream.Grace);
            await sending;
            waiting.Release();
        }
        while (Volatile.Read(ref asked) == 0)
            await Task.Yield();
        await waiting.Queued;
        if (!firstWaits)
            waiting.Time.Advance(WaitingStream.Grace);
        using HttpResponseMessage response = await sending;
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        Assert.Equal(Comment, await waiting.CommentAsync(reader, TimeSpan.Zero));
        waiting.Host.Told = new("loading", "beta");
        string comment;
        do
        {
            comment = await waiting.CommentAsync(reader, Interval);
        }
        while (!comment.Contains("beta", StringComparison.Ordinal));
        waiting.Release();

        AssertAnswer(await reader.ReadToEndAsync());
        Assert.Equal(2, asked);
        Assert.Equal(2, waiting.Host.Stored("s").Length);
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Client_that_leaves_while_it_waits_is_forgotten_at_once()
    {
        await using Waiting waiting = await Waiting.StartAsync(Stream);
        HttpResponseMessage response = await waiting.HeadAsync(Chat, Body);

        response.Dispose();

        await waiting.Left;
        Assert.Equal(0, waiting.Host.Leases);
        // Its conversation is free.
        waiting.Release();
        using HttpResponseMessage next = await waiting.SendAsync(Chat, Body);
        Assert.Equal(Events, await next.Content.ReadAsStringAsync());
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Wait_for_the_conversation_is_told_too()
    {
        var hold = NewSource();
        int asked = 0;
        await using Waiting waiting = await Waiting.StartAsync(async context =>
        {
            if (Interlocked.Increment(ref asked) == 1)
                await hold.Task;
            await Stream(context);
        });
        waiting.Release();
        Task<HttpResponseMessage> first = waiting.SendAsync(Chat, Body);
        while (Volatile.Read(ref asked) == 0)
            await Task.Yield();

        using HttpResponseMessage second = await waiting.TickAsync(waiting.SendAsync(Chat, Body));
        Assert.Equal("s", second.Headers.GetValues("X-HotModel-Session").Single());
        using var reader = new StreamReader(await second.Content.ReadAsStreamAsync());
        Assert.Equal(": hotmodel state=conversation\n\n", await waiting.CommentAsync(reader, TimeSpan.Zero));
        hold.SetResult();

        AssertAnswer(await reader.ReadToEndAsync());
        using HttpResponseMessage earlier = await first;
        Assert.Equal(Events, await earlier.Content.ReadAsStringAsync());
        Assert.Equal(4, waiting.Host.Stored("s").Length);
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Conversation_that_stays_busy_is_an_error_event()
    {
        var hold = NewSource();
        await using Waiting waiting = await Waiting.StartAsync(async context =>
        {
            await hold.Task;
            await Stream(context);
        });
        waiting.Release();
        Task<HttpResponseMessage> first = waiting.SendAsync(Chat, Body);
        while (waiting.Host.Forwarded.Count == 0)
            await Task.Yield();

        using HttpResponseMessage second = await waiting.TickAsync(waiting.SendAsync(Chat, Body));
        Task<string> reading = ErrorEvent.ReadToAsync(second);
        while (!reading.IsCompleted)
        {
            waiting.Time.Advance(TimeSpan.FromMinutes(1));
            await Task.WhenAny(reading, Task.Delay(50));
        }
        hold.SetResult();

        JsonNode error = JsonNode.Parse((await reading).Split("data: ")[1])!["error"]!;
        Assert.Equal("session_busy", (string?)error["code"]);
        (await first).Dispose();
    }

    [Theory(Timeout = TimeoutMs)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Client_that_does_not_read_gets_one_comment_and_holds_no_lease(bool leaves)
    {
        await using Waiting waiting = await Waiting.StartAsync(Stream);
        var stuck = NewSource();
        StuckHead? head = null;
        waiting.Host.WrapFirstBody = body => head = new StuckHead(body, stuck);
        using var client = new CancellationTokenSource();
        Task<HttpResponseMessage> sending = waiting.SendAsync(Chat, Body, client.Token);
        await waiting.Queued;
        waiting.Time.Advance(WaitingStream.Grace);
        await stuck.Task;
        waiting.Time.Advance(10 * Interval);
        Assert.Equal(1, head!.Flushes);

        waiting.Release();
        while (waiting.Host.Metrics.Streams == 0)
            await Task.Yield();
        if (leaves)
            await client.CancelAsync();
        else
            waiting.Host.AbortLease();

        await waiting.Host.LeaseReturnedAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => sending);
        Assert.Equal(leaves ? 0 : 1, waiting.Host.Metrics.CutStreams);
    }

    [Fact(Timeout = TimeoutMs)]
    public async Task Client_that_does_not_read_is_closed_when_it_is_to_be_told_of_a_failure()
    {
        await using Waiting waiting = await Waiting.StartAsync(Stream);
        waiting.Host.Refusal = Busy;
        var stuck = NewSource();
        waiting.Host.WrapFirstBody = body => new StuckHead(body, stuck);
        Task<HttpResponseMessage> sending = waiting.SendAsync(Chat, Body);
        await waiting.Queued;
        waiting.Time.Advance(WaitingStream.Grace);
        await stuck.Task;

        waiting.Release();
        while (!sending.IsCompleted)
        {
            waiting.Time.Advance(WaitingStream.ClientLimit);
            await Task.Yield();
        }

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => sending);
        // Its conversation is free.
        waiting.Host.Refusal = null;
        using HttpResponseMessage next = await waiting.SendAsync(Chat, Body);
        Assert.Equal(Events, await next.Content.ReadAsStringAsync());
    }

    private static readonly Refusal Busy = new(RefusalKind.QueueTimedOut, "Too late.", TimeSpan.FromSeconds(7));

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The clock may have moved for one comment more than was read.</summary>
    private static void AssertAnswer(string rest)
    {
        while (rest.StartsWith(": hotmodel state=", StringComparison.Ordinal))
            rest = rest[(rest.IndexOf("\n\n", StringComparison.Ordinal) + 2)..];
        Assert.Equal(Events, rest);
    }

    private static string Anthropic(string type) => type switch
    {
        "unavailable_error" => "overloaded_error",
        "upstream_error" => "api_error",
        _ => type,
    };

    private static async Task Stream(HttpContext context)
    {
        context.Response.ContentType = "text/event-stream";
        await context.Response.WriteAsync(Events);
    }
}
