using System.Text.Json;
using HotModel.Llama;

namespace HotModel.Proxy;

/// <summary>Asks the upstream for the tokens of a prompt: its own template, then its own tokenizer.</summary>
internal sealed class UpstreamTokenizer(
    Forwarder forwarder, TimeProvider time, ChatRequest request, Upstream upstream, CancellationToken ended)
{
    // Neither runs on the model. Longer means that something is wrong, and then an estimate must do.
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(10);

    /// <summary>Null where the upstream does not tell.</summary>
    public async Task<int?> CountAsync(IReadOnlyList<ReadOnlyMemory<byte>> messages, CancellationToken cancel) =>
        await TokensAsync(messages, cancel) is { } tokens ? CountElements(tokens.Span) : null;

    /// <summary>The JSON array of token ids; null where the upstream does not tell.</summary>
    public async Task<ReadOnlyMemory<byte>?> TokensAsync(
        IReadOnlyList<ReadOnlyMemory<byte>> messages, CancellationToken cancel)
    {
        using var scope = new RequestScope(time, ended, cancel);
        scope.ExpectBytesWithin(AnswerLimit);
        // The client's whole request, because tools and template arguments are part of the prompt too.
        var templated = RequestSplice.Create(request, upstream.Model, messages);
        ReadOnlyMemory<byte>? answer = await forwarder.AskAsync(upstream, "apply-template", templated, scope);
        if (ValueOf("prompt"u8, answer) is not { } prompt)
            return null;
        // The prompt goes from one answer into the next question as the JSON string that it is.
        var tokenize = RequestSplice.Of(
            "{\"model\":"u8.ToArray(), JsonText.Quote(upstream.Model), ",\"content\":"u8.ToArray(), prompt,
            ",\"add_special\":true,\"parse_special\":true}"u8.ToArray());
        answer = await forwarder.AskAsync(upstream, "tokenize", tokenize, scope);
        return ValueOf("tokens"u8, answer);
    }

    private static ReadOnlyMemory<byte>? ValueOf(ReadOnlySpan<byte> name, ReadOnlyMemory<byte>? json)
    {
        if (json is not { } body)
            return null;
        try
        {
            var reader = new Utf8JsonReader(body.Span);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                return null;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                bool isWanted = reader.ValueTextEquals(name);
                reader.Read();
                int start = (int)reader.TokenStartIndex;
                reader.Skip();
                if (isWanted)
                    return body[start..(int)reader.BytesConsumed];
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
        }
        return null;
    }

    private static int? CountElements(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartArray)
            return null;
        int count = 0;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            reader.Skip();
            count++;
        }
        return count;
    }
}
