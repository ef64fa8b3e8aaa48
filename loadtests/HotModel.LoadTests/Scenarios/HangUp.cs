namespace HotModel.LoadTests.Scenarios;

/// <summary>A client that leaves: before there is an answer, in the middle of it, streamed or not.</summary>
internal sealed class HangUp(Client client)
{
    private const int AnswerTokens = 256;
    private const int MostTokensRead = 64;
    private const int MostMilliseconds = 200;

    public async Task<Outcome> RunAsync()
    {
        bool stream = Random.Shared.Next(3) != 0;
        // Those that wait for no token leave at any time, most before the answer begins.
        int tokens = stream ? Random.Shared.Next(MostTokensRead) : 0;
        using var leave = new CancellationTokenSource(
            tokens > 0 ? Client.Limit : TimeSpan.FromMilliseconds(Random.Shared.Next(MostMilliseconds)));
        try
        {
            using HttpResponseMessage response = await client.PostAsync(
                ChatBody.Path, ChatBody.Create(AnswerTokens, stream), null, leave.Token);
            if (!response.IsSuccessStatusCode || !stream)
                return await JsonReply.ReadAsync(response, Chat.Problem, leave.Token);
            var events = new EventStream(await response.Content.ReadAsStreamAsync(leave.Token));
            bool isOpen = true;
            while (isOpen && events.Problem is null && (tokens == 0 || events.Tokens < tokens))
                isOpen = await events.ReadAsync(null, leave.Token);
            return isOpen && events.Problem is null
                ? Outcome.Left(events.Bytes)
                : new(JsonReply.StatusOf(response), events.Bytes, events.Problem) { Kind = events.Kind };
        }
        catch (OperationCanceledException) when (tokens == 0)
        {
            return Outcome.Left(0);
        }
    }
}
