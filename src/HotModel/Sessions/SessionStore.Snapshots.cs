using Microsoft.Data.Sqlite;

namespace HotModel.Sessions;

/// <summary>A slot file and what it holds.</summary>
/// <param name="File">Its name in the folder of snapshots.</param>
/// <param name="Fingerprint">Of the passport under which it is valid.</param>
/// <param name="History">Of the messages that it covers.</param>
/// <param name="ChangedTicks">When it was written, as the file system tells it.</param>
internal sealed record StoredSnapshot(
    string File, long SessionKey, string Model, string Fingerprint, string ModelAndBuild, MessageHash History,
    int Tokens, long Bytes, long ChangedTicks)
{
    /// <summary>What was known of the model before it was loaded; null: not all, or it is from an older version.</summary>
    public string? Setup { get; init; }
    /// <summary>Of evaluating, as the model told it; null: it did not.</summary>
    public double? TokenSeconds { get; init; }
}

/// <summary>Which slot files there are. They go with their sessions, whichever way these go.</summary>
internal sealed partial class SessionStore
{
    private const long SideRequestSpanMs = 10 * 60 * 1000;

    private readonly SnapshotStatements snapshots;

    private sealed class SnapshotStatements(Func<string, int, StoreStatement> statement)
    {
        private const string Columns =
            "SELECT file, session, model, fingerprint, model_and_build, history, tokens, bytes, changed "
            + "FROM snapshots ";

        private const string Updated = "(SELECT updated FROM sessions WHERE key = session)";
        private const string ByConversation = "ORDER BY " + Updated + ", used, created, file";

        public StoreStatement Insert { get; } = statement(
            "INSERT INTO snapshots (file, session, model, fingerprint, model_and_build, history, tokens, bytes, changed, "
            + "created, used, boot, setup, token_seconds) "
            + "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, $12, $13)", 13);

        public StoreStatement Find { get; } = statement(Columns + "WHERE session = $1 AND fingerprint = $2", 2);
        public StoreStatement ByUse { get; } = statement(Columns + ByConversation, 0);
        public StoreStatement MayGo { get; } = statement(
            Columns + "WHERE session IS NOT $2 AND " + Updated + " <= (SELECT updated FROM sessions WHERE key = $1) "
            + ByConversation, 2);
        public StoreStatement NotOnDisk { get; } = statement(
            "SELECT file FROM snapshots WHERE boot IS NOT NULL AND boot <> $1", 1);
        public StoreStatement FilesOfSession { get; } = statement("SELECT file FROM snapshots WHERE session = $1", 1);
        public StoreStatement OfSession { get; } = statement(
            "SELECT model, tokens, bytes, history IS last_hash, setup FROM snapshots JOIN sessions ON key = session "
            + "WHERE session = $1 ORDER BY used DESC, file", 1);

        public StoreStatement TokenSeconds { get; } = statement(
            "SELECT token_seconds FROM snapshots WHERE fingerprint = $1 AND token_seconds IS NOT NULL "
            + "ORDER BY created DESC LIMIT 1", 1);

        public StoreStatement InHistory { get; } = statement(
            "SELECT 1 FROM messages WHERE session = $1 AND replaced = 0 AND hash = $2 LIMIT 1", 2);

        public StoreStatement CountReuse { get; } = statement(
            "UPDATE sessions SET reused_tokens = reused_tokens + $2, saved_seconds = saved_seconds + $3 WHERE key = $1", 3);
        public StoreStatement FilesOfModel { get; } = statement(
            "SELECT file FROM snapshots WHERE model_and_build = $1", 1);
        public StoreStatement Delete { get; } = statement("DELETE FROM snapshots WHERE file = $1", 1);
        public StoreStatement Use { get; } = statement(
            "UPDATE snapshots SET used = $2, setup = coalesce($3, setup) WHERE file = $1", 3);
        public StoreStatement OnDisk { get; } = statement("UPDATE snapshots SET boot = NULL WHERE file = $1", 1);
        public StoreStatement Totals { get; } = statement("SELECT count(*), coalesce(sum(bytes), 0) FROM snapshots", 0);

