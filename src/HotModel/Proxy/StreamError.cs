using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Text.Json;
using HotModel.Api;

namespace HotModel.Proxy;

/// <summary>The event that ends a stream which was cut, as the clients of its API read it.</summary>
/// <remarks>
/// The SDKs of OpenAI and of Anthropic raise an API error on it. There is no end mark after it: a client that only
/// looks for that, or for a finish_reason, must not take the answer for whole.
/// </remarks>
internal static class StreamError
{
    public static void Write(PipeWriter client, StreamFailure reason, ErrorShape shape)
    {
        if (shape != ErrorShape.OpenAi)
            client.Write("event: error\n"u8);
        client.Write("data: "u8);
        using (var json = new Utf8JsonWriter(client, ReadableJson.WriterOptions))
        {
            switch (shape)
            {
                case ErrorShape.OpenAi:
                    WriteOpenAi(json, reason);
                    break;
                case ErrorShape.Anthropic:
                    WriteAnthropic(json, reason);
                    break;
                case ErrorShape.Responses:
                    WriteResponses(json, reason);
                    break;
            }
        }
        client.Write("\n\n"u8);
    }

    private static void WriteOpenAi(Utf8JsonWriter json, StreamFailure reason)
    {
        json.WriteStartObject();
        json.WriteStartObject("error"u8);
        json.WriteString("message"u8, reason.Message);
        json.WriteString("type"u8, reason.Type);
        if (int.TryParse(reason.Code, NumberStyles.None, CultureInfo.InvariantCulture, out int number))
            json.WriteNumber("code"u8, number);
        else
            json.WriteString("code"u8, reason.Code);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteAnthropic(Utf8JsonWriter json, StreamFailure reason)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "error"u8);
        json.WriteStartObject("error"u8);
        json.WriteString("type"u8, ApiError.AnthropicType(reason.Type));
        json.WriteString("message"u8, reason.Message);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteResponses(Utf8JsonWriter json, StreamFailure reason)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "error"u8);
        json.WriteString("code"u8, reason.Code);
        json.WriteString("message"u8, reason.Message);
        json.WriteNull("param"u8);
        json.WriteEndObject();
    }
}
