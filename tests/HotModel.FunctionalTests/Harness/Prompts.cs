using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests.Harness;

/// <summary>Bodies for any route that generates or counts.</summary>
internal static class Prompts
{
    /// <summary>Each route takes what it understands and leaves the rest.</summary>
    public static string ForAll(int tokens, bool isStreamed = true) => new JsonObject
    {
        ["prompt"] = "tell me",
        ["input"] = "tell me",
        ["messages"] = new JsonArray(Chats.Message("user", "tell me")),
        ["input_prefix"] = "tell",
        ["input_suffix"] = "me",
        ["content"] = "tell me",
        ["n_predict"] = tokens,
        ["max_tokens"] = tokens,
        ["max_output_tokens"] = tokens,
        ["stream"] = isStreamed,
    }.ToJsonString();
}
