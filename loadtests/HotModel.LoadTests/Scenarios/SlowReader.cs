namespace HotModel.LoadTests.Scenarios;

/// <summary>A long answer, read more slowly than it comes, through a socket that holds little.</summary>
internal sealed class SlowReader(Client client)
{
    /// <summary>The least that Linux grants.</summary>
    public const int ReceiveBufferBytes = 4 << 10;

    // 110 KB, which take 1.1 s.
    private const int AnswerTokens = 400;
    private const int ReadBytes = 2 << 10;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    public async Task<Outcome> RunAsync()
    {
        using var limit = new CancellationTokenSource(Client.Limit);
        using HttpResponseMessage response = await client.PostAsync(
            ChatBody.Path, ChatBody.Create(AnswerTokens, stream: true), null, limit.Token);
        if (!response.IsSuccessStatusCode)
            return await JsonReply.ReadAsync(response, _ => null, limit.Token);
        var events = new EventStream(await response.Content.ReadAsStreamAsync(limit.Token));
        while (await events.ReadAsync(ReadBytes, limit.Token))
            await Task.Delay(Pause, limit.Token);
        return new(JsonReply.StatusOf(response), events.Bytes, events.Problem) { Kind = events.Kind };
    }
}
