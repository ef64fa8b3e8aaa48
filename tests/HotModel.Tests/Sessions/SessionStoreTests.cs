using System.Text;
using HotModel.Sessions;
using Microsoft.Data.Sqlite;

namespace HotModel.Tests.Sessions;

public sealed class SessionStoreTests : IDisposable
{
    private readonly StateFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static bool NotOpen(string id) => false;

    /// <summary>A question and its answer.</summary>
    private static TurnWrite Write(string id, long? key, string text, MessageHash before = default)
    {
        var question = StateFolder.User(text).Json;
        var answer = StateFolder.Assistant("re: " + text).Json;
        var hash = before.Next(question.Span);
        return new TurnWrite(id, key, null, null,
        [
            new NewMessage("user", question, hash, null),
            new NewMessage("assistant", answer, hash.Next(answer.Span), "small"),
        ]);
    }

    private static AppendResult Add(SessionStore store, string id, string text)
    {
        var head = store.Find(id);
        return store.Append(Write(id, head?.Key, text, head?.LastHash ?? default), NotOpen);
    }

    private SqliteConnection Direct(string? path = null)
    {
        SqliteLibrary.Initialize();
        var connection = new SqliteConnection($"Data Source={path ?? folder.Database};Pooling=False");
        connection.Open();
        return connection;
    }

    [Fact]
    public void Append_raw_bytes_are_kept_across_a_restart()
    {
        const string odd = "{ \"content\" : [ {\"type\":\"image_url\"} ],\n \"role\":\"user\", \"x\":\"\\u00e9\\ud83d\" }";
        using (var store = folder.Open())
        {
            var write = new TurnWrite("s", null, null, [StateFolder.Instruction("be brief").Json],
                [new NewMessage("user", Encoding.UTF8.GetBytes(odd), default, null)]);
            Assert.True(store.Append(write, NotOpen).Stored);
        }
        using var again = folder.Open();
        Assert.Equal([odd], StateFolder.StoredIn(again, "s"));
        Assert.Equal(
            StateFolder.TextOf(StateFolder.Instruction("be brief").Json),
            StateFolder.TextOf(again.Find("s")!.ClientSystem[0]));
    }

    [Fact]
    public void Append_client_system_null_keeps_the_stored_one()
    {
        using var store = folder.Open();
        store.Append(Write("s", null, "a") with { ClientSystem = [StateFolder.Instruction("one").Json] }, NotOpen);
        var key = store.Find("s")!.Key;
        store.Append(Write("s", key, "b"), NotOpen);
        Assert.Single(store.Find("s")!.ClientSystem);
        store.Append(Write("s", key, "c") with { ClientSystem = [StateFolder.Instruction("two").Json] }, NotOpen);
        Assert.Contains("two", StateFolder.TextOf(store.Find("s")!.ClientSystem[0]));
    }

    [Fact]
    public void Open_files_are_readable_by_the_owner_only()
    {
        if (OperatingSystem.IsWindows())
            return;
        File.WriteAllBytes(folder.Database, []);
        File.SetUnixFileMode(folder.Database, (UnixFileMode)0b110_100_100);
        using var store = folder.Open();
        Add(store, "s", "hi");
        var files = Directory.GetFiles(folder.Path);
        Assert.True(files.Length >= 2, "there is a write-ahead log beside the file");
        foreach (var file in files)
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
    }

    [Fact]
    public void Open_damaged_file_is_a_clear_error()
    {
        File.WriteAllText(folder.Database, new string('x', 5000));
        var error = Assert.Throws<InvalidDataException>(() => folder.Open());
        Assert.Contains(folder.Database, error.Message);
        Assert.Contains("Move it away", error.Message);
    }

    [Fact]
    public void Open_file_of_a_newer_version_is_a_clear_error_and_untouched()
    {
        folder.Open().Dispose();
        using (var direct = Direct())
            StoreSchema.Run(direct, "PRAGMA user_version = 99");
        var error = Assert.Throws<InvalidDataException>(() => folder.Open());
        Assert.Contains("newer hotmodel (format 99", error.Message);
        using var after = Direct();
        Assert.Equal(99, StoreSchema.Number(after, "PRAGMA user_version"));
    }

