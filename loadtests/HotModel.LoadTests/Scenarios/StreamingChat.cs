using System.Diagnostics;
using System.Text.Json.Nodes;

namespace HotModel.LoadTests.Scenarios;

/// <summary>A question and its answer token by token, with the times of the tokens.</summary>
internal sealed class StreamingChat(Client client)
{
    private const int AnswerTokens = 64;

    public Task<Outcome> RunAsync() => RunAsync(client, ChatBody.Create(AnswerTokens, stream: true), null);

    /// <param name="onToken">Gets the JSON of each event that holds a token.</param>
    public static async Task<Outcome> RunAsync(
        Client client, JsonObject body, string? session, Action<ReadOnlySpan<byte>>? onToken = null)
    {
        using var limit = new CancellationTokenSource(Client.Limit);
        var gaps = new List<TimeSpan>();
        TimeSpan? firstToken = null;
        long before = Stopwatch.GetTimestamp();
        void Measure(ReadOnlySpan<byte> token)
        {
            onToken?.Invoke(token);
            long now = Stopwatch.GetTimestamp();
            TimeSpan since = Stopwatch.GetElapsedTime(before, now);
            if (firstToken is null)
                firstToken = since;
            else
                gaps.Add(since);
            before = now;
        }

        using HttpResponseMessage response = await client.PostAsync(ChatBody.Path, body, session, limit.Token);
        if (!response.IsSuccessStatusCode)
            return await JsonReply.ReadAsync(response, _ => null, limit.Token);
        var events = new EventStream(await response.Content.ReadAsStreamAsync(limit.Token)) { OnToken = Measure };
        while (await events.ReadAsync(null, limit.Token))
        {
        }
        return new(JsonReply.StatusOf(response), events.Bytes, events.Problem)
        {
            Kind = events.Kind,
            FirstToken = firstToken,
            Gaps = gaps,
        };
    }
}
