using System.Text;
using HotModel.Configuration;
using HotModel.Llama;
using HotModel.Proxy;
using HotModel.Sessions;

namespace HotModel.Prefill;

/// <param name="History">Of the conversation so far.</param>
/// <param name="Tokens">That its next prompt begins with, whatever is asked.</param>
internal sealed record Beginning(string Session, MessageHash History, PromptTokens Tokens);

/// <summary>How the next prompt of the conversation that was used last will begin.</summary>
internal sealed class NextPrompt(LiveConfig live, SessionStore store, Forwarder forwarder, TimeProvider time)
{
    // What two prompts have in common that differ in their questions does not depend on the question. Templates may write
    // the same conversation otherwise once another question follows, so it cannot be had from the conversation alone.
    private static readonly ChatMessage[] Questions = [Question("A"), Question("0")];

    // Side requests of clients, for a title or for proposals, come between a conversation's own.
    private const int MostShapes = 16;

    private readonly Lock sync = new();
    // The most recently used last.
    private readonly List<(string Session, ChatRequest Request)> shapes = [];

    /// <summary>
    /// A request of the conversation has been answered: the next one will have the same tools and other settings. They are
    /// forgotten with the program, whose end saves the slots.
    /// </summary>
    public void Remember(string session, ChatRequest request)
    {
        var shape = request.WithoutMessages();
        lock (sync)
        {
            if (shapes.RemoveAll(known => known.Session == session) == 0 && shapes.Count == MostShapes)
                shapes.RemoveAt(0);
            shapes.Add((session, shape));
        }
    }

    /// <summary>Null where there is no conversation, or where it cannot be known how it goes on.</summary>
    public async Task<Beginning?> BuildAsync(Upstream upstream, CancellationToken cancel)
    {
        if (store.LatestSession() is not { } latest || store.Find(latest.Id) is not { } head)
            return null;
        var history = store.ReadHistory(head.Key);
        if (!IsOpen(history) || Shape(latest.Id, history) is not { } shape)
            return null;
        var config = live.Current;
        var system = SystemPrompt.Build(config.Preset, [.. head.ClientSystem.Select(MessageJson.Read)]);
        var tokenizer = new UpstreamTokenizer(forwarder, time, shape, upstream, cancel);
        var prompts = new ReadOnlyMemory<byte>[Questions.Length];
        for (var i = 0; i < prompts.Length; i++)
        {
            var prompt = await PromptBuilder.BuildAsync(
                system, [.. history, Questions[i]], history.Count, config.Session, tokenizer.CountAsync, cancel);
            // Where the next question leaves out more than this one, they do not begin alike.
            if (prompt.Budget.DroppedMessages > 0
                || await tokenizer.TokensAsync(prompt.Messages, cancel) is not { } tokens)
                return null;
            prompts[i] = tokens;
        }
        return PromptTokens.CommonOf(prompts[0], prompts[1]) is { } common
            ? new Beginning(latest.Id, head.LastHash, common) : null;
    }

    /// <summary>False: the conversation has gone on, or is deleted.</summary>
    public bool IsStill(Beginning beginning) => store.Find(beginning.Session)?.LastHash == beginning.History;

    public bool IsThere(string session) => store.Find(session) is not null;

    /// <summary>Calls of tools want results, not a question; what images become, only their request says.</summary>
    private static bool IsOpen(IReadOnlyList<ChatMessage> history) =>
        history is [.., { Role: "assistant", HasToolCalls: false }]
        && history.All(message => MessageJson.PlainText(message.Json.Span) is not null);

    private ChatRequest? Shape(string session, IReadOnlyList<ChatMessage> history)
    {
        lock (sync)
        {
            if (shapes.FindIndex(known => known.Session == session) is >= 0 and var at)
                return shapes[at].Request;
        }
        return history.Any(message => message.HasToolCalls || message.IsToolResult) ? null : ChatRequest.Plain;
    }

    private static ChatMessage Question(string text) =>
        MessageJson.Read(Encoding.UTF8.GetBytes($$"""{"role":"user","content":"{{text}}"}"""));
}