    [Fact]
    public void Open_database_of_another_program_is_a_clear_error()
    {
        using (var direct = Direct())
            StoreSchema.Run(direct, "CREATE TABLE t (x)");
        Assert.Contains("another program", Assert.Throws<InvalidDataException>(() => folder.Open()).Message);
    }

    [Fact]
    public void Upgrade_older_file_gets_the_missing_steps_and_keeps_its_rows()
    {
        using (var store = folder.Open())
            Add(store, "s", "hi");
        using var direct = Direct();
        string[] steps = [.. StoreSchema.Steps, "ALTER TABLE sessions ADD COLUMN title TEXT;", "CREATE TABLE more (x);"];
        StoreSchema.Upgrade(direct, steps);
        Assert.Equal(steps.Length, StoreSchema.Number(direct, "PRAGMA user_version"));
        Assert.Equal(1, StoreSchema.Number(direct, "SELECT count(*) FROM sessions WHERE title IS NULL"));
        StoreSchema.Upgrade(direct, steps);
    }

    [Fact]
    public void Upgrade_file_of_before_snapshots_keeps_its_sessions()
    {
        using (var direct = Direct())
        {
            StoreSchema.Upgrade(direct, [StoreSchema.Steps[0]]);
            StoreSchema.Run(direct, "INSERT INTO sessions (id, created, updated, last_seq) VALUES ('s', 1, 2, 0)");
        }

        using var store = folder.Open();
        Assert.NotNull(store.Find("s"));
        Assert.Equal((0, 0), store.SnapshotTotals());
    }

    [Fact]
    public void Upgrade_step_that_fails_leaves_the_version_before_it()
    {
        folder.Open().Dispose();
        string[] steps = [.. StoreSchema.Steps, "CREATE TABLE half (x); CREATE TABLE sessions (x);"];
        using (var direct = Direct())
            Assert.Throws<SqliteException>(() => StoreSchema.Upgrade(direct, steps));
        using var after = Direct();
        Assert.Equal(StoreSchema.Steps.Count, StoreSchema.Number(after, "PRAGMA user_version"));
        Assert.Equal(0, StoreSchema.Number(after, "SELECT count(*) FROM sqlite_master WHERE name = 'half'"));
        folder.Open().Dispose();
    }

    [Fact]
    public void Append_more_sessions_than_allowed_deletes_the_least_recently_used()
    {
        using var store = folder.Open(StateFolder.Limits(maxSessions: 3));
        foreach (var id in new[] { "a", "b", "c" })
        {
            Add(store, id, id);
            folder.Time.Advance(TimeSpan.FromSeconds(1));
        }
        Add(store, "a", "again");
        folder.Time.Advance(TimeSpan.FromSeconds(1));
        Add(store, "d", "d");
        Assert.Equal(["d", "a", "c"], store.List(10, 0).Sessions.Select(session => session.Id));
        using var direct = Direct();
        Assert.Equal(8, StoreSchema.Number(direct, "SELECT count(*) FROM messages"));
    }

    [Fact]
    public void Append_session_with_a_running_turn_is_not_evicted()
    {
        using var store = folder.Open(StateFolder.Limits(maxSessions: 1));
        Add(store, "busy", "x");
        folder.Time.Advance(TimeSpan.FromSeconds(1));
        store.Append(Write("next", null, "y"), id => id is "busy" or "next");
        Assert.NotNull(store.Find("busy"));
        store.Append(Write("last", null, "z"), id => id == "last");
        Assert.Null(store.Find("busy"));
        Assert.Null(store.Find("next"));
    }

    [Fact]
    public void Sessions_unused_for_expire_days_are_deleted_at_open_and_while_running()
    {
        using (var store = folder.Open(StateFolder.Limits(expireDays: 2)))
        {
            Add(store, "old", "x");
            folder.Time.Advance(TimeSpan.FromDays(1.5));
            Add(store, "young", "x");
            Assert.NotNull(store.Find("old"));
            folder.Time.Advance(TimeSpan.FromDays(1));
            Add(store, "young", "y");
            Assert.Null(store.Find("old"));
            Assert.NotNull(store.Find("young"));
        }
        folder.Time.Advance(TimeSpan.FromDays(3));
        using var again = folder.Open(StateFolder.Limits(expireDays: 2));
        Assert.Equal(0, again.List(10, 0).Total);
    }

