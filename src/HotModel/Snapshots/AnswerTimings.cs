using System.Text.Json;

namespace HotModel.Snapshots;

/// <summary>What llama-server says of an answer's cost, in "timings".</summary>
/// <param name="CachedTokens">Of the prompt, that it did not evaluate because the slot held them.</param>
/// <param name="PromptTokens">Of the prompt, that it did evaluate.</param>
/// <param name="PredictedTokens">Of the answer.</param>
internal readonly record struct AnswerTimings(
    int CachedTokens, int PromptTokens, int PredictedTokens, double PromptSeconds)
{
    /// <summary>What the slot holds then: the last token of the answer is not evaluated.</summary>
    public int HeldTokens => CachedTokens + PromptTokens + Math.Max(0, PredictedTokens - 1);

    /// <summary>Reads the value at which the reader stands, and leaves it at its end. Null where it is no such object.</summary>
    public static AnswerTimings? Read(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return null;
        }
        double? cached = null, prompt = null, predicted = null, promptMs = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("cache_n"u8))
                cached = Number(ref reader);
            else if (reader.ValueTextEquals("prompt_n"u8))
                prompt = Number(ref reader);
            else if (reader.ValueTextEquals("predicted_n"u8))
                predicted = Number(ref reader);
            else if (reader.ValueTextEquals("prompt_ms"u8))
                promptMs = Number(ref reader);
            else
                reader.Skip();
        }
        return cached is >= 0 and <= int.MaxValue && prompt is >= 0 and <= int.MaxValue
            && predicted is >= 0 and <= int.MaxValue
            ? new AnswerTimings((int)cached, (int)prompt, (int)predicted, Math.Max(0, promptMs ?? 0) / 1000)
            : null;
    }

    private static double? Number(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.Number && reader.TryGetDouble(out var number))
            return number;
        reader.Skip();
        return null;
    }
}
