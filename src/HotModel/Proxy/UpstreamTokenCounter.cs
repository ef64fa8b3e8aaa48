using System.Text.Json;
using HotModel.Http;
using HotModel.Llama;

namespace HotModel.Proxy;

/// <summary>Asks the upstream how many tokens a prompt has: its own template, then its own tokenizer.</summary>
internal sealed class UpstreamTokenCounter(
    Forwarder forwarder, TimeProvider time, ChatRequest request, Upstream upstream, CancellationToken ended)
{
    // Neither runs on the model. Longer means that something is wrong, and then an estimate must do.
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(10);
    private const int AnswerLimitBytes = 64 << 20;

    /// <summary>Null where the upstream does not tell.</summary>
    public async Task<int?> CountAsync(IReadOnlyList<ReadOnlyMemory<byte>> messages, CancellationToken cancel)
    {
        using var scope = new RequestScope(time, ended, cancel);
        scope.ExpectBytesWithin(AnswerLimit);
        // The client's whole request, because tools and template arguments are part of the prompt too.
        var templated = RequestSplice.Create(request, upstream.Model, messages);
        ReadOnlyMemory<byte>? answer = await AskAsync("apply-template", templated, scope);
        if (ValueOf("prompt"u8, answer) is not { } prompt)
            return null;
        // The prompt goes from one answer into the next question as the JSON string that it is.
        var tokenize = RequestSplice.Of(
            "{\"model\":"u8.ToArray(), JsonText.Quote(upstream.Model), ",\"content\":"u8.ToArray(), prompt,
            ",\"add_special\":true,\"parse_special\":true}"u8.ToArray());
        answer = await AskAsync("tokenize", tokenize, scope);
        return ValueOf("tokens"u8, answer) is { } tokens ? CountElements(tokens.Span) : null;
    }

    private async Task<ReadOnlyMemory<byte>?> AskAsync(string path, RequestSplice body, RequestScope scope)
    {
        var question = new OutgoingRequest(HttpMethods.Post, UpstreamTarget.Of(path, query: null)) { Body = body.Pieces };
        ForwardResult result = await forwarder.SendAsync(upstream, question, scope);
        using HttpReply? reply = result.Reply;
        if (reply is not { IsSuccess: true })
            return null;
        try
        {
            return await BoundedBody.ReadAsync(reply.Body, reply.ContentLength, AnswerLimitBytes, scope.Token);
        }
        catch (Exception e) when (e is HttpFailure or OperationCanceledException)
        {
            return null;
        }
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
