using System.Text.Json.Nodes;

namespace FakeLlamaServer;

/// <summary>What is asked about prompts. A token is four characters.</summary>
internal static class PromptEndpoints
{
    public static Task ApplyTemplate(HttpContext context, JsonObject request)
    {
        var messages = request["messages"] as JsonArray ?? [];
        var prompt = string.Concat(messages.Select(m => $"<{m!["role"]}>{m["content"]}\n"));
        return Replies.Json(context, new JsonObject { ["prompt"] = prompt });
    }

    public static Task Tokenize(HttpContext context, JsonObject request)
    {
        var count = (((string?)request["content"] ?? "").Length + 3) / 4;
        var tokens = new JsonArray([.. Enumerable.Range(0, count).Select(i => (JsonNode)i)]);
        return Replies.Json(context, new JsonObject { ["tokens"] = tokens });
    }

    public static Task Slots(HttpContext context, int inFlight, int heldTokens)
    {
        var slot = new JsonObject
        {
            ["id"] = 0,
            ["is_processing"] = inFlight > 0,
            ["n_prompt_tokens"] = heldTokens,
        };
        return Replies.Json(context, new JsonArray(slot));
    }
}