        // A turn is a question and an answer.
        public StoreStatement Latest { get; } = statement(
            "SELECT key, id FROM sessions "
            + "ORDER BY last_seq > 2 AND updated >= (SELECT max(updated) FROM sessions) - $1 DESC, updated DESC, key DESC "
            + "LIMIT 1", 1);

        public StoreStatement SessionId { get; } = statement("SELECT id FROM sessions WHERE key = $1", 1);

        public StoreStatement Mark { get; } = statement(
            "INSERT OR IGNORE INTO not_restorable (model_and_build, created) VALUES ($1, $2)", 2);
        public StoreStatement IsMarked { get; } = statement(
            "SELECT 1 FROM not_restorable WHERE model_and_build = $1", 1);
    }

    /// <summary>
    /// The conversation that was used last; null where there is none. One of several turns goes before those of one turn that
    /// came in the ten minutes after it: clients ask for titles and proposals between a user's questions.
    /// </summary>
    public (long Key, string Id)? LatestSession()
    {
        lock (sync)
        {
            using var row = snapshots.Latest.Read(SideRequestSpanMs);
            return row.Read() ? (row.GetInt64(0), row.GetString(1)) : null;
        }
    }

    /// <summary>For people; "" where it is deleted.</summary>
    public string IdOf(long sessionKey)
    {
        lock (sync)
            return snapshots.SessionId.Scalar(sessionKey) as string ?? "";
    }

    /// <summary>Of the session that was used last, its newest one of that model which may still be of use.</summary>
    /// <param name="model">Its name.</param>
    /// <param name="setup">What is known of it now.</param>
    public (string SessionId, int Tokens)? LatestSnapshot(string model, string? setup)
    {
        lock (sync)
        {
            if (closed || LatestSession() is not { } session)
                return null;
            foreach (var snapshot in SnapshotsOf(session.Key))
            {
                if (snapshot.Model == model && snapshot.IsUsable(setup) != false)
                    return (session.Id, snapshot.Tokens);
            }
            return null;
        }
    }

    /// <summary>How fast a model evaluated when it was saved last; null: it has not told.</summary>
    public double? TokenSecondsOf(string fingerprint)
    {
        lock (sync)
            return snapshots.TokenSeconds.Scalar(fingerprint) as double?;
    }

    /// <summary>The conversation begins with the messages of that hash. False also for no messages at all.</summary>
    public bool HasInHistory(long sessionKey, MessageHash hash)
    {
        lock (sync)
            return snapshots.InHistory.Scalar(sessionKey, hash.ToBytes()) is not null;
    }

    /// <summary>An answer went on from a snapshot.</summary>
    public void CountReuse(long sessionKey, int tokens, double savedSeconds)
    {
        lock (sync)
            Write(() => snapshots.CountReuse.Run(sessionKey, tokens, savedSeconds));
    }

    /// <summary>Deletes a slot file whose row is gone. Called under the lock.</summary>
    public Action<string>? SnapshotDropped { get; set; }

    /// <summary>Remembers a written file; the one it replaces is deleted.</summary>
    /// <param name="snapshot">The file.</param>
    /// <param name="boot">The system's run in which it was written, from whose cache it has still to reach the disk.
    /// </param>
    /// <returns>Null, or why not.</returns>
    public string? AddSnapshot(StoredSnapshot snapshot, string boot)
    {
        lock (sync)
        {
            string? replaced = null;
            var isDeleted = false;
            var error = Write(() =>
            {
                if (isDeleted = lastSeq.Scalar(snapshot.SessionKey) is null)
                    return;
                replaced = Find(snapshot.SessionKey, snapshot.Fingerprint)?.File;
                if (replaced is not null)
                    snapshots.Delete.Run(replaced);
                snapshots.Insert.Run(
                    snapshot.File, snapshot.SessionKey, snapshot.Model, snapshot.Fingerprint, snapshot.ModelAndBuild,
                    snapshot.History.ToBytes(), snapshot.Tokens, snapshot.Bytes, snapshot.ChangedTicks,
                    Now(), boot, snapshot.Setup, snapshot.TokenSeconds);
            });
            if (error is null && isDeleted)
                return "The session was deleted.";
            if (error is null && replaced is not null)
                DropFile(replaced);
            return error;
        }
    }

