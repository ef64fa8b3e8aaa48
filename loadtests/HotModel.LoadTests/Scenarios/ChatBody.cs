using System.Text.Json.Nodes;

namespace HotModel.LoadTests.Scenarios;

/// <summary>The requests of the scenarios that chat.</summary>
internal static class ChatBody
{
    public const string Path = "v1/chat/completions";

    private static int asked;

    /// <summary>Never the same question twice, so that no answer comes out of a prompt cache.</summary>
    public static JsonObject Create(int maxTokens, bool stream) => new()
    {
        ["model"] = "active",
        ["messages"] = new JsonArray(new JsonObject
        {
            ["role"] = "user",
            ["content"] = $"What do you know about number {Interlocked.Increment(ref asked)}?",
        }),
        ["max_tokens"] = maxTokens,
        ["stream"] = stream,
    };
}
