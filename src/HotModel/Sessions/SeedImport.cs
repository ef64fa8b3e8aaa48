using System.Globalization;
using System.Text.Json;

namespace HotModel.Sessions;

/// <summary>
/// Takes over the conversations of a HotModelReplacement state file, once. Its exact shape is not documented: sessions
/// may be an object by id or a list with ids, each an object with messages or the list of messages itself.
/// </summary>
internal static class SeedImport
{
    private const string DoneSetting = "seed_imported";

    /// <summary>Never changes the file. What it does not understand is logged and left out.</summary>
    public static void Run(SessionStore store, string statePath, TimeProvider time, ILogger logger)
    {
        if (store.GetSetting(DoneSetting) is not null || !File.Exists(statePath))
            return;
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(File.ReadAllBytes(statePath));
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            // Not remembered as done: the file may be mended.
            SessionLog.ImportSkipped(logger, statePath, e.Message);
            return;
        }
        using (document)
        {
            var (imported, skipped) = (0, 0);
            foreach (var (id, session) in Sessions(document.RootElement))
            {
                var name = SessionId.TryValidate(id, out _) ? id : SessionId.New();
                if (name != id)
                    SessionLog.ImportRenamed(logger, statePath, id, name);
                if (Import(store, name, session) is { } problem)
                {
                    skipped++;
                    SessionLog.ImportSkipped(logger, statePath, problem);
                }
                else
                {
                    imported++;
                }
            }
            if (store.LastActiveModel is null && Text(document.RootElement, "active_model") is { Length: > 0 } model)
                store.LastActiveModel = model;
            store.SetSetting(DoneSetting, time.GetUtcNow().ToString("O", CultureInfo.InvariantCulture));
            SessionLog.Imported(logger, imported, skipped, statePath);
        }
    }

    private static IEnumerable<(string Id, JsonElement Session)> Sessions(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("sessions", out var sessions))
            return [];
        return sessions.ValueKind switch
        {
            JsonValueKind.Object => sessions.EnumerateObject().Select(item => (item.Name, item.Value)),
            JsonValueKind.Array => sessions.EnumerateArray()
                .Select(item => (Text(item, "session_id") ?? Text(item, "id") ?? "", item)),
            _ => [],
        };
    }

    /// <summary>Null, or why the session was left out.</summary>
    private static string? Import(SessionStore store, string id, JsonElement session)
    {
        if (Messages(session) is not { } messages)
            return $"session {id}: it has no list of messages with a role each";
        if (store.Find(id) is not null)
            return $"session {id}: there is already one of this name";
        var system = messages.TakeWhile(message => message.IsSystem).Select(message => message.Json).ToList();
        if (messages.Count == system.Count)
            return $"session {id}: it is empty";
        var hash = MessageHash.Start;
        var rest = new List<NewMessage>();
        foreach (var message in messages.Skip(system.Count))
        {
            hash = hash.Next(message.Json.Span);
            rest.Add(new NewMessage(message.Role, message.Json, hash, Model: null));
        }
        var result = store.Append(
            new TurnWrite(id, Key: null, ReplaceFromSeq: null, system.Count > 0 ? system : null, rest), _ => false);
        return result.Stored ? null : $"session {id}: {result.Error}";
    }

    private static List<ChatMessage>? Messages(JsonElement session)
    {
        var list = session.ValueKind == JsonValueKind.Object && session.TryGetProperty("messages", out var inner)
            ? inner
            : session;
        if (list.ValueKind != JsonValueKind.Array)
            return null;
        var messages = new List<ChatMessage>();
        foreach (var item in list.EnumerateArray())
        {
            if (Text(item, "role") is not { Length: > 0 })
                return null;
            messages.Add(MessageJson.Read(System.Text.Encoding.UTF8.GetBytes(item.GetRawText())));
        }
        return messages;
    }

    private static string? Text(JsonElement item, string property) =>
        item.ValueKind == JsonValueKind.Object && item.TryGetProperty(property, out var value)
            && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;
}