    [Fact]
    public void Clock_that_is_set_ahead_deletes_nothing_until_it_has_been_going_for_an_hour()
    {
        using var store = folder.Open(StateFolder.Limits(expireDays: 2));
        Add(store, "old", "x");
        folder.Time.ClockError = TimeSpan.FromDays(400);
        Add(store, "young", "x");
        folder.Time.Advance(TimeSpan.FromHours(1.5));
        Add(store, "young", "y");
        Assert.NotNull(store.Find("old"));
        folder.Time.ClockError = TimeSpan.Zero;
        folder.Time.Advance(TimeSpan.FromHours(1.5));
        Add(store, "young", "z");
        Assert.NotNull(store.Find("old"));
        folder.Time.Advance(TimeSpan.FromDays(2));
        Add(store, "young", "z");
        Assert.Null(store.Find("old"));
    }

    [Fact]
    public void Clock_that_is_set_back_puts_no_end_to_expiry()
    {
        using var store = folder.Open(StateFolder.Limits(expireDays: 2));
        folder.Time.ClockError = TimeSpan.FromDays(-400);
        Add(store, "old", "x");
        folder.Time.Advance(TimeSpan.FromHours(2));
        Add(store, "young", "x");
        folder.Time.Advance(TimeSpan.FromDays(3));
        Add(store, "young", "y");
        Assert.Null(store.Find("old"));
    }

    [Fact]
    public void Append_disk_full_stores_nothing_of_the_turn_and_the_store_goes_on()
    {
        using var store = folder.Open();
        Assert.True(Add(store, "s", "before").Stored);
        store.LimitPages((int)store.PageCount + 4);
        var big = new string('x', 100_000);
        var failed = Add(store, "s", big);
        Assert.Equal(AppendStatus.Failed, failed.Status);
        Assert.Contains("full", failed.Error);
        Assert.Equal(AppendStatus.Failed, Add(store, "new", big).Status);
        Assert.Null(store.Find("new"));
        Assert.Equal(2, store.FailedWrites);
        Assert.Equal(2, StateFolder.StoredIn(store, "s").Count);

        Assert.True(Add(store, "s", "small").Stored);
        store.LimitPages(int.MaxValue);
        Assert.True(Add(store, "s", big).Stored);
        Assert.Equal(6, StateFolder.StoredIn(store, "s").Count);
        Assert.Equal([1L, 2, 3, 4, 5, 6], store.Read("s", true)!.Messages.Select(message => message.Seq));
        using var direct = Direct();
        Assert.Equal("ok", IntegrityOf(direct));
    }

    [Fact]
    public void Append_session_deleted_meanwhile_stays_deleted()
    {
        using var store = folder.Open();
        Add(store, "s", "a");
        var key = store.Find("s")!.Key;
        Assert.Equal(DeleteResult.Deleted, store.Delete("s"));
        Add(store, "s", "another under the same name");
        Assert.Equal(AppendStatus.Deleted, store.Append(Write("s", key, "b"), NotOpen).Status);
        Assert.Equal(2, StateFolder.StoredIn(store, "s").Count);
        Assert.Equal(0, store.FailedWrites);
    }

    [Fact]
    public void Delete_leaves_no_text_in_any_file()
    {
        using var store = folder.Open();
        Add(store, "keep", "harmless");
        Add(store, "s", "the secret word " + new string('y', 20_000));
        Assert.Contains(folder.Path, FilesHolding("the secret word"));
        Assert.Equal(DeleteResult.Deleted, store.Delete("s"));
        Assert.Equal("", FilesHolding("the secret word"));
        Assert.Equal(DeleteResult.NotFound, store.Delete("s"));
        Assert.Equal(2, StateFolder.StoredIn(store, "keep").Count);
    }

