using HotModel.Configuration;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;
using SQLitePCL;

namespace HotModel.Sessions;

/// <summary>
/// The conversations on disk: one SQLite file, one inserted row per message. All calls are synchronous, short, and may
/// come from any thread.
/// </summary>
internal sealed partial class SessionStore : IDisposable
{
    public const string FileName = "hotmodel.db";

    /// <summary>
    /// How often finished turns look for expired sessions. The unit of expire_days is a day: an hour is fine.
    /// </summary>
    private static readonly TimeSpan SweepInterval = TimeSpan.FromHours(1);

    private readonly Lock sync = new();
    private readonly SqliteConnection connection;
    private volatile SessionConfig limits;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly List<StoreStatement> statements = [];
    private readonly StoreStatement begin, commit, rollback;
    private readonly StoreStatement getSetting, setSetting, removeSetting;
    private readonly StoreStatement findById, findByLastHash, readHashes, readHistory;
    private readonly StoreStatement insertSession, insertMessage, updateSession, replaceFrom, lastSeq, newKey;
    private readonly StoreStatement countSessions, leastRecent, expired, deleteByKey;
    private (long Timestamp, DateTimeOffset Clock) swept;
    private string? lastActiveModel;
    private long failedWrites;
    private bool closed;

    private SessionStore(SqliteConnection connection, SessionConfig limits, TimeProvider time, ILogger logger)
    {
        this.connection = connection;
        this.limits = limits;
        this.time = time;
        this.logger = logger;
        swept = (time.GetTimestamp(), time.GetUtcNow());
        const string head = "SELECT key, id, last_hash, client_system FROM sessions ";
        begin = Statement("BEGIN IMMEDIATE", 0);
        commit = Statement("COMMIT", 0);
        rollback = Statement("ROLLBACK", 0);
        getSetting = Statement("SELECT value FROM settings WHERE name = $1", 1);
        setSetting = Statement("INSERT OR REPLACE INTO settings (name, value) VALUES ($1, $2)", 2);
        removeSetting = Statement("DELETE FROM settings WHERE name = $1", 1);
        findById = Statement(head + "WHERE id = $1", 1);
        findByLastHash = Statement(head + "WHERE last_hash = $1 ORDER BY updated DESC LIMIT 8", 1);
        readHashes = Statement("SELECT seq, hash FROM messages WHERE session = $1 AND replaced = 0 ORDER BY seq", 1);
        readHistory = Statement("SELECT json FROM messages WHERE session = $1 AND replaced = 0 ORDER BY seq", 1);
        insertSession = Statement("INSERT INTO sessions (id, created, updated, last_seq) VALUES ($1, $2, $2, 0)", 2);
        newKey = Statement("SELECT last_insert_rowid()", 0);
        lastSeq = Statement("SELECT last_seq FROM sessions WHERE key = $1", 1);
        insertMessage = Statement(
            "INSERT INTO messages (session, seq, role, model, created, hash, json) "
            + "VALUES ($1, $2, $3, $4, $5, $6, $7)", 7);
        updateSession = Statement(
            "UPDATE sessions SET updated = $2, last_seq = $3, last_hash = $4, "
            + "client_system = coalesce($5, client_system) WHERE key = $1", 5);
        replaceFrom = Statement(
            "UPDATE messages SET replaced = 1 WHERE session = $1 AND seq >= $2 AND replaced = 0", 2);
        countSessions = Statement("SELECT count(*) FROM sessions", 0);
        leastRecent = Statement("SELECT key, id FROM sessions ORDER BY updated, key", 0);
        expired = Statement("SELECT key, id FROM sessions WHERE updated < $1", 1);
        deleteByKey = Statement("DELETE FROM sessions WHERE key = $1", 1);
        snapshots = new SnapshotStatements(Statement);
        footprints = new FootprintStatements(Statement);
        keepTimes = Statement("INSERT OR REPLACE INTO model_times VALUES ($1, $2, $3, $4, $5, $6, $7)", 7);
        readTimes = Statement("SELECT * FROM model_times", 0);
        PrepareAdmin(out listSessions, out readSummary, out readModels, out readFirstUser, out readMessages);
        lastActiveModel = getSetting.Scalar("last_active_model") as string;
    }

    /// <summary>Hold from the next turn on.</summary>
    public SessionConfig Limits { set => limits = value; }

    /// <summary>Turns whose messages could not be stored since the start.</summary>
    public long FailedWrites => Interlocked.Read(ref failedWrites);

    /// <summary>
    /// The model to load at the next start. A write that fails is logged and counted, and the value kept until the end.
    /// </summary>
    public string? LastActiveModel
    {
        get
        {
            lock (sync)
                return lastActiveModel;
        }
        set
        {
            lock (sync)
            {
                if (lastActiveModel == value)
                    return;
                lastActiveModel = value;
                SetSetting("last_active_model", value);
            }
        }
    }

