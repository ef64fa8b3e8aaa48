using System.Text.RegularExpressions;
using HotModel.Llama;
using HotModel.Sessions;
using HotModel.Snapshots;
using HotModel.Tests.Http;
using HotModel.Tests.Llama;
using HotModel.Tests.Sessions;
using Microsoft.Extensions.Logging.Abstractions;

namespace HotModel.Tests.Snapshots;

/// <summary>Files, rows and bounds; a scripted server where the real one cannot be made to say it.</summary>
public partial class SnapshotKeeperTests
{
    private static readonly Passport Passport = new("a", "f", "m");

    [Fact]
    public async Task Deleted_session_takes_its_files_along_at_once()
    {
        await using var scene = new SnapshotState();
        var (one, two) = (scene.Session("one"), scene.Session("two"));
        scene.Add(one, 10, "f");
        scene.Add(one, 10, "g");
        var kept = scene.Add(two, 10, "f");

        scene.Store.Delete("one");

        Assert.Equal([kept], scene.Files);
        Assert.Equal((1, 10), (scene.Keeper.Totals.Count, scene.Keeper.Totals.Bytes));
    }

    [Fact]
    public async Task Evicted_and_expired_sessions_take_their_files_along()
    {
        await using var scene = new SnapshotState();
        scene.Add(scene.Session("old"), 10);
        scene.State.Time.Advance(TimeSpan.FromDays(2));
        var kept = scene.Add(scene.Session("new"), 10);
        scene.Store.Dispose();

        // The keeper comes after the store has let the old one expire.
        using (var store = scene.State.Open(StateFolder.Limits(expireDays: 1)))
        {
            await using var keeper = NewKeeper(scene, store);
            Assert.Equal([kept], scene.Files);
        }
        using (var store = scene.State.Open(StateFolder.Limits(maxSessions: 1)))
        {
            await using var keeper = NewKeeper(scene, store);
            store.Append(new TurnWrite("newest", null, null, null,
                [new NewMessage("user", "{}"u8.ToArray(), default, null)]), _ => false);
            Assert.Empty(scene.Files);
        }
        await scene.ReopenAsync();
    }

    [Fact]
    public async Task Opening_sweeps_files_without_a_row_and_rows_without_a_whole_file()
    {
        await using var scene = new SnapshotState();
        var kept = scene.Add(scene.Session("one"), 10);
        File.WriteAllBytes(Path.Combine(scene.Folder, SnapshotFolder.NewName()), new byte[5]);
        File.Delete(Path.Combine(scene.Folder, scene.Add(scene.Session("two"), 10)));
        File.WriteAllBytes(Path.Combine(scene.Folder, scene.Add(scene.Session("three"), 10)), new byte[9]);
        // Somebody's own file in the folder is left alone.
        File.WriteAllBytes(Path.Combine(scene.Folder, "notes.txt"), []);

        await scene.ReopenAsync();

        Assert.Equal(new[] { kept, "notes.txt" }.Order(StringComparer.Ordinal), scene.Files);
        Assert.Equal(1, scene.Keeper.Totals.Count);
    }

    [Fact]
    public async Task Opening_deletes_what_did_not_reach_the_disk_before_another_run_of_the_system()
    {
        await using var scene = new SnapshotState();
        var kept = scene.Add(scene.Session("one"), 10);
        var lost = SnapshotFolder.NewName();
        scene.Store.AddSnapshot(new StoredSnapshot(
            lost, scene.Session("two"), "a", "f", "m", default, 100, 10, scene.Write(lost, 10)), "another run");
        var flushed = SnapshotFolder.NewName();
        scene.Store.AddSnapshot(new StoredSnapshot(
            flushed, scene.Session("three"), "a", "f", "m", default, 100, 10, scene.Write(flushed, 10)), "another run");
        scene.Store.SnapshotIsOnDisk(flushed);

        await scene.ReopenAsync();

        Assert.Equal(new[] { kept, flushed }.Order(StringComparer.Ordinal), scene.Files);
    }

