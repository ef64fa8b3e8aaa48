using Microsoft.Data.Sqlite;

namespace Soak;

/// <summary>What hotmodel has left in its state directory, read with SQLite itself.</summary>
/// <param name="Integrity">What PRAGMA integrity_check says.</param>
/// <param name="Sessions">In the store.</param>
/// <param name="Doubled">Questions that stand in it twice. No client asks one twice.</param>
/// <param name="Torn">Sessions that are not question, answer, question, answer.</param>
/// <param name="StraySnapshots">Snapshots without a file, and files without a snapshot.</param>
/// <param name="StrayFiles">That were to be renamed or deleted.</param>
internal sealed record StoreCheck(
    string Integrity, long Sessions, long Doubled, long Torn, long StraySnapshots, long StrayFiles)
{
    public static StoreCheck Of(string folder)
    {
        SQLitePCL.raw.SetProvider(new SQLitePCL.SQLite3Provider_sqlite3());
        using var store = new SqliteConnection($"Data Source={Path.Combine(folder, "hotmodel.db")};Pooling=False");
        store.Open();
        var listed = Texts(store, "SELECT file FROM snapshots").ToHashSet();
        var there = Directory.EnumerateFiles(Path.Combine(folder, "snapshots")).Select(f => Path.GetFileName(f)).ToHashSet();
        listed.SymmetricExceptWith(there);
        return new(
            string.Join(", ", Texts(store, "PRAGMA integrity_check")),
            Number(store, "SELECT count(*) FROM sessions"),
            Number(store, "SELECT count(*) FROM (SELECT 1 FROM messages WHERE role = 'user' GROUP BY json HAVING count(*) > 1)"),
            Number(store, """
                SELECT count(*) FROM (
                    SELECT 1 FROM messages GROUP BY session
                    HAVING count(*) % 2 = 1 OR max(seq) <> count(*)
                        OR sum(role <> CASE seq % 2 WHEN 1 THEN 'user' ELSE 'assistant' END) > 0)
                """),
            listed.Count,
            Directory.EnumerateFiles(folder).Count(f => f.EndsWith(".tmp", StringComparison.Ordinal)
                || f.EndsWith(".new", StringComparison.Ordinal)));
    }

    private static long Number(SqliteConnection store, string sql)
    {
        using SqliteCommand command = Command(store, sql);
        return (long)command.ExecuteScalar()!;
    }

    private static List<string> Texts(SqliteConnection store, string sql)
    {
        using SqliteCommand command = Command(store, sql);
        using SqliteDataReader row = command.ExecuteReader();
        List<string> texts = [];
        while (row.Read())
            texts.Add(row.GetString(0));
        return texts;
    }

    private static SqliteCommand Command(SqliteConnection store, string sql)
    {
        SqliteCommand command = store.CreateCommand();
        command.CommandText = sql;
        return command;
    }
}
