using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests.Harness;

/// <summary>Bodies of chat requests.</summary>
internal static class Chats
{
    public static JsonObject Request(string text, int maxTokens = 8) => Request(maxTokens, Message("user", text));

    /// <summary>Temperature 0 and a seed: the same prompt has the same answer.</summary>
    public static JsonObject Request(int maxTokens, params JsonObject[] messages) => new()
    {
        ["model"] = "active",
        ["messages"] = new JsonArray([.. messages]),
        ["max_tokens"] = maxTokens,
        ["temperature"] = 0,
        ["seed"] = 1,
    };

    public static JsonObject Message(string role, string content) => new() { ["role"] = role, ["content"] = content };

    /// <summary>A function "get_weather" with one required parameter of two values.</summary>
    public static JsonArray Tools() => (JsonArray)JsonNode.Parse("""
        [{"type": "function", "function": {"name": "get_weather", "description": "Weather now",
          "parameters": {"type": "object", "required": ["unit"],
            "properties": {"unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}}}}}]
        """)!;
}
