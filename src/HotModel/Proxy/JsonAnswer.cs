using System.Text.Json;
using HotModel.Sessions;
using HotModel.Snapshots;

namespace HotModel.Proxy;

/// <summary>Where things lie in an answer that is one JSON object.</summary>
/// <param name="Message">The first choice's message; null where there is none.</param>
/// <param name="ObjectEnd">Of the object's closing brace.</param>
/// <param name="IsEmpty">The object has no property.</param>
/// <param name="Timings">What the upstream said of its cost.</param>
internal readonly record struct JsonAnswer(Extent? Message, int ObjectEnd, bool IsEmpty, AnswerTimings? Timings)
{
    /// <summary>Null where the body is not a JSON object.</summary>
    public static JsonAnswer? Read(ReadOnlySpan<byte> body)
    {
        try
        {
            var reader = new Utf8JsonReader(body, MessageJson.ReaderOptions);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                return null;
            Extent? message = null;
            bool isEmpty = true;
            AnswerTimings? timings = null;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                isEmpty = false;
                bool isChoices = reader.ValueTextEquals("choices"u8);
                bool isTimings = reader.ValueTextEquals("timings"u8);
                reader.Read();
                if (isChoices && reader.TokenType == JsonTokenType.StartArray)
                    message = FirstChoice(ref reader);
                else if (isTimings)
                    timings = AnswerTimings.Read(ref reader);
                else
                    reader.Skip();
            }
            int end = (int)reader.TokenStartIndex;
            // Throws on anything but white space behind the object.
            reader.Read();
            return new(message, end, isEmpty, timings);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static Extent? FirstChoice(ref Utf8JsonReader reader)
    {
        Extent? first = null;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.StartObject)
            {
                reader.Skip();
                continue;
            }
            (int index, Extent? message) = Choice(ref reader);
            if (index == 0)
                first ??= message;
        }
        return first;
    }

    private static (int Index, Extent? Message) Choice(ref Utf8JsonReader reader)
    {
        int index = 0;
        Extent? message = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool isIndex = reader.ValueTextEquals("index"u8);
            bool isMessage = reader.ValueTextEquals("message"u8);
            reader.Read();
            if (isIndex && reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out int number))
                index = number;
            int start = (int)reader.TokenStartIndex;
            bool isObject = reader.TokenType == JsonTokenType.StartObject;
            reader.Skip();
            if (isMessage && isObject)
                message = new(start, (int)reader.BytesConsumed);
        }
        return (index, message);
    }
}
