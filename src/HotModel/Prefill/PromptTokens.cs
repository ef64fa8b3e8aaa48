using System.Text.Json;

namespace HotModel.Prefill;

/// <summary>Token ids as llama-server wrote them, and where each ends.</summary>
internal sealed class PromptTokens
{
    private readonly ReadOnlyMemory<byte> json;
    private readonly List<int> ends = [];

    private PromptTokens(ReadOnlyMemory<byte> json) => this.json = json;

    public int Count => ends.Count;

    /// <summary>The tokens with which both arrays begin; null where one is no array of ids.</summary>
    public static PromptTokens? CommonOf(ReadOnlyMemory<byte> one, ReadOnlyMemory<byte> other)
    {
        var common = new PromptTokens(one);
        try
        {
            var first = new Utf8JsonReader(one.Span);
            var second = new Utf8JsonReader(other.Span);
            if (!IsArray(ref first) || !IsArray(ref second))
                return null;
            while (NextId(ref first) && NextId(ref second) && first.ValueSpan.SequenceEqual(second.ValueSpan))
                common.ends.Add((int)first.BytesConsumed);
            return common;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>An array of the first so many, without its closing bracket.</summary>
    /// <param name="count">From 1 to all.</param>
    public ReadOnlyMemory<byte> First(int count) => json[..ends[count - 1]];

    private static bool IsArray(ref Utf8JsonReader reader) => reader.Read() && reader.TokenType == JsonTokenType.StartArray;

    private static bool NextId(ref Utf8JsonReader reader) => reader.Read() && reader.TokenType == JsonTokenType.Number;
}
