using HotModel.Configuration;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace HotModel.Sessions;

/// <summary>Transactions, bounds, and what happens when the disk refuses.</summary>
internal sealed partial class SessionStore
{
    /// <summary>Makes the file unable to grow beyond so many pages: a disk that is full, for tests.</summary>
    internal void LimitPages(int pages)
    {
        lock (sync)
            StoreSchema.Run(connection, $"PRAGMA max_page_count = {pages}");
    }

    internal long PageCount
    {
        get
        {
            lock (sync)
                return StoreSchema.Number(connection, "PRAGMA page_count");
        }
    }

    private AppendStatus AppendInTransaction(TurnWrite write)
    {
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        if (write.Key is not { } key)
        {
            insertSession.Run(write.SessionId, now);
            key = (long)newKey.Scalar()!;
        }
        if (lastSeq.Scalar(key) is not long seq)
            return AppendStatus.Deleted;
        if (write.ReplaceFromSeq is { } from)
            replaceFrom.Run(key, from);
        foreach (var message in write.Messages)
        {
            insertMessage.Run(
                key, ++seq, message.Role, message.Model, now, message.Hash.ToBytes(), message.Json.ToArray());
        }
        updateSession.Run(key, now, seq, write.Messages[^1].Hash.ToBytes(), JoinArray(write.ClientSystem));
        return AppendStatus.Stored;
    }

    /// <summary>Deletes the least recently used sessions beyond the bound.</summary>
    private void Evict(Func<string, bool> isOpen)
    {
        var keys = new List<long>();
        var error = DeleteSessions(() =>
        {
            var surplus = (long)countSessions.Scalar()! - limits.MaxSessions;
            if (surplus <= 0)
                return keys;
            using (var row = leastRecent.Read())
            {
                while (keys.Count < surplus && row.Read())
                {
                    if (!isOpen(row.GetString(1)))
                        keys.Add(row.GetInt64(0));
                }
            }
            return keys;
        });
        if (error is null && keys.Count > 0)
            SessionLog.Evicted(logger, keys.Count, limits.MaxSessions);
    }

    /// <summary>Deletes what has expired, by a clock that goes on as time does: one that was just set may be wrong.</summary>
    private void Sweep(Func<string, bool>? isOpen = null)
    {
        var now = time.GetUtcNow();
        var clockWasSet = (now - swept.Clock - time.GetElapsedTime(swept.Timestamp)).Duration() > SweepInterval;
        swept = (time.GetTimestamp(), now);
        if (limits.ExpireDays is not { } days || clockWasSet)
            return;
        var keys = new List<long>();
        var error = DeleteSessions(() =>
        {
            using (var row = expired.Read(now.AddDays(-days).ToUnixTimeMilliseconds()))
            {
                while (row.Read())
                {
                    if (isOpen is null || !isOpen(row.GetString(1)))
                        keys.Add(row.GetInt64(0));
                }
            }
            return keys;
        });
        if (error is null && keys.Count > 0)
            SessionLog.Expired(logger, keys.Count, days);
    }

    /// <summary>Deletes, in one transaction, the sessions that <paramref name="choose"/> finds in it.</summary>
    private string? DeleteSessions(Func<IReadOnlyList<long>> choose)
    {
        var files = new List<string>();
        var error = Write(() =>
        {
            foreach (var key in choose())
            {
                files.AddRange(Texts(snapshots.FilesOfSession, key));
                deleteByKey.Run(key);
            }
        });
        if (error is null)
            files.ForEach(DropFile);
        return error;
    }

    /// <summary>Runs <paramref name="body"/> in a transaction. Null, or why it could not be.</summary>
    private string? Write(Action body) => Attempt(() =>
    {
        begin.Run();
        body();
        commit.Run();
    });

    private string? Attempt(Action action)
    {
        if (closed)
            return "The store is closed.";
        try
        {
            action();
            return null;
        }
        catch (SqliteException e) when (IsOfTheDisk(e.SqliteErrorCode))
        {
            Interlocked.Increment(ref failedWrites);
            SessionLog.WriteFailed(logger, connection.DataSource, Describe(e));
            return $"The conversation store {connection.DataSource} cannot be written: {Describe(e)}";
        }
        finally
        {
            // SQLite has ended the transaction itself after some errors and not after others.
            if (raw.sqlite3_get_autocommit(connection.Handle!) == 0)
                rollback.Run();
        }
    }

    /// <summary>Conditions outside this program. Every other error is a mistake in it and is thrown.</summary>
    private static bool IsOfTheDisk(int code) => code is raw.SQLITE_FULL or raw.SQLITE_IOERR or raw.SQLITE_READONLY
        or raw.SQLITE_CANTOPEN or raw.SQLITE_PERM or raw.SQLITE_BUSY or raw.SQLITE_LOCKED or raw.SQLITE_CORRUPT
        or raw.SQLITE_NOTADB or raw.SQLITE_NOMEM or raw.SQLITE_TOOBIG;

    private static string Describe(SqliteException e) => e.SqliteErrorCode == raw.SQLITE_IOERR
        ? e.Message + " The disk is read-only, broken or full." : e.Message;

    private static SessionHead ReadHead(SqliteDataReader row) => new(
        row.GetInt64(0),
        row.GetString(1),
        row.IsDBNull(2) ? MessageHash.Start : MessageHash.FromBytes(row.GetFieldValue<byte[]>(2)),
        ReadClientSystem(row, 3));

    private static List<ReadOnlyMemory<byte>> ReadClientSystem(SqliteDataReader row, int column) =>
        row.IsDBNull(column) ? [] : MessageJson.Items(row.GetFieldValue<byte[]>(column));

    private static byte[]? JoinArray(IReadOnlyList<ReadOnlyMemory<byte>>? items)
    {
        if (items is null)
            return null;
        using var joined = new MemoryStream();
        joined.WriteByte((byte)'[');
        for (var i = 0; i < items.Count; i++)
        {
            if (i > 0)
                joined.WriteByte((byte)',');
            joined.Write(items[i].Span);
        }
        joined.WriteByte((byte)']');
        return joined.ToArray();
    }
}