    public StoredSnapshot? FindSnapshot(long sessionKey, string fingerprint)
    {
        lock (sync)
            return Find(sessionKey, fingerprint);
    }

    /// <summary>Those of the conversation that was used least recently first.</summary>
    public IReadOnlyList<StoredSnapshot> SnapshotsByUse()
    {
        lock (sync)
            return ReadSnapshots(snapshots.ByUse.Read());
    }

    /// <summary>Those of conversations that were not used since, and its own; in the same order.</summary>
    /// <param name="sessionKey">A conversation.</param>
    /// <param name="sparedKey">One whose files are not among them.</param>
    public IReadOnlyList<StoredSnapshot> SnapshotsThatMayGoFor(long sessionKey, long? sparedKey)
    {
        lock (sync)
            return ReadSnapshots(snapshots.MayGo.Read(sessionKey, sparedKey));
    }

    /// <summary>Those that another run of the system wrote and may have taken with it.</summary>
    public IReadOnlyList<string> SnapshotsOfOtherBoots(string boot)
    {
        lock (sync)
            return Texts(snapshots.NotOnDisk, boot);
    }

    /// <summary>Deletes the file even where a full disk keeps its row: a row without a file is a miss.</summary>
    public void RemoveSnapshot(string file)
    {
        lock (sync)
        {
            Write(() => snapshots.Delete.Run(file));
            DropFile(file);
        }
    }

    /// <param name="file">It was restored.</param>
    /// <param name="setup">What was known of the model before.</param>
    public void UseSnapshot(string file, string? setup)
    {
        lock (sync)
            Write(() => snapshots.Use.Run(file, Now(), setup));
    }

    public void SnapshotIsOnDisk(string file)
    {
        lock (sync)
            Write(() => snapshots.OnDisk.Run(file));
    }

    public (long Count, long Bytes) SnapshotTotals()
    {
        lock (sync)
        {
            using var row = snapshots.Totals.Read();
            row.Read();
            return (row.GetInt64(0), row.GetInt64(1));
        }
    }

    public bool IsRestorable(string modelAndBuild)
    {
        lock (sync)
            return snapshots.IsMarked.Scalar(modelAndBuild) is null;
    }

    /// <summary>Remembers that restoring does not help there, and deletes what was kept for it.</summary>
    public void MarkNotRestorable(string modelAndBuild)
    {
        lock (sync)
        {
            Write(() => snapshots.Mark.Run(modelAndBuild, Now()));
            foreach (var file in Texts(snapshots.FilesOfModel, modelAndBuild))
                RemoveSnapshot(file);
        }
    }

    private List<SessionSnapshot> SnapshotsOf(long sessionKey)
    {
        var all = new List<SessionSnapshot>();
        using var row = snapshots.OfSession.Read(sessionKey);
        while (row.Read())
        {
            all.Add(new SessionSnapshot(row.GetString(0), (int)row.GetInt64(1), row.GetInt64(2), row.GetInt64(3) != 0,
                row.IsDBNull(4) ? null : row.GetString(4)));
        }
        return all;
    }

    private StoredSnapshot? Find(long sessionKey, string fingerprint)
    {
        using var row = snapshots.Find.Read(sessionKey, fingerprint);
        return row.Read() ? ReadSnapshot(row) : null;
    }

    private void DropFile(string file) => SnapshotDropped?.Invoke(file);

    private long Now() => time.GetUtcNow().ToUnixTimeMilliseconds();

    private static List<string> Texts(StoreStatement statement, object value)
    {
        var texts = new List<string>();
        using var row = statement.Read(value);
        while (row.Read())
            texts.Add(row.GetString(0));
        return texts;
    }

    private static List<StoredSnapshot> ReadSnapshots(SqliteDataReader rows)
    {
        using var row = rows;
        var all = new List<StoredSnapshot>();
        while (row.Read())
            all.Add(ReadSnapshot(row));
        return all;
    }

    private static StoredSnapshot ReadSnapshot(SqliteDataReader row) => new(
        row.GetString(0), row.GetInt64(1), row.GetString(2), row.GetString(3), row.GetString(4),
        MessageHash.FromBytes(row.GetFieldValue<byte[]>(5)), (int)row.GetInt64(6), row.GetInt64(7),
        row.GetInt64(8));
}