    [Fact]
    public async Task Opening_switched_off_deletes_everything()
    {
        await using var scene = new SnapshotState();
        var session = scene.Session("one");
        scene.Add(session, 10);

        await scene.ReopenAsync(SnapshotState.Config(enabled: false));

        Assert.Empty(scene.Files);
        Assert.Equal(0, scene.Keeper.Totals.Count);
        Assert.False(scene.Keeper.IsRestorable(Passport));
        var result = await scene.Keeper.SaveAsync(
            Nobody, Passport, 0, new SlotContent(session, default, 1000), BackendScene.Soon);
        Assert.Equal(SaveStatus.NotRestorable, result.Status);
    }

    [Fact]
    public async Task Opening_with_a_smaller_bound_deletes_those_of_the_conversations_used_least_recently_first()
    {
        await using var scene = new SnapshotState();
        var (two, three, one) = (scene.Session("two"), scene.Session("three"), scene.Session("one"));
        var first = scene.Add(one, 40);
        var second = scene.Add(two, 40);
        var third = scene.Add(three, 40);

        await scene.ReopenAsync(SnapshotState.Config(maxBytes: 100));
        Assert.Equal(new[] { first, third }.Order(StringComparer.Ordinal), scene.Files);
        Assert.Equal((1, 80, 100),
            (scene.Keeper.Totals.Evicted, scene.Keeper.Totals.Bytes, scene.Keeper.Totals.MaxBytes));

        await scene.ReopenAsync(SnapshotState.Config(maxBytes: 40));
        Assert.Equal([first], scene.Files);
        Assert.DoesNotContain(second, scene.Files);
    }

    [Fact]
    public async Task Room_for_a_new_one_is_made_by_its_own_predecessor_first()
    {
        await using var scene = new SnapshotState();
        var oldest = scene.Add(scene.Session("one"), 30);
        var session = scene.Session("two");
        scene.Add(session, 60);
        var quota = new SnapshotQuota(SnapshotState.Config(maxBytes: 100), scene.Store, NullLogger.Instance, () => null);

        Assert.Equal(60, quota.Estimate("f", 100));
        Assert.Equal(120, quota.Estimate("f", 200));
        Assert.Null(quota.Estimate("other", 200));
        Assert.Null(quota.MakeRoom(62, Content(session), scene.Store.FindSnapshot(session, "f")));
        Assert.Equal([oldest], scene.Files);
        Assert.Equal(0, quota.Evicted);
        Assert.NotNull(quota.MakeRoom(101, Content(session), null));
        Assert.Equal([oldest], scene.Files);
    }

    [Fact]
    public async Task Full_disk_gives_up_snapshots_only_where_that_makes_room()
    {
        await using var scene = new SnapshotState();
        scene.Add(scene.Session("one"), 30);
        var session = scene.Session("two");
        scene.Add(session, 30);
        const long margin = 512L << 20;
        long Free() => margin + 10 + (2 - scene.Files.Count) * 30;
        var quota = new SnapshotQuota(SnapshotState.Config(maxBytes: 1000), scene.Store, NullLogger.Instance, () => Free());

        Assert.Contains("disk", quota.MakeRoom(71, Content(session), null)!.Value.Why, StringComparison.Ordinal);
        Assert.Equal(2, scene.Files.Count);
        Assert.Null(quota.MakeRoom(10, Content(session), null));
        Assert.Equal(2, scene.Files.Count);
        Assert.Null(quota.MakeRoom(40, Content(session), null));
        Assert.Single(scene.Files);
    }

