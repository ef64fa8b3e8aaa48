using System.Text.Json;

namespace HotModel.LoadTests.Scenarios;

/// <summary>A question and its answer in one piece.</summary>
internal sealed class Chat(Client client)
{
    private const int AnswerTokens = 32;

    public async Task<Outcome> RunAsync()
    {
        using var limit = new CancellationTokenSource(Client.Limit);
        using HttpResponseMessage response = await client.PostAsync(
            ChatBody.Path, ChatBody.Create(AnswerTokens, stream: false), null, limit.Token);
        return await JsonReply.ReadAsync(response, Problem, limit.Token);
    }

    public static string? Problem(JsonElement answer)
    {
        bool hasText = answer.TryGetProperty("choices", out JsonElement choices) && choices.GetArrayLength() == 1
            && choices[0].GetProperty("message").GetProperty("content").GetString() is { Length: > 0 };
        return hasText ? null : $"an answer without text: {answer}";
    }
}
