namespace HotModel.Sessions;

/// <summary>
/// The ways to leave out the beginning of a conversation: cut 0 sends it whole, each further one leaves out one more
/// unit, the last leaves out all that may be. A unit is a message with the tool results that follow it, so that no cut
/// parts a call from its results, and none but the first begins with a result.
/// </summary>
internal sealed class PromptCuts
{
    private readonly IReadOnlyList<ReadOnlyMemory<byte>> system;
    private readonly IReadOnlyList<ChatMessage> conversation;
    /// <summary>By cut: index of the first message sent.</summary>
    private readonly List<int> starts = [0];
    /// <summary>By index: characters of the messages from there to the end, the system's included.</summary>
    private readonly long[] charsFrom;
    private readonly double charsPerToken;

    public PromptCuts(
        IReadOnlyList<ReadOnlyMemory<byte>> system, IReadOnlyList<ChatMessage> conversation, int fixedFrom,
        double charsPerToken)
    {
        this.system = system;
        this.conversation = conversation;
        this.charsPerToken = charsPerToken;
        charsFrom = new long[conversation.Count + 1];
        charsFrom[^1] = system.Sum(message => (long)MessageJson.CountChars(message.Span));
        for (var i = conversation.Count - 1; i >= 0; i--)
            charsFrom[i] = charsFrom[i + 1] + MessageJson.CountChars(conversation[i].Json.Span);
        // Nothing new (the client wants its last question answered again): the last unit is what it asks about.
        var lastStart = Math.Min(fixedFrom, conversation.Count - 1);
        for (var i = 1; i <= lastStart; i++)
        {
            if (!conversation[i].IsToolResult)
                starts.Add(i);
        }
    }

    public int Last => starts.Count - 1;

    /// <summary>Messages of the conversation; the system's do not count.</summary>
    public int Messages(int cut) => conversation.Count - starts[cut];

    /// <summary>See <see cref="MessageJson.CountChars"/>; the system messages' count too.</summary>
    public int Chars(int cut) => (int)Math.Min(charsFrom[starts[cut]], int.MaxValue);

    public int EstimatedTokens(int cut) =>
        (int)Math.Min(Math.Ceiling(charsFrom[starts[cut]] / charsPerToken), int.MaxValue);

    /// <summary>
    /// The smallest cut from <paramref name="from"/> on whose cost is within the limit, or the last one.
    /// </summary>
    public int FirstWithin(int from, int limit, Func<int, int> cost)
    {
        var (low, high) = (from, Last);
        while (low < high)
        {
            var middle = low + ((high - low) / 2);
            if (cost(middle) <= limit)
                high = middle;
            else
                low = middle + 1;
        }
        return low;
    }

    public List<ReadOnlyMemory<byte>> Build(int cut)
    {
        var messages = new List<ReadOnlyMemory<byte>>(system.Count + Messages(cut));
        messages.AddRange(system);
        for (var i = starts[cut]; i < conversation.Count; i++)
            messages.Add(conversation[i].Json);
        return messages;
    }

    public Prompt Build(int cut, int cost, string unit) => new(Build(cut), new PromptBudget(cost, unit, starts[cut]));
}
