using System.Globalization;
using System.Text.Json.Nodes;

namespace FakeLlamaServer;

/// <summary>The words a model says: its own name and a number, so that a test sees who answered and what is missing.</summary>
internal sealed class ChatAnswer
{
    private const int DefaultWords = 8;
    private const int PromptTokens = 10;
    private static long lastId;

    private readonly JsonObject request;
    private readonly string model;
    private readonly int cachedTokens;
    private readonly string id = string.Create(CultureInfo.InvariantCulture, $"chatcmpl-{Interlocked.Increment(ref lastId)}");
    private readonly long created = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();

    public ChatAnswer(JsonObject request, string model, int cachedTokens)
    {
        this.request = request;
        this.model = model;
        this.cachedTokens = cachedTokens;
        Words = (int?)request["max_tokens"] ?? (int?)request["max_completion_tokens"] ?? DefaultWords;
    }

    public int Words { get; }
    /// <summary>What the slot holds after it: the last token is not evaluated.</summary>
    public int HeldTokens => cachedTokens + PromptTokens + Words - 1;
    public bool IsStream => (bool?)request["stream"] ?? false;
    private bool IsToolCall => request["tools"] is JsonArray { Count: > 0 } && (string?)request["tool_choice"] == "required";

    public static string Word(string model, int index) =>
        string.Create(CultureInfo.InvariantCulture, $" {model}{index}");

    /// <summary>The chunks of a stream, the first and the last of them without words, as JSON.</summary>
    public IEnumerable<JsonObject> Chunks()
    {
        yield return Chunk(new JsonObject { ["role"] = "assistant", ["content"] = null }, null);
        if (IsToolCall)
        {
            yield return Chunk(new JsonObject { ["tool_calls"] = new JsonArray(ToolCall(withIndex: true)) }, null);
            yield return Last("tool_calls");
        }
        else
        {
            for (var i = 0; i < Words; i++)
                yield return Chunk(new JsonObject { ["content"] = Word(model, i) }, null);
            yield return Last("stop");
        }
        if ((bool?)request["stream_options"]?["include_usage"] ?? false)
        {
            var usage = Envelope("chat.completion.chunk", []);
            usage["usage"] = Usage();
            usage["timings"] = Timings();
            yield return usage;
        }
    }

    public JsonObject Whole()
    {
        var message = new JsonObject { ["role"] = "assistant" };
        if (IsToolCall)
        {
            message["content"] = null;
            message["tool_calls"] = new JsonArray(ToolCall(withIndex: false));
        }
        else
        {
            message["content"] = string.Concat(Enumerable.Range(0, Words).Select(i => Word(model, i)));
        }
        var choice = new JsonObject
        {
            ["finish_reason"] = IsToolCall ? "tool_calls" : "stop",
            ["index"] = 0,
            ["message"] = message,
        };
        var answer = Envelope("chat.completion", [choice]);
        answer["usage"] = Usage();
        answer["timings"] = Timings();
        return answer;
    }

    private JsonObject Last(string reason)
    {
        var chunk = Chunk([], reason);
        if (!((bool?)request["stream_options"]?["include_usage"] ?? false))
            chunk["timings"] = Timings();
        return chunk;
    }

    private JsonObject Chunk(JsonObject delta, string? finishReason)
    {
        var choice = new JsonObject { ["finish_reason"] = finishReason, ["index"] = 0, ["delta"] = delta };
        return Envelope("chat.completion.chunk", [choice]);
    }

    private JsonObject Envelope(string kind, JsonArray choices) => new()
    {
        ["choices"] = choices,
        ["created"] = created,
        ["id"] = id,
        ["model"] = model,
        ["system_fingerprint"] = "fake",
        ["object"] = kind,
    };

    private JsonObject ToolCall(bool withIndex)
    {
        var function = request["tools"]![0]!["function"]!;
        var arguments = new JsonObject();
        foreach (var name in function["parameters"]?["required"] as JsonArray ?? [])
            arguments[(string)name!] = model;
        var call = new JsonObject
        {
            ["id"] = "call-" + id,
            ["type"] = "function",
            ["function"] = new JsonObject
            {
                ["name"] = (string)function["name"]!,
                ["arguments"] = arguments.ToJsonString(),
            },
        };
        if (withIndex)
            call["index"] = 0;
        return call;
    }

    private JsonObject Usage() => new()
    {
        ["completion_tokens"] = Words,
        ["prompt_tokens"] = PromptTokens,
        ["total_tokens"] = PromptTokens + Words,
    };

    private JsonObject Timings() => new()
    {
        ["cache_n"] = cachedTokens,
        ["prompt_n"] = PromptTokens,
        ["prompt_ms"] = 1.0,
        ["predicted_n"] = Words,
        ["predicted_ms"] = 1.0,
    };
}
