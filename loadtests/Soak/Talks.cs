using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using HotModel.LoadTests;
using HotModel.LoadTests.Scenarios;

namespace Soak;

/// <summary>
/// Conversations that go on whatever happens. What a client got whole must be stored, once and as it came; what broke off may
/// be, but then whole.
/// </summary>
internal sealed class Talks
{
    private const int Conversations = 60;
    private const int Turns = 12;
    private const int AnswerTokens = 16;

    private readonly ConcurrentQueue<Talk> resting = new(Enumerable.Range(0, Conversations).Select(_ => new Talk()));
    private readonly ConcurrentQueue<Talk> ended = [];

    public long Whole { get; private set; }

    public long Broken { get; private set; }

    public long Ended { get; private set; }

    /// <summary>Of the next round.</summary>
    public Client? Client { private get; set; }

    /// <summary>One turn of the conversation that has rested longest.</summary>
    public async Task<Outcome> RunAsync()
    {
        Talk talk = resting.TryDequeue(out Talk? rested) ? rested : new Talk();
        JsonObject body = ChatBody.Create(AnswerTokens, stream: talk.Turns.Count % 2 != 0);
        var turn = new TalkTurn((string)body["messages"]![0]!["content"]!);
        talk.Turns.Add(turn);
        try
        {
            Outcome outcome = await AskAsync(talk.Id, body, turn);
            turn.IsWhole = outcome.Failure is null;
            return outcome;
        }
        finally
        {
            (talk.Turns.Count < Turns ? resting : ended).Enqueue(talk);
        }
    }

    /// <summary>Compares conversations that have ended with what is stored; in the end all others too.</summary>
    /// <returns>What is wrong with them.</returns>
    public async Task<IReadOnlyList<string>> CheckAsync(Client client, bool all)
    {
        List<string> problems = [];
        while (ended.TryDequeue(out Talk? talk) || (all && resting.TryDequeue(out talk)))
        {
            Ended++;
            Whole += talk.Turns.Count(t => t.IsWhole);
            Broken += talk.Turns.Count(t => !t.IsWhole);
            if (StoredTalk.Problem(talk.Turns, await StoredAsync(client, talk.Id)) is { } problem)
                problems.Add($"{talk.Id}: {problem}");
        }
        return problems;
    }

    private async Task<Outcome> AskAsync(string id, JsonObject body, TalkTurn turn)
    {
        if ((bool)body["stream"]!)
            return await StreamingChat.RunAsync(Client!, body, id, json => turn.Add(Content(json)));
        using var limit = new CancellationTokenSource(Client.Limit);
        using HttpResponseMessage response = await Client!.PostAsync(ChatBody.Path, body, id, limit.Token);
        return await JsonReply.ReadAsync(response, answer =>
        {
            turn.Add(answer.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
            return Chat.Problem(answer);
        }, limit.Token);
    }

    private static string? Content(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        using var chunk = JsonDocument.ParseValue(ref reader);
        return chunk.RootElement.GetProperty("choices")[0].GetProperty("delta").GetProperty("content").GetString();
    }

    private static async Task<IReadOnlyList<StoredMessage>> StoredAsync(Client client, string id)
    {
        using var limit = new CancellationTokenSource(Client.Limit);
        using HttpResponseMessage response = await client.GetAsync($"admin/sessions/{id}/export?all=1", limit.Token);
        if (response.StatusCode == System.Net.HttpStatusCode.NotFound)
            return [];
        response.EnsureSuccessStatusCode();
        JsonNode session = JsonNode.Parse(await response.Content.ReadAsStringAsync(limit.Token))!;
        return [.. session["history"]!.AsArray().Select(m => m!["message"]!)
            .Select(m => new StoredMessage((string)m["role"]!, (string?)m["content"] ?? ""))];
    }

    private sealed record Talk
    {
        public string Id { get; } = $"soak-{Guid.NewGuid():N}";

        public List<TalkTurn> Turns { get; } = [];
    }
}

/// <summary>A question, and what the client has seen of its answer.</summary>
internal sealed class TalkTurn(string question)
{
    private readonly StringBuilder answer = new();

    public string Question => question;

    public string Answer => answer.ToString();

    public bool IsWhole { get; set; }

    public void Add(string? text) => answer.Append(text);
}

internal sealed record StoredMessage(string Role, string Content);

internal static class StoredTalk
{
    /// <summary>What is wrong with the stored messages of a conversation; null: nothing.</summary>
    public static string? Problem(IReadOnlyList<TalkTurn> turns, IReadOnlyList<StoredMessage> stored)
    {
        int at = 0;
        foreach (TalkTurn turn in turns)
        {
            if (at < stored.Count && stored[at] == new StoredMessage("user", turn.Question))
            {
                if (at + 1 == stored.Count || stored[at + 1].Role != "assistant")
                    return $"the question is stored without its answer: {turn.Question}";
                string answer = stored[at + 1].Content;
                if (turn.IsWhole ? answer != turn.Answer : !answer.StartsWith(turn.Answer, StringComparison.Ordinal))
                    return $"another answer is stored than the client got: \"{answer}\" for \"{turn.Answer}\"";
                at += 2;
            }
            else if (turn.IsWhole)
            {
                return $"answered and not stored, or not in its place: {turn.Question}";
            }
        }
        return at == stored.Count ? null : $"{stored.Count - at} messages are stored that nobody sent, or twice";
    }
}
