using System.Globalization;
using System.Text.Json;

namespace HotModel.Api;

/// <summary>Errors as OpenAI clients expect them: {"error":{"message","type","code"}}.</summary>
internal static class ApiError
{
    public static async Task WriteAsync(
        HttpResponse response, int status, string type, string code, string message, TimeSpan? retryAfter = null)
    {
        response.StatusCode = status;
        response.ContentType = "application/json";
        if (retryAfter is { } wait)
        {
            response.Headers.RetryAfter =
                Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        }
        await using (var writer = new Utf8JsonWriter(response.BodyWriter))
        {
            writer.WriteStartObject();
            writer.WriteStartObject("error"u8);
            writer.WriteString("message"u8, message);
            writer.WriteString("type"u8, type);
            writer.WriteString("code"u8, code);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }
        await response.BodyWriter.FlushAsync(response.HttpContext.RequestAborted);
    }
}
