using HotModel.Configuration;
using HotModel.Sessions;
using static HotModel.Tests.Sessions.StateFolder;

namespace HotModel.Tests.Sessions;

public class PromptBuilderTests
{
    private static readonly IReadOnlyList<ReadOnlyMemory<byte>> System = [Instruction("sys!").Json];

    private static Task<int?> NeverAsked(IReadOnlyList<ReadOnlyMemory<byte>> messages, CancellationToken cancel) =>
        throw new InvalidOperationException("The server was asked.");

    private static Task<Prompt> Build(
        IReadOnlyList<ChatMessage> conversation, int fixedFrom, SessionConfig limits,
        Func<IReadOnlyList<ReadOnlyMemory<byte>>, CancellationToken, Task<int?>>? count = null,
        IReadOnlyList<ReadOnlyMemory<byte>>? system = null) =>
        PromptBuilder.BuildAsync(system ?? System, conversation, fixedFrom, limits, count ?? NeverAsked, default);

    private static SessionConfig Budget(
        int? messages = null, int? chars = null, int? tokens = null, TokenBudgetMode mode = TokenBudgetMode.Auto) =>
        Limits() with
        {
            MaxSessionMessages = messages,
            MaxPromptChars = chars,
            MaxPromptTokens = tokens,
            TokenBudgetMode = mode,
        };

    /// <summary>Ten characters a message, which the tests' server counts as ten tokens.</summary>
    private static List<ChatMessage> Talk(int turns) =>
        [.. Enumerable.Range(0, turns).SelectMany(i => new[] { User($"question {i}"), Assistant($"answers: {i}") })];

    private static Task<int?> CharsAsTokens(IReadOnlyList<ReadOnlyMemory<byte>> messages, CancellationToken cancel) =>
        Task.FromResult<int?>(messages.Sum(message => MessageJson.CountChars(message.Span)));

    [Fact]
    public async Task Build_without_budget_sends_all()
    {
        var talk = Talk(50);
        var prompt = await Build(talk, 99, Budget());
        Assert.Equal([.. System.Select(TextOf), .. TextsOf(talk)], prompt.Messages.Select(TextOf));
        var chars = prompt.Messages.Sum(message => MessageJson.CountChars(message.Span));
        Assert.Equal(new PromptBudget(chars, "chars", 0), prompt.Budget);
    }

    [Fact]
    public async Task Build_message_budget_counts_the_conversation_only()
    {
        List<ChatMessage> talk = [.. Talk(5), User("new")];
        var prompt = await Build(talk, 10, Budget(messages: 4));
        Assert.Equal([.. System.Select(TextOf), .. TextsOf(talk[7..])], prompt.Messages.Select(TextOf));
        Assert.Equal(new PromptBudget(4, "messages", 7), prompt.Budget);
    }

    [Fact]
    public async Task Build_new_messages_stay_even_over_budget()
    {
        List<ChatMessage> talk = [.. Talk(2), User("one"), User("two"), User("three")];
        var prompt = await Build(talk, 4, Budget(messages: 1, chars: 1, tokens: 1, mode: TokenBudgetMode.Estimate));
        Assert.Equal([.. System.Select(TextOf), .. TextsOf(talk[4..])], prompt.Messages.Select(TextOf));
        Assert.Equal(4, prompt.Budget.DroppedMessages);
    }

    [Fact]
    public async Task Build_char_budget_counts_the_system_prompt()
    {
        List<ChatMessage> talk = [.. Talk(5), User("0123456789")];
        Assert.Equal(new PromptBudget(44, "chars", 7), (await Build(talk, 10, Budget(chars: 44))).Budget);
        Assert.Equal(new PromptBudget(34, "chars", 8), (await Build(talk, 10, Budget(chars: 43))).Budget);
        Assert.Equal(new PromptBudget(114, "chars", 0), (await Build(talk, 10, Budget(chars: 114))).Budget);
    }

    [Fact]
    public async Task Build_several_budgets_all_hold_and_the_finest_is_reported()
    {
        List<ChatMessage> talk = [.. Talk(5), User("0123456789")];
        Assert.Equal(
            new PromptBudget(24, "chars", 9), (await Build(talk, 10, Budget(messages: 2, chars: 100))).Budget);
        Assert.Equal(
            new PromptBudget(6, "tokens", 9),
            (await Build(talk, 10, Budget(6, chars: 24, tokens: 100, mode: TokenBudgetMode.Estimate))).Budget);
    }

    [Fact]
    public async Task Build_call_and_its_new_result_stay_together()
    {
        List<ChatMessage> talk = [User("U1"), Assistant("A1"), User("U2"), Call("c"), Result("c", "42")];
        var prompt = await Build(talk, 4, Budget(messages: 1));
        Assert.Equal(TextsOf(talk[3..]), prompt.Messages.Skip(1).Select(TextOf));
    }

    [Fact]
    public async Task Build_answer_again_keeps_the_question()
    {
        List<ChatMessage> talk = [User("U1"), Assistant("A1"), User("U2")];
        var prompt = await Build(talk, 3, Budget(messages: 1));
        Assert.Equal(TextsOf(talk[2..]), prompt.Messages.Skip(1).Select(TextOf));
    }

