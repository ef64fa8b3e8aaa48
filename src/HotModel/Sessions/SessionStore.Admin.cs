using System.Buffers;
using Microsoft.Data.Sqlite;

namespace HotModel.Sessions;

/// <summary>What people look at: lists, one session whole.</summary>
internal sealed partial class SessionStore
{
    private const int PreviewChars = 80;

    private readonly StoreStatement listSessions, readSummary, readModels, readFirstUser, readMessages;

    /// <summary>The most recently used first.</summary>
    public SessionPage List(int limit, int offset)
    {
        lock (sync)
        {
            var rows = new List<SummaryRow>();
            using (var row = listSessions.Read(limit, offset))
            {
                while (row.Read())
                    rows.Add(ReadSummaryRow(row));
            }
            return new SessionPage((long)countSessions.Scalar()!, rows.ConvertAll(Summarise));
        }
    }

    /// <param name="id">The session.</param>
    /// <param name="includeReplaced">Also what is no longer history, in its place.</param>
    public StoredSession? Read(string id, bool includeReplaced)
    {
        lock (sync)
        {
            SummaryRow summary;
            IReadOnlyList<ReadOnlyMemory<byte>> clientSystem;
            using (var row = readSummary.Read(id))
            {
                if (!row.Read())
                    return null;
                summary = ReadSummaryRow(row);
                clientSystem = ReadClientSystem(row, 7);
            }
            var messages = new List<StoredMessage>();
            using (var row = readMessages.Read(summary.Key, includeReplaced ? 1 : 0))
            {
                while (row.Read())
                {
                    messages.Add(new StoredMessage(
                        row.GetInt64(0), row.GetString(1), row.IsDBNull(2) ? null : row.GetString(2),
                        DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(3)), row.GetInt64(4) != 0,
                        row.GetFieldValue<byte[]>(5)));
                }
            }
            return new StoredSession(Summarise(summary), clientSystem, messages);
        }
    }

    private void PrepareAdmin(
        out StoreStatement list, out StoreStatement summary, out StoreStatement models, out StoreStatement firstUser,
        out StoreStatement messages)
    {
        const string columns =
            "SELECT key, id, created, updated, "
            + "(SELECT count(*) FROM messages WHERE session = key AND replaced = 0), reused_tokens, saved_seconds, "
            + "client_system FROM sessions ";
        list = Statement(columns + "ORDER BY updated DESC, key DESC LIMIT $1 OFFSET $2", 2);
        summary = Statement(columns + "WHERE id = $1", 1);
        models = Statement(
            "SELECT model FROM messages WHERE session = $1 AND replaced = 0 AND model IS NOT NULL "
            + "GROUP BY model ORDER BY min(seq)", 1);
        firstUser = Statement(
            "SELECT json FROM messages WHERE session = $1 AND replaced = 0 AND role = 'user' ORDER BY seq LIMIT 1", 1);
        messages = Statement(
            "SELECT seq, role, model, created, replaced, json FROM messages "
            + "WHERE session = $1 AND replaced <= $2 ORDER BY seq", 2);
    }

    private readonly record struct SummaryRow(
        long Key, string Id, long Created, long Updated, long Messages, long ReusedTokens, double SavedSeconds);

    private static SummaryRow ReadSummaryRow(SqliteDataReader row) => new(
        row.GetInt64(0), row.GetString(1), row.GetInt64(2), row.GetInt64(3), row.GetInt64(4), row.GetInt64(5),
        row.GetDouble(6));

    private SessionSummary Summarise(SummaryRow row)
    {
        var models = new List<string>();
        using (var model = readModels.Read(row.Key))
        {
            while (model.Read())
                models.Add(model.GetString(0));
        }
        var firstUser = readFirstUser.Scalar(row.Key) as byte[];
        return new SessionSummary(
            row.Id,
            DateTimeOffset.FromUnixTimeMilliseconds(row.Created),
            DateTimeOffset.FromUnixTimeMilliseconds(row.Updated),
            (int)row.Messages,
            models,
            SnapshotsOf(row.Key),
            row.ReusedTokens,
            Math.Round(row.SavedSeconds, 3),
            firstUser is null ? "" : Preview(firstUser));
    }

    private static string Preview(byte[] messageJson)
    {
        var text = (MessageJson.PlainText(messageJson) ?? "").ReplaceLineEndings(" ").Trim();
        if (text.Length <= PreviewChars)
            return text;
        var end = char.IsHighSurrogate(text[PreviewChars - 1]) ? PreviewChars - 1 : PreviewChars;
        return string.Concat(text.AsSpan(0, end), "…");
    }
}
