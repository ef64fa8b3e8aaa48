using System.Globalization;
using System.Text.Json;
using HotModel.Api;

namespace HotModel.Proxy;

/// <summary>Why a stream ends without its answer.</summary>
/// <param name="Type">As OpenAI's API has it.</param>
/// <param name="Code">A word of ours, or llama-server's number.</param>
/// <param name="Message">For the client.</param>
internal readonly record struct StreamFailure(string Type, string Code, string Message)
{
    public static StreamFailure Of(ForwardError error) => new(ApiError.UpstreamFailed, error.Code, error.Message);

    /// <summary>What the model's server answered instead of a stream, in its own words where it has any.</summary>
    public static StreamFailure Of(int status, ReadOnlySpan<byte> body)
    {
        if (status < StatusCodes.Status400BadRequest)
            return new(ApiError.UpstreamFailed, "no_stream", $"The model's server answered {status}, and not with a stream.");
        string code = status.ToString(CultureInfo.InvariantCulture);
        return Said(body, code) ?? new(ApiError.UpstreamFailed, code, $"The model's server answered {status}.");
    }

    /// <summary>{"error":{"code":400,"message":"…","type":"…"}}; Anthropic's has no code.</summary>
    private static StreamFailure? Said(ReadOnlySpan<byte> body, string code)
    {
        try
        {
            if (JsonElement.Parse(body) is not { ValueKind: JsonValueKind.Object } answer
                || !answer.TryGetProperty("error"u8, out JsonElement error) || error.ValueKind != JsonValueKind.Object
                || Text(error, "message") is not { } message)
                return null;
            return new(
                Text(error, "type") ?? ApiError.UpstreamFailed, Number(error, "code") ?? Text(error, "code") ?? code, message);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // No JSON, not all of it, or with text that is none.
            return null;
        }
    }

    private static string? Number(JsonElement error, string name) =>
        error.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number
            ? value.GetRawText() : null;

    private static string? Text(JsonElement error, string name) =>
        error.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.GetString() : null;
}
