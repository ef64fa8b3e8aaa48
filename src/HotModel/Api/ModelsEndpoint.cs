using System.Buffers;
using System.Text.Json;

namespace HotModel.Api;

/// <summary>GET /v1/models and /v1/models/{id}: what can be switched to, by its configured name.</summary>
internal sealed class ModelsEndpoint(IEnumerable<string> models)
{
    private readonly string[] names = [.. models.Order(StringComparer.Ordinal)];

    public Task ListAsync(HttpContext context) => WriteAsync(context, json =>
    {
        json.WriteStartObject();
        json.WriteString("object"u8, "list"u8);
        json.WriteStartArray("data"u8);
        foreach (string name in names)
            WriteModel(json, name);
        json.WriteEndArray();
        json.WriteEndObject();
    });

    /// <summary>Takes the name from the route value "id".</summary>
    public Task GetAsync(HttpContext context)
    {
        string id = context.Request.RouteValues["id"] as string ?? "";
        return names.Contains(id, StringComparer.Ordinal)
            ? WriteAsync(context, json => WriteModel(json, id))
            : ApiError.WriteAsync(context.Response, StatusCodes.Status404NotFound, ApiError.NotFound, "model_not_found",
                $"There is no model \"{id}\". Configured are: {string.Join(", ", names)}.");
    }

    private static void WriteModel(Utf8JsonWriter json, string name)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, name);
        json.WriteString("object"u8, "model"u8);
        json.WriteString("owned_by"u8, "hotmodel"u8);
        json.WriteEndObject();
    }

    private static async Task WriteAsync(HttpContext context, Action<Utf8JsonWriter> write)
    {
        var body = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(body, ReadableJson.WriterOptions))
            write(json);
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = body.WrittenCount;
        await context.Response.Body.WriteAsync(body.WrittenMemory, context.RequestAborted);
    }
}
