using System.Buffers;
using System.Globalization;
using System.Text.Json;
using HotModel.Proxy;
using HotModel.Scheduling;
using HotModel.Switching;

namespace HotModel.Api;

/// <summary>Errors as OpenAI's clients expect them: {"error":{"message","type","param","code"}}.</summary>
/// <remarks>On routes of Anthropic's API "type":"error" stands before it, and the types are Anthropic's.</remarks>
internal static class ApiError
{
    public const string InvalidRequest = "invalid_request_error";
    public const string NotFound = "not_found_error";
    public const string Authentication = "authentication_error";
    public const string Permission = "permission_error";
    /// <summary>llama-server's word for "not now".</summary>
    public const string Unavailable = "unavailable_error";
    public const string UpstreamFailed = "upstream_error";
    public const string Internal = "server_error";

    // A model that was lost is being loaded again.
    private static readonly TimeSpan AbortedRetryAfter = TimeSpan.FromSeconds(1);

    public static async Task WriteAsync(
        HttpResponse response, int status, string type, string code, string message, TimeSpan? retryAfter = null)
    {
        // A client that has waited for its stream has the head of it: all that can come is an event.
        if (WaitingStream.Of(response.HttpContext) is { } waiting && waiting.End())
        {
            await waiting.FailAsync(new(type, code, message));
            return;
        }
        var body = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(body, ReadableJson.WriterOptions))
        {
            json.WriteStartObject();
            bool isAnthropic = ShapeOf(response.HttpContext) == ErrorShape.Anthropic;
            if (isAnthropic)
                json.WriteString("type"u8, "error"u8);
            json.WriteStartObject("error"u8);
            json.WriteString("message"u8, message);
            json.WriteString("type"u8, isAnthropic ? AnthropicType(type) : type);
            json.WriteNull("param"u8);
            json.WriteString("code"u8, code);
            json.WriteEndObject();
            json.WriteEndObject();
        }
        response.StatusCode = status;
        response.ContentType = "application/json";
        response.ContentLength = body.WrittenCount;
        if (retryAfter is { } after)
        {
            double seconds = Math.Max(1, Math.Ceiling(after.TotalSeconds));
            response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        }
        await response.Body.WriteAsync(body.WrittenMemory, response.HttpContext.RequestAborted);
    }

    /// <summary>A request that was not let in.</summary>
    public static Task WriteAsync(HttpResponse response, Refusal refusal) =>
        refusal.Kind is RefusalKind.OtherModel or RefusalKind.Pinned
            ? WriteAsync(response, StatusCodes.Status409Conflict, InvalidRequest, Code(refusal.Kind), refusal.Message)
            : refusal.Kind == RefusalKind.Removed
            ? WriteAsync(response, StatusCodes.Status404NotFound, NotFound, Code(refusal.Kind), refusal.Message)
            : WriteAsync(response, StatusCodes.Status503ServiceUnavailable, Unavailable, Code(refusal.Kind), refusal.Message,
                refusal.RetryAfter);

    /// <summary>A request that was let in and has no answer.</summary>
    public static Task WriteAsync(HttpResponse response, ForwardError error) => error.Culprit == Culprit.Switch
        ? WriteAsync(response, StatusCodes.Status503ServiceUnavailable, Unavailable, error.Code, error.Message,
            AbortedRetryAfter)
        : WriteAsync(response, StatusCodes.Status502BadGateway, UpstreamFailed, error.Code, error.Message);

    /// <remarks>A wrong method on a route's path is no request of the route, but one of its API.</remarks>
    private static ErrorShape ShapeOf(HttpContext context) =>
        (context.GetEndpoint()?.Metadata.GetMetadata<RelayedRoute>() ?? RelayedRoutes.At(context.Request.Path))?.Errors
        ?? ErrorShape.OpenAi;

    internal static string AnthropicType(string type) => type switch
    {
        Unavailable => "overloaded_error",
        UpstreamFailed or Internal => "api_error",
        _ => type,
    };

    private static string Code(RefusalKind kind) => kind switch
    {
        RefusalKind.NoActiveModel => "no_active_model",
        RefusalKind.Removed => "model_not_found",
        RefusalKind.OtherModel => "other_model_active",
        RefusalKind.Pinned => "model_pinned",
        RefusalKind.Background => "background_refused",
        RefusalKind.Switching => "switching",
        RefusalKind.QueueFull or RefusalKind.ModelQueueFull => "queue_full",
        RefusalKind.QueueTimedOut => "queue_timed_out",
        RefusalKind.ModelFailed => "model_failed",
        RefusalKind.Stopping => "stopping",
    };
}
