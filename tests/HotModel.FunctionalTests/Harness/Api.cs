using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests.Harness;

/// <param name="Status">HTTP status.</param>
/// <param name="Text">The body.</param>
/// <param name="Headers">Response headers.</param>
internal sealed record Reply(int Status, string Text, HttpResponseHeaders Headers)
{
    /// <summary>The body as an object; an empty one for anything else.</summary>
    public JsonObject Json { get; } = Text.StartsWith('{') ? JsonNode.Parse(Text)!.AsObject() : [];
    public string? Session => Header("X-HotModel-Session");
    public string? Model => Header("X-HotModel-Model");
    /// <summary>Text of the first choice's message.</summary>
    public string? Content => (string?)Json["choices"]?[0]?["message"]?["content"];

    public string? Header(string name) => Headers.TryGetValues(name, out var values) ? values.Single() : null;
}

/// <summary>A client of hotmodel (or of a llama-server), without opinions.</summary>
internal sealed class Api(Uri address, string? key = null) : IDisposable
{
    // No pooling of dead connections across a restart, and no limit on requests at once.
    private readonly HttpClient client = new(new SocketsHttpHandler
    {
        UseProxy = false,
        // llama-server itself, which the key tells, swallows a request on a connection whose event stream has ended.
        PooledConnectionLifetime = key is null ? Timeout.InfiniteTimeSpan : TimeSpan.Zero,
    })
    {
        BaseAddress = address,
        Timeout = TimeSpan.FromMinutes(2),
    };

    public Uri Address { get; } = address;

    public Task<Reply> GetAsync(string path) => SendAsync(HttpMethod.Get, path, null, null);

    public Task<Reply> DeleteAsync(string path) => SendAsync(HttpMethod.Delete, path, null, null);

    public Task<Reply> PostAsync(string path, JsonObject body, string? session = null) =>
        SendAsync(HttpMethod.Post, path, body.ToJsonString(), session);

    public Task<Reply> PostTextAsync(string path, string body) => SendAsync(HttpMethod.Post, path, body, null);

    public Task<Reply> SwitchAsync(string model, bool force = false)
    {
        var body = new JsonObject { ["model"] = model };
        if (force)
            body["force"] = true;
        return PostAsync("admin/switch", body);
    }

    /// <summary>Does not wait for answers that are running: they end with an error.</summary>
    public Task<Reply> CutAsync(string model) => PostAsync(
        "admin/switch", new JsonObject { ["model"] = model, ["force"] = true, ["drain_timeout_seconds"] = 0 });

    /// <summary>One user message, an answer of that many tokens, the same for the same prompt.</summary>
    public Task<Reply> ChatAsync(string text, string? session = null, int maxTokens = 8) =>
        PostAsync("v1/chat/completions", Chats.Request(text, maxTokens), session);

    /// <summary>Begins a streaming answer; the caller reads and disposes it.</summary>
    public Task<StreamedAnswer> StreamAsync(string text, string? session = null, int maxTokens = 8) =>
        StreamAsync(Chats.Request(text, maxTokens), session);

    public async Task<StreamedAnswer> StreamAsync(JsonObject body, string? session = null)
    {
        body["stream"] = true;
        using var request = Request(HttpMethod.Post, "v1/chat/completions", body.ToJsonString(), session);
        return new StreamedAnswer(await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead));
    }

    /// <summary>Begins an answer on any route; the caller reads and disposes it, or leaves it by disposing it early.</summary>
    public async Task<StreamedAnswer> BeginAsync(string path, string body, CancellationToken cancel = default)
    {
        using var request = Request(HttpMethod.Post, path, body, null);
        return new StreamedAnswer(
            await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel));
    }

    /// <summary>Any bytes there and the bytes that come back.</summary>
    public async Task<RawReply> RawAsync(
        HttpMethod method, string path, byte[]? body = null, string type = "application/json",
        Action<HttpRequestMessage>? edit = null)
    {
        using var request = Request(method, path, null, null);
        if (body is not null)
        {
            request.Content = new ByteArrayContent(body);
            Assert.True(request.Content.Headers.TryAddWithoutValidation("Content-Type", type));
        }
        edit?.Invoke(request);
        using var response = await client.SendAsync(request);
        return await RawReply.ReadAsync(response);
    }

    /// <summary>A GET that stays open, such as admin/events.</summary>
    public async Task<StreamedAnswer> ListenAsync(string path)
    {
        using var request = Request(HttpMethod.Get, path, null, null);
        return new StreamedAnswer(await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead));
    }

    public void Dispose() => client.Dispose();

    private async Task<Reply> SendAsync(HttpMethod method, string path, string? body, string? session)
    {
        using var request = Request(method, path, body, session);
        using var response = await client.SendAsync(request);
        return new Reply((int)response.StatusCode, await response.Content.ReadAsStringAsync(), response.Headers);
    }

    private HttpRequestMessage Request(HttpMethod method, string path, string? body, string? session)
    {
        var request = new HttpRequestMessage(method, path);
        if (body is not null)
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        if (session is not null)
            request.Headers.Add("X-HotModel-Session", session);
        if (key is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return request;
    }
}