    /// <summary>A model may leave with more slots than there is room for: what was used last must come out of it.</summary>
    [Fact]
    public async Task Conversation_gives_way_to_none_that_was_used_before_it()
    {
        await using var scene = new SnapshotState();
        var old = scene.Session("old");
        var recent = scene.Session("recent");
        var kept = scene.Add(recent, 60);
        // Written last, and of the conversation that was used first.
        var first = scene.Add(old, 30, "another");
        var quota = new SnapshotQuota(SnapshotState.Config(maxBytes: 100), scene.Store, NullLogger.Instance, () => null);

        Assert.Equal(SaveStatus.NoRoom, quota.MakeRoom(60, Content(old), null)?.Status);
        // What comes to the slot next is rather kept than what leaves it.
        Assert.Equal(SaveStatus.NoRoom, quota.MakeRoom(90, Content(recent) with { SparedKey = old }, null)?.Status);
        Assert.Equal(2, scene.Files.Count);
        Assert.Null(quota.MakeRoom(60, Content(recent), scene.Store.FindSnapshot(recent, "f")));
        Assert.Equal([first], scene.Files);
        Assert.DoesNotContain(kept, scene.Files);
        // Its own other file may go for it.
        kept = scene.Add(recent, 60);
        Assert.Null(quota.MakeRoom(40, Content(old), null));
        Assert.Equal([kept], scene.Files);
    }

    private static SlotContent Content(long session) => new(session, default, 100);

    [Theory]
    [InlineData(1000L, 100)]
    [InlineData(1L << 40, 8L << 30)]
    [InlineData(null, 8L << 30)]
    public async Task Bound_that_is_not_set_follows_from_the_free_disk(long? free, long bound)
    {
        await using var scene = new SnapshotState { FreeBytes = free };
        await scene.ReopenAsync();

        Assert.Equal(bound, scene.Keeper.Totals.MaxBytes);
    }

    [Fact]
    public async Task Bound_does_not_shrink_by_what_snapshots_hold()
    {
        await using var scene = new SnapshotState { FreeBytes = 910 };
        scene.Add(scene.Session("one"), 90);
        await scene.ReopenAsync();

        Assert.Equal(100, scene.Keeper.Totals.MaxBytes);
    }

    [Fact]
    public async Task Verify_little_reuse_twice_in_a_row_marks_model_and_build_for_good()
    {
        await using var scene = new SnapshotState();
        var session = scene.Session("one");
        scene.Add(session, 10);
        scene.Add(session, 10, "g");
        var other = scene.Add(session, 10, "h", "another build");
        scene.Keeper.Verify(Passport, session, 1000, 0);
        scene.Keeper.Verify(Passport, session, 1000, 500);
        scene.Keeper.Verify(Passport, session, 1000, 0);
        scene.Keeper.Verify(Passport, session, 63, 0);
        Assert.True(scene.Keeper.IsRestorable(Passport));
        Assert.Equal(3, scene.Files.Count);

        scene.Keeper.Verify(Passport, session, 1000, 499);
        Assert.Equal([other], scene.Files);
        await scene.ReopenAsync();

        Assert.False(scene.Keeper.IsRestorable(Passport));
        // Nobody answers there: the server is not even asked.
        var content = new SlotContent(session, default, 1000);
        Assert.Equal(SaveStatus.NotRestorable,
            (await scene.Keeper.SaveAsync(Nobody, Passport, 0, content, BackendScene.Soon)).Status);
        Assert.True(scene.Keeper.IsRestorable(Passport with { ModelAndBuild = "another build" }));
    }

    [Theory]
    [InlineData(100, 100, 1000, 1000, nameof(SaveStatus.Saved))]
    [InlineData(100, 101, 1000, 1000, nameof(SaveStatus.Saved))]
    [InlineData(100, 102, 1000, 1000, nameof(SaveStatus.Changed))]
    [InlineData(100, 0, 36, 36, nameof(SaveStatus.Failed))]
    [InlineData(100, 100, 1000, 999, nameof(SaveStatus.Failed))]
    [InlineData(100, 100, 1000, 0, nameof(SaveStatus.Failed))]
    [InlineData(102, 100, 1000, 1000, nameof(SaveStatus.Changed))]
    public async Task Save_believes_only_an_answer_that_fits_the_file(
        int held, int inFile, int told, int written, string expected)
    {
        await using var scene = new SnapshotState();
        await using var server = Slots(scene, held, $$"""{"n_saved":{{inFile}},"n_written":{{told}}}""", written);
        var session = scene.Session("one");

        var result = await scene.Keeper.SaveAsync(new Upstream(server.Address, "a", "key"), Passport, 0,
            new SlotContent(session, default, 100), BackendScene.Soon);

        Assert.Equal(expected, result.Status.ToString());
        Assert.Equal(expected == nameof(SaveStatus.Saved) ? 1 : 0, scene.Files.Count);
        Assert.Equal(expected == nameof(SaveStatus.Saved), scene.Store.FindSnapshot(session, "f") is not null);
        Assert.All(server.Requests, request => Assert.Contains("Bearer key", request, StringComparison.Ordinal));
    }

