using System.Runtime.Versioning;
using HotModel.Llama;
using HotModel.Sessions;
using HotModel.Snapshots;
using HotModel.Tests.Llama;

namespace HotModel.Tests.Snapshots;

/// <summary>With the real llama-server.</summary>
[Trait("needs", "llama-server")]
[UnsupportedOSPlatform("windows")]
public class SnapshotServerTests
{
    private static readonly MessageHash History = new(42);

    [Theory]
    [InlineData("f16")]
    [InlineData("q8_0")]
    public async Task Restored_conversation_goes_on_without_being_evaluated_again(string cacheType)
    {
        await using var scene = new SnapshotScene();
        string[] cache = ["--cache-type-k", cacheType, "--cache-type-v", cacheType];
        var loaded = await scene.LoadAsync(LlamaServer.ModelA, cache);
        var first = await scene.AskAsync(loaded.Upstream, 1, "apples");
        var session = scene.State.Session("s");
        var saved = await scene.SaveAsync(loaded, 1, new SlotContent(session, History, first.Held));

        Assert.Equal((SaveStatus.Saved, first.Held, null), (saved.Status, saved.Tokens, saved.Error));
        var file = Assert.Single(scene.State.Files);
        Assert.Equal(saved.Bytes, new FileInfo(Path.Combine(scene.State.Folder, file)).Length);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite,
            File.GetUnixFileMode(Path.Combine(scene.State.Folder, file)));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute,
            File.GetUnixFileMode(scene.State.Folder));

        // hotmodel is started anew too.
        await scene.State.ReopenAsync();
        loaded = await scene.LoadAsync(LlamaServer.ModelA, cache);
        Assert.NotNull(scene.State.Store.FindSnapshot(session, loaded.Passport.Fingerprint));
        var restored = await scene.RestoreAsync(loaded, 0, session);
        Assert.Equal(RestoreStatus.Restored, restored.Status);
        Assert.Equal(new SlotContent(session, History, first.Held), restored.Content);
        var again = await scene.AskAsync(loaded.Upstream, 0, "apples");

        Assert.Equal(first.Text, again.Text);
        Assert.True(again.Reused > first.Held / 2, $"{again.Reused} of {first.Held}");
        scene.Keeper.Verify(loaded.Passport, session, restored.Tokens, again.Reused);
        Assert.True(scene.Keeper.IsRestorable(loaded.Passport));
        Assert.Equal((1, 0), (scene.Keeper.Totals.Restored, scene.Keeper.Totals.Failed));
    }

    [Fact]
    public async Task Snapshot_of_another_load_is_missing()
    {
        await using var scene = new SnapshotScene();
        var session = await SavedAsync(scene);
        foreach (var load in new Func<Task<(Upstream, Passport)>>[]
        {
            // The same shape: llama-server itself would take the file.
            () => scene.LoadAsync(LlamaServer.ModelB),
            () => scene.LoadAsync(LlamaServer.ModelA, "-c", "1024"),
            () => scene.LoadAsync(LlamaServer.ModelA, "--rope-freq-base", "5000"),
        })
        {
            var other = await load();
            Assert.Null(scene.State.Store.FindSnapshot(session, other.Item2.Fingerprint));
            Assert.Equal(RestoreStatus.Missing, (await scene.RestoreAsync(other, 0, session)).Status);
        }
        var back = await scene.LoadAsync(LlamaServer.ModelA);
        Assert.Equal(RestoreStatus.Restored, (await scene.RestoreAsync(back, 0, session)).Status);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Snapshot_whose_file_is_gone_or_cut_is_missing(bool isDeleted)
    {
        await using var scene = new SnapshotScene();
        var session = await SavedAsync(scene);
        var path = Path.Combine(scene.State.Folder, scene.State.Files[0]);
        if (isDeleted)
            File.Delete(path);
        else
            File.WriteAllBytes(path, File.ReadAllBytes(path)[..^1000]);
        var back = await scene.LoadAsync(LlamaServer.ModelA);

        Assert.Equal(RestoreStatus.Missing, (await scene.RestoreAsync(back, 0, session)).Status);
        Assert.Empty(scene.State.Files);
        Assert.Null(scene.State.Store.FindSnapshot(session, back.Passport.Fingerprint));
    }

    [Fact]
    public async Task Snapshot_that_the_server_refuses_is_deleted()
    {
        await using var scene = new SnapshotScene();
        var session = await SavedAsync(scene);
        var path = Path.Combine(scene.State.Folder, scene.State.Files[0]);
        var written = File.GetLastWriteTimeUtc(path);
        File.WriteAllBytes(path, new byte[new FileInfo(path).Length]);
        // As a disk leaves it that lost what was written.
        File.SetLastWriteTimeUtc(path, written);
        var back = await scene.LoadAsync(LlamaServer.ModelA);

        var result = await scene.RestoreAsync(back, 0, session);
        Assert.Equal(RestoreStatus.Failed, result.Status);
        Assert.Contains("restore", result.Error, StringComparison.Ordinal);
        Assert.Null(result.Content);
        Assert.Empty(scene.State.Files);
        Assert.Equal(1, scene.Keeper.Totals.Failed);
        Assert.NotEqual("", (await scene.AskAsync(back.Upstream, 0, "apples")).Text);
    }

    [Fact]
    public async Task Slot_that_holds_something_else_is_not_saved()
    {
        await using var scene = new SnapshotScene();
        var loaded = await scene.LoadAsync(LlamaServer.ModelA);
        var answer = await scene.AskAsync(loaded.Upstream, 0, "apples");
        var session = scene.State.Session("s");

        foreach (var (slot, tokens) in new[] { (0, answer.Held + 2), (0, answer.Held - 2), (1, answer.Held) })
        {
            var result = await scene.SaveAsync(loaded, slot, new SlotContent(session, History, tokens));
            Assert.Equal(SaveStatus.Changed, result.Status);
        }
        var short_ = await scene.SaveAsync(loaded, 0, new SlotContent(session, History, 63));
        Assert.Equal(SaveStatus.TooShort, short_.Status);
        var noSlot = await scene.SaveAsync(loaded, 2, new SlotContent(session, History, answer.Held));
        Assert.Equal(SaveStatus.Failed, noSlot.Status);
        Assert.Empty(scene.State.Files);
    }

    [Fact]
    public async Task Newer_snapshot_replaces_the_older_one()
    {
        await using var scene = new SnapshotScene();
        var session = await SavedAsync(scene);
        var first = Assert.Single(scene.State.Files);
        var loaded = await scene.LoadAsync(LlamaServer.ModelA);
        var answer = await scene.AskAsync(loaded.Upstream, 0, "pears and apples");
        var saved = await scene.SaveAsync(loaded, 0, new SlotContent(session, new MessageHash(43), answer.Held));

        Assert.Equal(SaveStatus.Saved, saved.Status);
        Assert.NotEqual(first, Assert.Single(scene.State.Files));
        Assert.Equal(1, scene.Keeper.Totals.Count);
        var restored = await scene.RestoreAsync(loaded, 1, session);
        Assert.Equal(new MessageHash(43), restored.Content!.History);
    }

    [Fact]
    public async Task Snapshot_larger_than_the_bound_is_not_kept_and_not_tried_again()
    {
        await using var scene = new SnapshotScene(SnapshotState.Config(maxBytes: 1000));
        var loaded = await scene.LoadAsync(LlamaServer.ModelA);
        var answer = await scene.AskAsync(loaded.Upstream, 0, "apples");
        var content = new SlotContent(scene.State.Session("s"), History, answer.Held);

        var first = await scene.SaveAsync(loaded, 0, content);
        Assert.Equal(SaveStatus.Failed, first.Status);
        Assert.Contains("snapshots.max_bytes", first.Error, StringComparison.Ordinal);
        Assert.Empty(scene.State.Files);
        // No answer could come from here.
        var second = await scene.Keeper.SaveAsync(loaded.Upstream, loaded.Passport, 0, content, BackendScene.Soon);
        Assert.Contains("snapshots.max_bytes", second.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Save_on_a_full_disk_fails_and_leaves_nothing()
    {
        using var folder = new TempFolder();
        // A file may not grow beyond 50 KiB, and llama-server is told so by the write, as by a full disk.
        var script = Path.Combine(folder.Path, "llama-server");
        File.WriteAllText(script, $"#!/bin/bash\ntrap '' XFSZ\nulimit -f 50\nexec {LlamaServer.Binary} \"$@\"\n");
        File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        await using var scene = new SnapshotScene { Binary = script };
        var loaded = await scene.LoadAsync(LlamaServer.ModelA);
        var answer = await scene.AskAsync(loaded.Upstream, 0, "apples");
        var content = new SlotContent(scene.State.Session("s"), History, answer.Held);

        var result = await scene.SaveAsync(loaded, 0, content);
        Assert.Equal(SaveStatus.Failed, result.Status);
        Assert.Empty(scene.State.Files);
        Assert.Equal((0, 1), (scene.Keeper.Totals.Count, scene.Keeper.Totals.Failed));
        Assert.Equal(answer.Text, (await scene.AskAsync(loaded.Upstream, 1, "apples")).Text);
    }

    [Fact]
    public async Task Save_for_a_session_deleted_meanwhile_leaves_nothing()
    {
        await using var scene = new SnapshotScene();
        var loaded = await scene.LoadAsync(LlamaServer.ModelA);
        var answer = await scene.AskAsync(loaded.Upstream, 0, "apples");
        var session = scene.State.Session("s");
        scene.State.Store.Delete("s");

        var result = await scene.SaveAsync(loaded, 0, new SlotContent(session, History, answer.Held));
        Assert.Equal(SaveStatus.Failed, result.Status);
        Assert.Empty(scene.State.Files);
    }

    [Fact]
    public async Task Server_that_hides_its_slots_has_no_snapshots()
    {
        await using var scene = new SnapshotScene();
        var loaded = await scene.LoadAsync(LlamaServer.ModelA, "--no-slots");
        var content = new SlotContent(scene.State.Session("s"), History, 300);

        Assert.Equal(SaveStatus.NotRestorable, (await scene.SaveAsync(loaded, 0, content)).Status);
        Assert.False(scene.Keeper.IsRestorable(loaded.Passport));
    }

    private static async Task<long> SavedAsync(SnapshotScene scene)
    {
        var loaded = await scene.LoadAsync(LlamaServer.ModelA);
        var answer = await scene.AskAsync(loaded.Upstream, 0, "apples");
        var session = scene.State.Session("s");
        var saved = await scene.SaveAsync(loaded, 0, new SlotContent(session, History, answer.Held));
        Assert.Equal((SaveStatus.Saved, null), (saved.Status, saved.Error));
        return session;
    }
}
