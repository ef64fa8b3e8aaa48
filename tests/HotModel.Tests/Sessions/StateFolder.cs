using System.Text;
using System.Text.Json;
using HotModel.Configuration;
using HotModel.Sessions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace HotModel.Tests.Sessions;

/// <summary>A state directory that goes with its test, and short ways to write messages.</summary>
internal sealed class StateFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("hotmodel-test-").FullName;
    public string Database => System.IO.Path.Combine(Path, SessionStore.FileName);
    public SettableTime Time { get; } = new();

    public static SessionConfig Limits(int maxSessions = 1000, int? expireDays = null) => new()
    {
        MaxSessionMessages = null,
        MaxPromptChars = null,
        MaxPromptTokens = null,
        TokenBudgetMode = TokenBudgetMode.Auto,
        CharsPerToken = 4,
        MaxSessions = maxSessions,
        ExpireDays = expireDays,
    };

    public SessionStore Open(SessionConfig? limits = null, ILogger? logger = null) =>
        SessionStore.Open(Path, limits ?? Limits(), Time, logger);

    public static ChatMessage Message(string role, string content) => Json(
        $$"""{"role":{{Quote(role)}},"content":{{Quote(content)}}}""");

    public static ChatMessage User(string content) => Message("user", content);
    public static ChatMessage Assistant(string content) => Message("assistant", content);
    public static ChatMessage Instruction(string content) => Message("system", content);

    public static ChatMessage Call(string id, string arguments = "{}") => Json(
        $$$"""
        {"role":"assistant","content":null,"tool_calls":[{"id":"{{{id}}}","type":"function",
        "function":{"name":"f","arguments":{{{Quote(arguments)}}}}}]}
        """);

    public static ChatMessage Result(string id, string content) => Json(
        $$"""{"role":"tool","tool_call_id":"{{id}}","content":{{Quote(content)}}}""");

    public static ChatMessage Json(string json) => MessageJson.Read(Encoding.UTF8.GetBytes(json));

    public static string TextOf(ReadOnlyMemory<byte> json) => Encoding.UTF8.GetString(json.Span);

    public static IReadOnlyList<string> TextsOf(IEnumerable<ChatMessage> messages) =>
        [.. messages.Select(message => TextOf(message.Json))];

    public static IReadOnlyList<string> StoredIn(SessionStore store, string id, bool all = false) =>
        [.. store.Read(id, all)!.Messages.Select(message => TextOf(message.Json))];

    public void Dispose() => Directory.Delete(Path, recursive: true);

    private static string Quote(string text) => "\"" + JsonEncodedText.Encode(text) + "\"";
}

/// <summary>Time whose clock somebody sets.</summary>
internal sealed class SettableTime() : FakeTimeProvider(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero))
{
    /// <summary>By how much it is wrong.</summary>
    public TimeSpan ClockError { private get; set; }

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + ClockError;

    public override long GetTimestamp() => base.GetUtcNow().Ticks;
}