    [Theory]
    // Nothing came to what was known.
    [InlineData(false, 100, 100, nameof(SaveStatus.Saved))]
    [InlineData(true, 100, 100, nameof(SaveStatus.Kept))]
    // Something did.
    [InlineData(false, 100, 150, nameof(SaveStatus.Saved))]
    [InlineData(false, 0, 64, nameof(SaveStatus.Saved))]
    [InlineData(false, 0, 63, nameof(SaveStatus.TooShort))]
    [InlineData(true, 100, 163, nameof(SaveStatus.TooShort))]
    [InlineData(true, 100, 164, nameof(SaveStatus.Saved))]
    // The client had changed the beginning.
    [InlineData(false, 100, 80, nameof(SaveStatus.Saved))]
    [InlineData(true, 100, 80, nameof(SaveStatus.TooShort))]
    public async Task Save_of_what_a_cut_request_has_left_goes_by_what_the_slot_says(
        bool isKept, int known, int held, string expected)
    {
        await using var scene = new SnapshotState();
        await using var server = Slots(scene, held, $$"""{"n_saved":{{held}},"n_written":10}""", 10);
        var session = scene.Session("one");
        var history = scene.Store.Find("one")!.LastHash;

        var result = await scene.Keeper.SaveAsync(new Upstream(server.Address, "a", null), Passport, 0,
            new SlotContent(session, history, known) { IsCut = true, IsKept = isKept }, BackendScene.Soon);

        Assert.Equal(expected, result.Status.ToString());
        if (result.Status == SaveStatus.Saved)
        {
            var saved = scene.Store.FindSnapshot(session, "f")!;
            // With more than was stored, or less, it covers no history.
            Assert.Equal((held, held == known ? history : MessageHash.Start), (saved.Tokens, saved.History));
        }
    }

    [Fact]
    public async Task Snapshot_tells_for_which_setup_it_was_written_and_how_fast_the_model_was()
    {
        await using var scene = new SnapshotState();
        await using var server = Slots(scene, 100, """{"n_saved":100,"n_written":10}""", 10);
        var session = scene.Session("one");
        await scene.Keeper.SaveAsync(new Upstream(server.Address, "a", null), Passport with { Setup = "s" }, 0,
            new SlotContent(session, default, 100) { TokenSeconds = 0.25 }, BackendScene.Soon);

        Assert.Equal(("one", 100), scene.Store.LatestSnapshot("a", "s"));
        Assert.Equal(("one", 100), scene.Store.LatestSnapshot("a", null));
        Assert.Null(scene.Store.LatestSnapshot("a", "other"));
        Assert.Equal((0.25, (double?)null), (scene.Store.TokenSecondsOf("f"), scene.Store.TokenSecondsOf("g")));
        // The same passport under another setup: a program that was only moved, say.
        scene.Store.UseSnapshot(scene.Files[0], "other");
        Assert.Equal(("one", 100), scene.Store.LatestSnapshot("a", "other"));
    }

    [Fact]
    public async Task Save_of_a_server_that_cannot_is_not_tried_again()
    {
        await using var scene = new SnapshotState();
        await using var server = Slots(scene, 100, """{"error":{"message":"not supported"}}""", null, "501 Not");
        var content = new SlotContent(scene.Session("one"), default, 100);
        var upstream = new Upstream(server.Address, "a", null);

        var result = await scene.Keeper.SaveAsync(upstream, Passport, 0, content, BackendScene.Soon);
        Assert.Equal((SaveStatus.NotRestorable, "not supported"), (result.Status, result.Error));
        var asked = server.Requests.Count;
        result = await scene.Keeper.SaveAsync(upstream, Passport, 0, content, BackendScene.Soon);
        Assert.Equal(SaveStatus.NotRestorable, result.Status);
        Assert.Equal(asked, server.Requests.Count);
    }

