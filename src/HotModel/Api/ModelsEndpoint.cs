using System.Buffers;
using System.Text.Json;
using HotModel.Configuration;

namespace HotModel.Api;

/// <summary>GET /v1/models and /v1/models/{id}: what can be switched to, by its configured name.</summary>
/// <param name="live">The models.</param>
/// <param name="activeModel">The one of them that is active.</param>
/// <param name="started">When hotmodel started: "created" of all of them, which clients want to be there.</param>
internal sealed class ModelsEndpoint(
    LiveConfig live, Func<string?> activeModel, DateTimeOffset started)
{

    public void Map(IEndpointRouteBuilder routes)
    {
        string[] methods = [HttpMethods.Get, HttpMethods.Head];
        foreach (string path in (string[])["/v1/models", "/models"])
        {
            routes.MapMethods(path, methods, ListAsync);
            // Names may have slashes.
            routes.MapMethods(path + "/{**id}", methods, GetAsync);
        }
    }

    private Task ListAsync(HttpContext context) => WriteAsync(context, json =>
    {
        json.WriteStartObject();
        json.WriteString("object"u8, "list"u8);
        json.WriteStartArray("data"u8);
        foreach (ModelConfig model in live.Current.Models.Values.OrderBy(model => model.Name, StringComparer.Ordinal))
            WriteModel(json, model);
        json.WriteEndArray();
        json.WriteEndObject();
    });

    private Task GetAsync(HttpContext context)
    {
        string id = context.Request.RouteValues["id"] as string ?? "";
        if (id.Length == 0)
            return ListAsync(context);
        var names = live.Names;
        if (!names.TryResolve(id, out string? named))
        {
            return ApiError.WriteAsync(context.Response, StatusCodes.Status404NotFound, ApiError.NotFound, "model_not_found",
                names.Unknown(id));
        }
        return (named ?? activeModel()) is { } name
            ? WriteAsync(context, json => WriteModel(json, live.Model(name)))
            : ApiError.WriteAsync(context.Response, StatusCodes.Status404NotFound, ApiError.NotFound, "no_active_model",
                "No model is active. POST /admin/switch makes one active.");
    }

    private void WriteModel(Utf8JsonWriter json, ModelConfig model)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, model.Name);
        json.WriteString("object"u8, "model"u8);
        json.WriteNumber("created"u8, started.ToUnixTimeSeconds());
        json.WriteString("owned_by"u8, "hotmodel"u8);
        if (model.Aliases.Count > 0)
        {
            json.WriteStartArray("aliases"u8);
            foreach (string alias in model.Aliases)
                json.WriteStringValue(alias);
            json.WriteEndArray();
        }
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