    [Theory]
    [InlineData("Estimate")]
    [InlineData("Auto")]
    public async Task Build_estimate_within_budget_does_not_ask(string modeName)
    {
        var mode = Enum.Parse<TokenBudgetMode>(modeName);
        // 4 + 110 characters, 4 to a token.
        var prompt = await Build([.. Talk(5), User("0123456789")], 10, Budget(tokens: 29, mode: mode));
        Assert.Equal(new PromptBudget(29, "tokens", 0), prompt.Budget);
    }

    [Fact]
    public async Task Build_auto_over_budget_asks_and_believes_the_answer()
    {
        List<ChatMessage> talk = [.. Talk(5), User("0123456789")];
        var prompt = await Build(talk, 10, Budget(tokens: 28), (_, _) => Task.FromResult<int?>(27));
        Assert.Equal(new PromptBudget(27, "tokens", 0), prompt.Budget);
    }

    [Fact]
    public async Task Build_llama_always_asks_and_searches_by_its_counts()
    {
        List<ChatMessage> talk = [.. Talk(500), User("0123456789")];
        var asked = 0;
        var prompt = await Build(talk, 1000, Budget(tokens: 2000, mode: TokenBudgetMode.Llama), (messages, cancel) =>
        {
            asked++;
            return CharsAsTokens(messages, cancel);
        });
        Assert.True(prompt.Budget.Cost <= 2000);
        Assert.True(prompt.Budget.Cost + 12 > 2000, "one more message would not fit");
        Assert.True(asked <= 12, $"asked {asked} times for 1000 messages");
        Assert.Equal(TextOf(talk[prompt.Budget.DroppedMessages].Json), TextOf(prompt.Messages[1]));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Build_server_that_cannot_count_falls_back_to_the_estimate(int answersBefore)
    {
        List<ChatMessage> talk = [.. Talk(5), User("0123456789")];
        var estimated = await Build(talk, 10, Budget(tokens: 15, mode: TokenBudgetMode.Estimate));
        var asked = await Build(talk, 10, Budget(tokens: 15, mode: TokenBudgetMode.Llama), (messages, cancel) =>
            answersBefore-- > 0 ? CharsAsTokens(messages, cancel) : Task.FromResult<int?>(null));
        Assert.Equal(estimated.Budget, asked.Budget);
    }

    [Fact]
    public async Task Build_cancelled_while_asking_ends()
    {
        using var cancel = new CancellationTokenSource();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => PromptBuilder.BuildAsync(
            System, Talk(3), 5, Budget(tokens: 1, mode: TokenBudgetMode.Llama),
            (_, token) => Task.FromCanceled<int?>(token), cancel.Token));
    }

    [Fact]
    public async Task Build_empty_conversation_sends_the_system_prompt()
    {
        var prompt = await Build([], 0, Budget(messages: 1, chars: 1, tokens: 1, mode: TokenBudgetMode.Estimate));
        Assert.Equal(System.Select(TextOf), prompt.Messages.Select(TextOf));
    }

    /// <summary>
    /// Every conversation of up to five messages of four kinds, every split, every budget, against the rules.
    /// </summary>
    [Theory]
    [InlineData("messages", 1)]
    [InlineData("chars", 1)]
    [InlineData("chars", 7)]
    [InlineData("estimate", 2)]
    [InlineData("llama", 1)]
    public async Task Build_all_small_conversations_keep_the_rules(string unit, int charsEach)
    {
        for (var length = 0; length <= 5; length++)
        {
            for (var code = 0; code < 1 << (2 * length); code++)
            {
                var talk = Enumerable.Range(0, length).Select(i => Kind((code >> (2 * i)) & 3, charsEach)).ToList();
                for (var fixedFrom = 0; fixedFrom <= length; fixedFrom++)
                {
                    for (var budget = 1; budget <= length + 1; budget++)
                        await CheckAsync(talk, fixedFrom, unit, budget * (unit == "messages" ? 1 : charsEach));
                }
            }
        }
    }

    private static ChatMessage Kind(int kind, int chars) => kind switch
    {
        0 => User(new string('u', chars)),
        1 => Assistant(new string('a', chars)),
        2 => Json($$$"""{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"{{{new string('f', chars)}}}"}}]}"""),
        _ => Result("c", new string('t', chars)),
    };

    private static async Task CheckAsync(List<ChatMessage> talk, int fixedFrom, string unit, int budget)
    {
        var limits = unit switch
        {
            "messages" => Budget(messages: budget),
            "chars" => Budget(chars: budget),
            "estimate" => Budget(tokens: budget, mode: TokenBudgetMode.Estimate) with { CharsPerToken = 1 },
            _ => Budget(tokens: budget, mode: TokenBudgetMode.Llama),
        };
        var prompt = await Build(talk, fixedFrom, limits, CharsAsTokens, system: []);
        var start = prompt.Budget.DroppedMessages;
        Assert.Equal(TextsOf(talk[start..]), prompt.Messages.Select(TextOf));

        int Cost(int from) => unit == "messages"
            ? talk.Count - from
            : talk[from..].Sum(message => MessageJson.CountChars(message.Json.Span));
        // Where a prompt may begin: at the beginning, or at a message that is no result and not after the first new
        // one.
        var last = Math.Min(fixedFrom, talk.Count - 1);
        var allowed = Enumerable.Range(0, talk.Count + 1)
            .Where(i => i == 0 || (i <= last && !talk[i].IsToolResult)).ToList();
        var expected = allowed.Where(i => Cost(i) <= budget).DefaultIfEmpty(allowed[^1]).First();
        Assert.Equal(expected, start);
        Assert.Equal(Cost(start), prompt.Budget.Cost);
    }
}
