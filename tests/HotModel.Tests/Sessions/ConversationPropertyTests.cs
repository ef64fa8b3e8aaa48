using System.Text;
using System.Text.Json;
using HotModel.Sessions;
using static HotModel.Tests.Sessions.StateFolder;

namespace HotModel.Tests.Sessions;

/// <summary>
/// Random clients of several kinds talk at random; whatever they do, each message of each conversation is stored once
/// and in order, and what is sent is the conversation as the client sees it. The seed is in the test's name.
/// </summary>
public class ConversationPropertyTests
{
    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 40)];

    private enum Kind { NamedAppending, NamedResending, Unnamed }

    private sealed class Client
    {
        public required Kind Kind { get; init; }
        public required string? Name { get; init; }
        public string? Session { get; set; }
        /// <summary>What the client sees, and what must be live in the store.</summary>
        public List<ChatMessage> Conversation { get; set; } = [];
        /// <summary>All that was ever stored of the session.</summary>
        public int EverStored { get; set; }
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task Random_conversations_are_stored_once_and_in_order(int seed)
    {
        using var folder = new StateFolder();
        using var store = folder.Open();
        var conversations = new Conversations(store, folder.Time);
        var random = new Random(seed);
        var clients = Enumerable.Range(0, 5).Select(i =>
        {
            var kind = (Kind)random.Next(3);
            return new Client { Kind = kind, Name = kind == Kind.Unnamed ? null : $"client{i}" };
        }).ToList();
        var serial = 0;
        for (var step = 0; step < 60; step++)
        {
            folder.Time.Advance(TimeSpan.FromSeconds(1));
            await Step(clients[random.Next(clients.Count)]);
        }

        foreach (var client in clients.Where(client => client.Session is not null))
        {
            Assert.Equal(TextsOf(client.Conversation), StoredIn(store, client.Session!));
            var all = store.Read(client.Session!, includeReplaced: true)!.Messages;
            Assert.Equal(
                Enumerable.Range(1, client.EverStored), all.Select(message => (int)message.Seq));
            Assert.Equal(all.Count, all.Select(message => TextOf(message.Json)).Distinct().Count());
        }

        async Task Step(Client client)
        {
            var (kept, fresh) = NextMessages(client);
            var resends = client.Kind != Kind.NamedAppending;
            var replaces = kept.Count < client.Conversation.Count;
            ChatMessage[] messages = [
                .. random.Next(3) == 0 ? [Instruction($"now {serial++}")] : Array.Empty<ChatMessage>(),
                .. resends ? kept.Select(Rewritten) : [], .. fresh];
            using var turn = await conversations.BeginAsync(client.Name, messages, TimeSpan.Zero, default);
            Assert.Equal(
                HashOf([.. kept, .. fresh]), HashOf([.. turn!.History, .. turn.Incoming]));
            if (random.Next(6) == 0)
                return;
            var answer = random.Next(4) == 0
                ? Call($"call{serial++}", """{"a": 1}""")
                : Assistant($"answer {serial++}");
            Assert.True(turn.Complete(answer.Json, "m").Stored);
            if (client.Kind == Kind.Unnamed)
            {
                // Only an edit, or a conversation not stored before, makes a new session.
                Assert.Equal(replaces || client.Session is null, turn.IsNew);
                client.EverStored = turn.IsNew ? kept.Count : client.EverStored;
                client.Session = turn.SessionId;
                // A new session holds the messages as this request wrote them.
                if (turn.IsNew)
                    kept = [.. turn.Incoming.Take(kept.Count)];
            }
            client.Session ??= turn.SessionId;
            client.Conversation = [.. kept, .. fresh, answer];
            client.EverStored += fresh.Count + 1;
        }

        // What the client sends again of its conversation, and what it adds.
        (List<ChatMessage> Kept, List<ChatMessage> Fresh) NextMessages(Client client)
        {
            var kept = client.Conversation.ToList();
            if (kept is [.., { HasToolCalls: true } call])
            {
                var id = JsonDocument.Parse(call.Json).RootElement.GetProperty("tool_calls")[0].GetProperty("id");
                return (kept, [Result(id.GetString()!, $"result {serial++}")]);
            }
            var firstAnswer = kept.FindIndex(message => message.Role == "assistant");
            if (client.Kind != Kind.NamedAppending && firstAnswer >= 0 && random.Next(4) == 0)
            {
                // An edit: cut after some answer; or the last answer again.
                var cuts = Enumerable.Range(firstAnswer + 1, kept.Count - firstAnswer - 1)
                    .Where(i => !kept[i].IsToolResult).ToList();
                if (cuts.Count > 0)
                {
                    kept = kept[..cuts[random.Next(cuts.Count)]];
                    if (kept[^1] is { Role: "user" or "tool" } && random.Next(2) == 0)
                        return (kept, []);
                }
            }
            return (kept, [.. Enumerable.Range(0, random.Next(1, 3)).Select(_ => User($"question {serial++}"))]);
        }

        // The same message as another client library would write it.
        ChatMessage Rewritten(ChatMessage message)
        {
            if (random.Next(2) == 0)
                return message;
            using var document = JsonDocument.Parse(message.Json);
            using var written = new MemoryStream();
            using (var writer = new Utf8JsonWriter(written, new JsonWriterOptions { Indented = random.Next(2) == 0 }))
            {
                writer.WriteStartObject();
                writer.WriteNull("refusal");
                foreach (var property in document.RootElement.EnumerateObject().Reverse())
                {
                    writer.WritePropertyName(property.Name);
                    if (property.Name == "content" && property.Value.ValueKind == JsonValueKind.String)
                        writer.WriteRawValue($$"""[{"type":"text","text":{{property.Value.GetRawText()}}}]""");
                    else if (property.Name == "content" && property.Value.ValueKind == JsonValueKind.Null)
                        writer.WriteStringValue("");
                    else
                        property.Value.WriteTo(writer);
                }
                writer.WriteEndObject();
            }
            return MessageJson.Read(written.ToArray());
        }
    }

    private static MessageHash HashOf(IEnumerable<ChatMessage> messages) =>
        messages.Aggregate(MessageHash.Start, (hash, message) => hash.Next(message.Json.Span));

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Concurrent_turns_of_named_sessions_are_stored_whole(int seed)
    {
        using var folder = new StateFolder();
        using var store = folder.Open();
        var conversations = new Conversations(store, TimeProvider.System);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(async () =>
        {
            var random = new Random((seed * 100) + worker);
            for (var i = 0; i < 30; i++)
            {
                var id = $"s{random.Next(3)}";
                using var turn = await conversations.BeginAsync(
                    id, [User($"{worker}.{i}")], TimeSpan.FromMinutes(1), default);
                await Task.Yield();
                Assert.True(turn!.Complete(Assistant($"re {worker}.{i}").Json, "m").Stored);
            }
        })));
        var stored = Enumerable.Range(0, 3).Select(i => store.Read($"s{i}", true)!.Messages).ToList();
        Assert.Equal(8 * 30 * 2, stored.Sum(messages => messages.Count));
        foreach (var messages in stored)
        {
            for (var i = 0; i < messages.Count; i += 2)
                Assert.Equal(AnswerTo(messages[i].Json), TextOf(messages[i + 1].Json));
        }

        static string AnswerTo(ReadOnlyMemory<byte> question) =>
            TextOf(Assistant("re " + JsonDocument.Parse(question).RootElement.GetProperty("content").GetString()).Json);
    }
}
