using System.Globalization;
using Microsoft.Data.Sqlite;

namespace HotModel.Sessions;

/// <summary>The tables, as the steps from each version of the file to the next.</summary>
internal static class StoreSchema
{
    /// <summary>"HotM": tells our file from any other SQLite database.</summary>
    private const long ApplicationId = 0x486F744D;

    /// <summary>Step i leads from version i to i + 1. A step that was released never changes.</summary>
    public static readonly IReadOnlyList<string> Steps =
    [
        // AUTOINCREMENT: a turn may outlive its deleted session and must not find another under the old key.
        // last_hash is the rolling hash of the last message that is still history: how a conversation is recognised.
        // json comes last in its row, so that counting and hashing never read through a large message.
        """
        CREATE TABLE settings (
            name TEXT NOT NULL PRIMARY KEY,
            value TEXT NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE sessions (
            key INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            created INTEGER NOT NULL,
            updated INTEGER NOT NULL,
            last_seq INTEGER NOT NULL,
            last_hash BLOB,
            client_system BLOB
        );
        CREATE INDEX sessions_by_last_hash ON sessions (last_hash, updated);
        CREATE INDEX sessions_by_updated ON sessions (updated);
        CREATE TABLE messages (
            session INTEGER NOT NULL REFERENCES sessions (key) ON DELETE CASCADE,
            seq INTEGER NOT NULL,
            role TEXT NOT NULL,
            model TEXT,
            created INTEGER NOT NULL,
            replaced INTEGER NOT NULL DEFAULT 0,
            hash BLOB NOT NULL,
            json BLOB NOT NULL,
            PRIMARY KEY (session, seq)
        );
        """,
        // boot: in which run of the operating system the file was written, until it is known to be on the disk.
        """
        CREATE TABLE snapshots (
            file TEXT NOT NULL PRIMARY KEY,
            session INTEGER NOT NULL REFERENCES sessions (key) ON DELETE CASCADE,
            model TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            model_and_build TEXT NOT NULL,
            history BLOB NOT NULL,
            tokens INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            created INTEGER NOT NULL,
            used INTEGER NOT NULL,
            boot TEXT,
            UNIQUE (session, fingerprint)
        ) WITHOUT ROWID;
        CREATE TABLE not_restorable (
            model_and_build TEXT NOT NULL PRIMARY KEY,
            created INTEGER NOT NULL
        ) WITHOUT ROWID;
        """,
        // changed: of a file of which it is not known no file has the time, so such files are deleted.
        """
        ALTER TABLE snapshots ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
        """,
        """
        CREATE TABLE footprints (
            fingerprint TEXT NOT NULL,
            device TEXT NOT NULL,
            build TEXT NOT NULL,
            bytes INTEGER NOT NULL,
            estimated INTEGER,
            created INTEGER NOT NULL,
            PRIMARY KEY (fingerprint, device)
        ) WITHOUT ROWID;
        """,
        // setup: what was known of the model before it was loaded. token_seconds: how fast it evaluates.
        """
        ALTER TABLE snapshots ADD COLUMN setup TEXT;
        ALTER TABLE snapshots ADD COLUMN token_seconds REAL;
        ALTER TABLE sessions ADD COLUMN reused_tokens INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE sessions ADD COLUMN saved_seconds REAL NOT NULL DEFAULT 0;
        """,
        // In seconds.
        """
        CREATE TABLE model_times (
            model TEXT NOT NULL PRIMARY KEY,
            load REAL,
            load_deviation REAL,
            unload REAL,
            unload_deviation REAL,
            answer REAL,
            answer_deviation REAL
        ) WITHOUT ROWID;
        """,
    ];

    /// <summary>Brings the file to the newest version, one transaction a step.</summary>
    /// <exception cref="InvalidDataException">The file is of a newer version, or somebody else's.</exception>
    public static void Upgrade(SqliteConnection connection, IReadOnlyList<string> steps)
    {
        var version = Number(connection, "PRAGMA user_version");
        var ours = Number(connection, "PRAGMA application_id") == ApplicationId;
        if (!ours && (version != 0 || Number(connection, "SELECT count(*) FROM sqlite_master") != 0))
            throw new InvalidDataException($"{connection.DataSource} is a database of another program. Move it away.");
        if (version > steps.Count)
        {
            throw new InvalidDataException(
                $"{connection.DataSource} was written by a newer hotmodel (format {version}; this one knows up to "
                + $"{steps.Count}). Use that version, or move the file away to start with an empty one.");
        }
        for (var step = (int)version; step < steps.Count; step++)
        {
            var next = (step + 1).ToString(CultureInfo.InvariantCulture);
            Run(connection,
                $"BEGIN IMMEDIATE; {steps[step]} PRAGMA application_id = {ApplicationId}; "
                + $"PRAGMA user_version = {next}; COMMIT;");
        }
    }

    public static void Run(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    public static long Number(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return (long)command.ExecuteScalar()!;
    }
}
