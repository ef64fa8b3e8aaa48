using System.Collections.Concurrent;
using System.Text.Json;

namespace HotModel.LoadTests.Scenarios;

/// <summary>Many conversations, of which each run takes the one that has rested longest one turn further.</summary>
/// <remarks>At the end of a conversation every message of it must have been stored, under whichever model it came.</remarks>
internal sealed class Sessions
{
    private const int Conversations = 100;
    private const int Turns = 6;
    private const int AnswerTokens = 16;

    private readonly Client client;
    private readonly ConcurrentQueue<Conversation> resting;

    public Sessions(Client client)
    {
        this.client = client;
        resting = new(Enumerable.Range(0, Conversations).Select(_ => Conversation.New()));
    }

    public async Task<Outcome> RunAsync()
    {
        Conversation conversation = resting.TryDequeue(out Conversation? rested) ? rested : Conversation.New();
        Outcome outcome = await AskAsync(conversation);
        // After a failure nobody knows whether the turn was stored.
        if (outcome.Failure is null)
            conversation = conversation with { Turns = conversation.Turns + 1 };
        else
            conversation = Conversation.New();
        if (conversation.Turns == Turns)
        {
            outcome = outcome with { Failure = await ProblemOfStoredAsync(conversation.Id) };
            conversation = Conversation.New();
        }
        resting.Enqueue(conversation);
        return outcome;
    }

    private async Task<Outcome> AskAsync(Conversation conversation)
    {
        // Every other turn is streamed.
        if (conversation.Turns % 2 != 0)
            return await StreamingChat.RunAsync(client, ChatBody.Create(AnswerTokens, stream: true), conversation.Id);
        using var limit = new CancellationTokenSource(Client.Limit);
        using HttpResponseMessage response = await client.PostAsync(
            ChatBody.Path, ChatBody.Create(AnswerTokens, stream: false), conversation.Id, limit.Token);
        return await JsonReply.ReadAsync(response, Chat.Problem, limit.Token);
    }

    private async Task<string?> ProblemOfStoredAsync(string id)
    {
        using var limit = new CancellationTokenSource(Client.Limit);
        using HttpResponseMessage response = await client.GetAsync($"admin/sessions/{id}", limit.Token);
        Outcome outcome = await JsonReply.ReadAsync(response, ProblemOfStored, limit.Token);
        return outcome.Failure;
    }

    private static string? ProblemOfStored(JsonElement session)
    {
        int messages = session.GetProperty("messages").GetInt32();
        return messages == 2 * Turns ? null : $"{messages} messages are stored of {Turns} turns";
    }

    private sealed record Conversation(string Id, int Turns)
    {
        public static Conversation New() => new($"load-{Guid.NewGuid():N}", 0);
    }
}
