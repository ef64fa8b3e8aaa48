using System.Text.Json.Nodes;

namespace FakeLlamaServer;

/// <summary>Answers with llama-server's own bodies.</summary>
internal static class Replies
{
    public static Task Json(HttpContext context, JsonNode body, int status = 200)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json; charset=utf-8";
        return context.Response.WriteAsync(body.ToJsonString());
    }

    public static Task Success(HttpContext context) => Json(context, new JsonObject { ["success"] = true });

    public static Task Invalid(HttpContext context, string message) =>
        Error(context, 400, "invalid_request_error", message);

    public static Task ServerError(HttpContext context, string message) =>
        Error(context, 500, "server_error", message);

    /// <summary>What the router's clients really get when a model's process ends: no JSON, in a stream no "data:".</summary>
    public const string ProxyErrorText = "proxy error: Failed to read connection";

    public static Task ProxyError(HttpContext context)
    {
        context.Response.StatusCode = 500;
        context.Response.ContentType = "text/plain";
        return context.Response.WriteAsync(ProxyErrorText);
    }

    public static Task Loading(HttpContext context) => Error(context, 503, "unavailable_error", "Loading model");

    /// <summary>Also the answer for an unknown model: llama-server's 404 handler replaces the body.</summary>
    public static Task NotFound(HttpContext context) => Error(context, 404, "not_found_error", "File Not Found");

    public static Task Unauthorized(HttpContext context) =>
        Error(context, 401, "authentication_error", "Invalid API Key");

    private static Task Error(HttpContext context, int code, string type, string message) => Json(
        context,
        new JsonObject { ["error"] = new JsonObject { ["code"] = code, ["message"] = message, ["type"] = type } },
        code);
}
