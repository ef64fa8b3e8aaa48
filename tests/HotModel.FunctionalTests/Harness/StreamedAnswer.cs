using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests.Harness;

/// <summary>An answer of server-sent events while it comes. Read it from one place at a time.</summary>
internal sealed class StreamedAnswer(HttpResponseMessage response) : IDisposable
{
    private readonly StringBuilder content = new();
    private IAsyncEnumerator<SseItem<string>>? items;

    public int Status => (int)response.StatusCode;
    public string? Session => Header("X-HotModel-Session");
    public string? Model => Header("X-HotModel-Model");
    /// <summary>Every event's data so far, "[DONE]" included.</summary>
    public List<string> Events { get; } = [];
    /// <summary>The text so far.</summary>
    public string Content => content.ToString();
    public bool IsDone => Events is [.., "[DONE]"];
    public string? FinishReason { get; private set; }
    /// <summary>The event that says that the answer broke, if one came.</summary>
    public JsonObject? Error { get; private set; }

    /// <summary>The next event's data; null at the end of the stream, and behind an event that says that it broke.</summary>
    public async Task<string?> NextAsync()
    {
        if (Error is not null)
            return null;
        items ??= SseParser.Create(await response.Content.ReadAsStreamAsync()).EnumerateAsync().GetAsyncEnumerator();
        if (!await items.MoveNextAsync())
            return null;
        var data = items.Current.Data;
        Events.Add(data);
        if (data.StartsWith('{'))
            Note(JsonNode.Parse(data)!.AsObject());
        return data;
    }

    /// <summary>Reads until some of the text is there.</summary>
    public async Task<StreamedAnswer> BegunAsync()
    {
        while (content.Length == 0)
            Assert.True(await NextAsync() is not null, "the stream ended before any text:\n" + string.Join('\n', Events));
        return this;
    }

    /// <summary>Reads to the end.</summary>
    public async Task<StreamedAnswer> EndedAsync()
    {
        while (await NextAsync() is not null)
        {
        }
        return this;
    }

    /// <summary>Reads to the end, which must be a whole answer's.</summary>
    public async Task<string> WholeAsync()
    {
        await EndedAsync();
        Assert.True(Status == 200 && IsDone && Error is null && FinishReason is not null,
            $"not a whole answer, status {Status}: ...{string.Join('\n', Events.TakeLast(3))}");
        return Content;
    }

    public Task<string> BodyAsync() => response.Content.ReadAsStringAsync();

    public void Dispose() => response.Dispose();

    private string? Header(string name) => response.Headers.TryGetValues(name, out var values) ? values.Single() : null;

    private void Note(JsonObject chunk)
    {
        if (chunk["error"] is JsonObject error)
            Error = error;
        if (chunk["choices"] is not JsonArray { Count: > 0 } choices)
            return;
        content.Append((string?)choices[0]!["delta"]?["content"]);
        FinishReason = (string?)choices[0]!["finish_reason"] ?? FinishReason;
    }
}
