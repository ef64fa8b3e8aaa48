using System.Text.Json;
using System.Text.Json.Nodes;

namespace FakeLlamaServer;

internal static class JsonBody
{
    public static async Task<JsonObject?> ReadAsync(HttpContext context)
    {
        try
        {
            return await JsonNode.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