    [Theory]
    [InlineData("200 OK", """{"n_restored":100,"n_read":10}""", nameof(RestoreStatus.Restored))]
    [InlineData("200 OK", """{"n_restored":99,"n_read":10}""", nameof(RestoreStatus.Failed))]
    [InlineData("200 OK", "[]", nameof(RestoreStatus.Failed))]
    [InlineData("400 Bad", """{"error":{"message":"Unable to restore slot"}}""", nameof(RestoreStatus.Failed))]
    public async Task Restore_keeps_only_what_comes_back_whole(string status, string answer, string expected)
    {
        await using var scene = new SnapshotState();
        await using var server = new ScriptedServer(ScriptedServer.Always(Reply(status, answer)));
        var session = scene.Session("one");
        scene.Add(session, 10);

        var result = await scene.Keeper.RestoreAsync(
            new Upstream(server.Address, "a", null), Passport, 3, session, isCrowded: false, BackendScene.Soon);

        Assert.Equal(expected, result.Status.ToString());
        Assert.Equal(expected == nameof(RestoreStatus.Restored) ? 1 : 0, scene.Files.Count);
        Assert.Contains("POST /slots/3?action=restore&model=a&autoload=false ", server.Requests[0],
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refusal_that_may_be_for_want_of_room_keeps_the_file()
    {
        await using var scene = new SnapshotState();
        await using var server = new ScriptedServer(
            ScriptedServer.Always(Reply("400 Bad", """{"error":{"message":"Unable to restore slot"}}""")));
        var session = scene.Session("one");
        scene.Add(session, 10);
        var result = await scene.Keeper.RestoreAsync(
            new Upstream(server.Address, "a", null), Passport, 3, session, isCrowded: true, BackendScene.Soon);
        Assert.Equal(RestoreStatus.NoRoom, result.Status);
        Assert.Single(scene.Files);
    }

    [Fact]
    public async Task Restore_of_a_file_that_somebody_wrote_since_sends_nothing()
    {
        await using var scene = new SnapshotState();
        await using var server = new ScriptedServer(ScriptedServer.Always(Reply("200 OK", "{}")));
        var session = scene.Session("one");
        var path = Path.Combine(scene.Folder, scene.Add(session, 10));
        File.SetLastWriteTimeUtc(path, File.GetLastWriteTimeUtc(path).AddMilliseconds(1));

        var result = await scene.Keeper.RestoreAsync(
            new Upstream(server.Address, "a", null), Passport, 3, session, isCrowded: false, BackendScene.Soon);

        Assert.Equal(RestoreStatus.Missing, result.Status);
        Assert.Empty(scene.Files);
        Assert.Empty(server.Requests);
    }

    [Fact]
    public async Task Server_that_is_gone_is_a_failure_and_no_exception()
    {
        await using var scene = new SnapshotState();
        var session = scene.Session("one");
        var content = new SlotContent(session, default, 100);
        Assert.Equal(SaveStatus.Failed,
            (await scene.Keeper.SaveAsync(Nobody, Passport, 0, content, BackendScene.Soon)).Status);
        scene.Add(session, 10);

        Assert.Equal(RestoreStatus.Failed,
            (await scene.Keeper.RestoreAsync(Nobody, Passport, 0, session, isCrowded: false, BackendScene.Soon)).Status);
        Assert.Equal(2, scene.Keeper.Totals.Failed);
    }

    [Fact]
    public async Task Save_that_takes_too_long_fails_and_what_comes_of_it_later_is_swept()
    {
        await using var scene = new SnapshotState();
        var asked = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = new ScriptedServer(Stuck(asked));
        var content = new SlotContent(scene.Session("one"), default, 100);
        var saving = scene.Keeper.SaveAsync(
            new Upstream(server.Address, "a", null), Passport, 0, content, BackendScene.Soon);
        var file = FileName().Match(await asked.Task).Groups[1].Value;
        File.WriteAllBytes(Path.Combine(scene.Folder, file), new byte[10]);
        scene.State.Time.Advance(TimeSpan.FromMinutes(10));

        var result = await saving;
        Assert.Equal(SaveStatus.Failed, result.Status);
        Assert.Contains("in time", result.Error, StringComparison.Ordinal);
        Assert.True(result.Seconds >= 600);
        Assert.Empty(scene.Files);
        File.WriteAllBytes(Path.Combine(scene.Folder, file), new byte[10]);
        await scene.Keeper.SaveAsync(Nobody, Passport, 0, content, BackendScene.Soon);
        Assert.Empty(scene.Files);
    }

    [Fact]
    public async Task Save_that_is_cancelled_leaves_nothing()
    {
        await using var scene = new SnapshotState();
        var asked = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = new ScriptedServer(Stuck(asked));
        using var cancel = new CancellationTokenSource();
        var saving = scene.Keeper.SaveAsync(new Upstream(server.Address, "a", null), Passport, 0,
            new SlotContent(scene.Session("one"), default, 100), cancel.Token);
        var file = FileName().Match(await asked.Task).Groups[1].Value;
        File.WriteAllBytes(Path.Combine(scene.Folder, file), new byte[10]);
        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => saving);
        Assert.Empty(scene.Files);
    }

    [Fact]
    public async Task Saved_file_is_brought_to_the_disk_and_then_outlives_the_run_of_the_system()
    {
        await using var scene = new SnapshotState();
        await using var server = Slots(scene, 100, """{"n_saved":100,"n_written":10}""", 10);
        await scene.Keeper.SaveAsync(new Upstream(server.Address, "a", null), Passport, 0,
            new SlotContent(scene.Session("one"), default, 100), BackendScene.Soon);

        await scene.Keeper.DisposeAsync();

        Assert.Empty(scene.Store.SnapshotsOfOtherBoots("another run"));
        Assert.Single(scene.Files);
    }

    [Fact]
    public async Task Prepare_brings_the_folder_back()
    {
        await using var scene = new SnapshotState();
        Directory.Delete(scene.Folder, recursive: true);

        scene.Keeper.Prepare();

        Assert.True(Directory.Exists(scene.Folder));
    }

    private static Upstream Nobody => new(new Uri("http://127.0.0.1:9/"), "a", null);

    private static SnapshotKeeper NewKeeper(SnapshotState scene, SessionStore store) => new(
        SnapshotState.Config(), scene.Folder, store, scene.State.Time,
        Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);

    private static string Reply(string status, string json) =>
        $"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {json.Length}\r\n\r\n{json}";

    /// <summary>Shows one idle slot, then writes so many bytes to the file it is told (null: none) and answers.</summary>
    private static ScriptedServer Slots(
        SnapshotState scene, int held, string answer, int? written, string status = "200 OK") =>
        new(async connection =>
        {
            await connection.ReadRequestAsync();
            await connection.SendAsync(Reply("200 OK",
                $$"""[{"id":0,"is_processing":false,"id_task":5,"n_prompt_tokens":{{held}}}]"""));
            if (await connection.ReadRequestAsync() is not { } request)
                return;
            if (written is { } bytes)
                File.WriteAllBytes(
                    Path.Combine(scene.Folder, FileName().Match(request).Groups[1].Value), new byte[bytes]);
            await connection.SendAsync(Reply(status, answer));
            await connection.ReadRequestAsync();
        });

    /// <summary>Shows an idle slot and answers nothing to what is asked next.</summary>
    private static Func<ScriptedConnection, Task> Stuck(TaskCompletionSource<string> asked) => async connection =>
    {
        await connection.ReadRequestAsync();
        await connection.SendAsync(Reply("200 OK", """[{"id":0,"is_processing":false,"n_prompt_tokens":100}]"""));
        asked.SetResult((await connection.ReadRequestAsync())!);
        await connection.ClosedAsync();
    };

    [GeneratedRegex("\"filename\":\"([^\"]+)\"")]
    private static partial Regex FileName();
}