    /// <summary>Opens or creates the store; deletes what has expired.</summary>
    /// <exception cref="InvalidDataException">The file is corrupt, of a newer version, or not ours.</exception>
    /// <exception cref="IOException">The operating system refuses; also UnauthorizedAccessException.</exception>
    public static SessionStore Open(
        string stateDirectory, SessionConfig limits, TimeProvider time, ILogger? logger = null)
    {
        SqliteLibrary.Initialize();
        StateFiles.CreateDirectory(stateDirectory);
        var path = Path.Combine(stateDirectory, FileName);
        // Before SQLite does: its -wal and -shm files take over the mode of the database file.
        StateFiles.MakePrivate(path);
        var connection = new SqliteConnection(
            new SqliteConnectionStringBuilder { DataSource = path, Pooling = false, DefaultTimeout = 5 }.ToString());
        SessionStore? store = null;
        try
        {
            connection.Open();
            // NORMAL: a power cut may lose the last turns, a kill of this process loses none, neither breaks the file.
            // cache_size: half a megabyte instead of two; the system has the file's pages in its own cache as well.
            // secure_delete: what the user deletes is overwritten, not merely unlinked.
            StoreSchema.Run(connection,
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000; "
                + "PRAGMA foreign_keys = ON; PRAGMA cache_size = -512; PRAGMA secure_delete = ON; "
                + "PRAGMA journal_size_limit = 4194304;");
            StoreSchema.Upgrade(connection, StoreSchema.Steps);
            store = new SessionStore(connection, limits, time, logger ?? NullLogger.Instance);
            store.Sweep();
            return store;
        }
        catch (SqliteException e)
        {
            throw e.SqliteErrorCode is raw.SQLITE_CORRUPT or raw.SQLITE_NOTADB
                ? new InvalidDataException(
                    $"{path} is damaged ({e.Message}). Move it away to start with an empty one, or repair it with "
                    + "sqlite3's .recover.", e)
                : new IOException($"{path} cannot be opened: {Describe(e)}", e);
        }
        finally
        {
            if (store is null)
                connection.Dispose();
        }
    }

    public SessionHead? Find(string id)
    {
        lock (sync)
        {
            using var row = findById.Read(id);
            return row.Read() ? ReadHead(row) : null;
        }
    }

    /// <summary>Sessions whose whole history has this hash, the latest first, 8 at most.</summary>
    public IReadOnlyList<SessionHead> FindByLastHash(MessageHash hash)
    {
        lock (sync)
        {
            var heads = new List<SessionHead>();
            using var row = findByLastHash.Read(hash.ToBytes());
            while (row.Read())
                heads.Add(ReadHead(row));
            return heads;
        }
    }

    public IReadOnlyList<StoredHash> ReadHashes(long key)
    {
        lock (sync)
        {
            var hashes = new List<StoredHash>();
            using var row = readHashes.Read(key);
            while (row.Read())
                hashes.Add(new StoredHash(row.GetInt64(0), MessageHash.FromBytes(row.GetFieldValue<byte[]>(1))));
            return hashes;
        }
    }

    public IReadOnlyList<ChatMessage> ReadHistory(long key)
    {
        lock (sync)
        {
            var history = new List<ChatMessage>();
            using var row = readHistory.Read(key);
            while (row.Read())
                history.Add(MessageJson.Read(row.GetFieldValue<byte[]>(0)));
            return history;
        }
    }

    /// <summary>
    /// Stores a turn, whole or not at all. A disk that is full or broken is a result, and the store goes on.
    /// </summary>
    /// <param name="write">The turn.</param>
    /// <param name="isOpen">Whether a turn of that session runs: such a session is neither expired nor evicted.</param>
    public AppendResult Append(TurnWrite write, Func<string, bool> isOpen)
    {
        lock (sync)
        {
            var status = AppendStatus.Stored;
            var error = Write(() => status = AppendInTransaction(write));
            if (error is not null)
                return new AppendResult(AppendStatus.Failed, error);
            if (status == AppendStatus.Deleted)
                return new AppendResult(status, "The session was deleted while its answer was written.");
            if (write.Key is null)
                Evict(isOpen);
            if (time.GetElapsedTime(swept.Timestamp) >= SweepInterval)
                Sweep(isOpen);
            return default;
        }
    }

    /// <summary>Deletes a session with its messages and snapshots, from the write-ahead log too.</summary>
    public DeleteResult Delete(string id)
    {
        lock (sync)
        {
            if (Find(id) is not { } head)
                return DeleteResult.NotFound;
            if (DeleteSessions(() => [head.Key]) is not null)
                return DeleteResult.Failed;
            Attempt(() => StoreSchema.Run(connection, "PRAGMA wal_checkpoint(TRUNCATE)"));
            return DeleteResult.Deleted;
        }
    }

    internal string? GetSetting(string name)
    {
        lock (sync)
            return getSetting.Scalar(name) as string;
    }

    internal void SetSetting(string name, string? value)
    {
        lock (sync)
        {
            Write(() =>
            {
                if (value is null)
                    removeSetting.Run(name);
                else
                    setSetting.Run(name, value);
            });
        }
    }

    public void Dispose()
    {
        lock (sync)
        {
            if (closed)
                return;
            closed = true;
            foreach (var statement in statements)
                statement.Dispose();
            connection.Dispose();
        }
    }

    private StoreStatement Statement(string sql, int parameters)
    {
        var statement = new StoreStatement(connection, sql, parameters);
        statements.Add(statement);
        return statement;
    }
}
