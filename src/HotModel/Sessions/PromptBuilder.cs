using HotModel.Configuration;
using CountTokens = System.Func<
    System.Collections.Generic.IReadOnlyList<System.ReadOnlyMemory<byte>>,
    System.Threading.CancellationToken,
    System.Threading.Tasks.Task<int?>>;

namespace HotModel.Sessions;

/// <summary>
/// What is sent for a turn: system messages, then as much of the history as the budgets allow, then what is new.
/// </summary>
internal static class PromptBuilder
{
    /// <param name="preset">The preset prompt, and what becomes of the client's.</param>
    /// <param name="limits">The budgets.</param>
    /// <param name="turn">The conversation.</param>
    /// <param name="countTokens">The server's count, asked as token_budget_mode says; null: it cannot say.</param>
    /// <param name="cancel">Passed on to <paramref name="countTokens"/>.</param>
    public static Task<Prompt> BuildAsync(
        PresetConfig preset, SessionConfig limits, Turn turn, CountTokens countTokens, CancellationToken cancel) =>
        BuildAsync(
            SystemPrompt.Build(preset, turn.ClientSystem), [.. turn.History, .. turn.Incoming], turn.FixedFrom, limits,
            countTokens, cancel);

    /// <param name="system">Always sent.</param>
    /// <param name="conversation">History and new messages.</param>
    /// <param name="fixedFrom">Index of the first message that is always sent.</param>
    /// <param name="limits">The budgets.</param>
    /// <param name="countTokens">As above.</param>
    /// <param name="cancel">Passed on to <paramref name="countTokens"/>.</param>
    public static async Task<Prompt> BuildAsync(
        IReadOnlyList<ReadOnlyMemory<byte>> system, IReadOnlyList<ChatMessage> conversation, int fixedFrom,
        SessionConfig limits, CountTokens countTokens, CancellationToken cancel)
    {
        var cuts = new PromptCuts(system, conversation, fixedFrom, limits.CharsPerToken);
        var cut = 0;
        if (limits.MaxSessionMessages is { } maxMessages)
            cut = cuts.FirstWithin(cut, maxMessages, cuts.Messages);
        if (limits.MaxPromptChars is { } maxChars)
            cut = cuts.FirstWithin(cut, maxChars, cuts.Chars);
        if (limits.MaxPromptTokens is not { } maxTokens)
        {
            return limits.MaxPromptChars is null && limits.MaxSessionMessages is not null
                ? cuts.Build(cut, cuts.Messages(cut), "messages")
                : cuts.Build(cut, cuts.Chars(cut), "chars");
        }
        var ask = limits.TokenBudgetMode switch
        {
            TokenBudgetMode.Estimate => false,
            TokenBudgetMode.Auto => cuts.EstimatedTokens(cut) > maxTokens,
            TokenBudgetMode.Llama => true,
        };
        if (ask && await AskAsync(cuts, cut, maxTokens, countTokens, cancel) is { } asked)
            return asked;
        cut = cuts.FirstWithin(cut, maxTokens, cuts.EstimatedTokens);
        return cuts.Build(cut, cuts.EstimatedTokens(cut), "tokens");
    }

    /// <summary>Binary search by the server's own counts; null where it cannot say.</summary>
    private static async Task<Prompt?> AskAsync(
        PromptCuts cuts, int from, int maxTokens, CountTokens countTokens, CancellationToken cancel)
    {
        var tokens = await countTokens(cuts.Build(from), cancel);
        if (tokens is null || tokens <= maxTokens)
            return tokens is null ? null : cuts.Build(from, tokens.Value, "tokens");
        // Invariant: low does not fit; high fits, or leaves out all that can be left out.
        var (low, high) = (from, cuts.Last);
        int? tokensAtHigh = low == high ? tokens : null;
        while (high - low > 1)
        {
            var middle = low + ((high - low) / 2);
            tokens = await countTokens(cuts.Build(middle), cancel);
            if (tokens is null)
                return null;
            if (tokens <= maxTokens)
                (high, tokensAtHigh) = (middle, tokens);
            else
                low = middle;
        }
        tokensAtHigh ??= await countTokens(cuts.Build(high), cancel);
        return tokensAtHigh is { } cost ? cuts.Build(high, cost, "tokens") : null;
    }
}