    [Fact]
    public void LastActiveModel_survives_a_restart()
    {
        using (var store = folder.Open())
        {
            Assert.Null(store.LastActiveModel);
            store.LastActiveModel = "small";
            store.LastActiveModel = "big";
        }
        using (var store = folder.Open())
        {
            Assert.Equal("big", store.LastActiveModel);
            store.LastActiveModel = null;
        }
        using var last = folder.Open();
        Assert.Null(last.LastActiveModel);
    }

    [Fact]
    public void Append_after_dispose_is_a_failure_not_an_exception()
    {
        var store = folder.Open();
        store.Dispose();
        Assert.Equal(AppendStatus.Failed, store.Append(Write("s", null, "x"), NotOpen).Status);
        store.Dispose();
    }

    [Fact]
    public void FindByLastHash_goes_through_the_index()
    {
        using var store = folder.Open();
        using var direct = Direct();
        using var command = direct.CreateCommand();
        command.CommandText =
            "EXPLAIN QUERY PLAN SELECT key FROM sessions WHERE last_hash = x'00' ORDER BY updated DESC";
        using var row = command.ExecuteReader();
        Assert.True(row.Read());
        Assert.Contains("sessions_by_last_hash", row.GetString(3));
        Assert.False(row.Read(), "no sorting step");
    }

    [Fact]
    public async Task Append_from_many_threads_loses_nothing()
    {
        using var store = folder.Open();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(() =>
        {
            for (var i = 0; i < 50; i++)
            {
                Assert.True(Add(store, $"s{worker}", $"{i}").Stored);
                store.List(5, 0);
            }
        })));
        for (var worker = 0; worker < 8; worker++)
            Assert.Equal(100, StateFolder.StoredIn(store, $"s{worker}").Count);
    }

    /// <summary>
    /// A killed process leaves the file and a log cut anywhere: each such state must open, with whole turns only.
    /// </summary>
    [Fact]
    public void Open_after_a_kill_at_any_moment_holds_a_beginning_of_whole_turns()
    {
        using var store = folder.Open();
        for (var turn = 0; turn < 12; turn++)
            Add(store, $"s{turn % 3}", $"{turn} " + new string('z', 700 * turn));
        var (database, log) = (File.ReadAllBytes(folder.Database), ReadShared(folder.Database + "-wal"));
        Assert.True(log.Length > 50_000);
        var random = new Random(5);
        var seen = new HashSet<int>();
        for (var i = 0; i < 60; i++)
        {
            var length = i == 0 ? log.Length : random.Next(log.Length);
            using var crashed = new StateFolder();
            File.WriteAllBytes(crashed.Database, database);
            File.WriteAllBytes(crashed.Database + "-wal", log[..length]);
            // A log that holds not even the tables yet: the first start is repeated.
            using var again = crashed.Open();
            using (var direct = Direct(crashed.Database))
                Assert.Equal("ok", IntegrityOf(direct));
            var stored = again.List(10, 0).Sessions
                .SelectMany(session => StateFolder.StoredIn(again, session.Id)).ToHashSet();
            Assert.True(stored.Count % 2 == 0);
            seen.Add(stored.Count);
            for (var turn = 0; turn < stored.Count / 2; turn++)
            {
                var text = $"{turn} " + new string('z', 700 * turn);
                Assert.Contains(StateFolder.TextOf(StateFolder.User(text).Json), stored);
                Assert.Contains(StateFolder.TextOf(StateFolder.Assistant("re: " + text).Json), stored);
            }
        }
        Assert.Contains(24, seen);
        Assert.True(seen.Count > 5);
    }

    private static string IntegrityOf(SqliteConnection connection)
    {
        using var command = connection.CreateCommand();
        command.CommandText = "PRAGMA integrity_check";
        return (string)command.ExecuteScalar()!;
    }

    private string FilesHolding(string text) => string.Join(' ', Directory.GetFiles(folder.Path)
        .Where(file => ReadShared(file).AsSpan().IndexOf(Encoding.UTF8.GetBytes(text)) >= 0));

    private static byte[] ReadShared(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var bytes = new byte[file.Length];
        file.ReadExactly(bytes);
        return bytes;
    }
}
