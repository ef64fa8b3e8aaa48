using HotModel.Sessions;
using Microsoft.Data.Sqlite;

namespace HotModel.Tests.Sessions;

/// <summary>The ledger of footprints.</summary>
public sealed class SessionStoreFootprintTests : IDisposable
{
    private const long Most = 1000;

    private readonly StateFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static void Keep(SessionStore store, string print, long bytes, long? estimated = null, string device = "g") =>
        store.KeepFootprint([new StoredFootprint(print, device, "build", bytes, estimated)]);

    [Fact]
    public void The_newest_measurement_counts_and_outlives_a_restart()
    {
        using (var store = folder.Open())
        {
            store.KeepFootprint([
                new StoredFootprint("a", "g", "build", 5, null), new StoredFootprint("a", "h", "build", 6, null)]);
            Keep(store, "a", 7);
        }
        using var again = folder.Open();
        Assert.Equal(new Dictionary<string, long> { ["g"] = 7 }, again.FindFootprint("a"));
        again.ForgetFootprint("a");
        Assert.Null(again.FindFootprint("a"));
    }

    [Fact]
    public void The_oldest_are_forgotten()
    {
        using var store = folder.Open();
        for (var i = 0; i < 300; i++)
        {
            Keep(store, $"{i}", i);
            folder.Time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Null(store.FindFootprint("43"));
        Assert.NotNull(store.FindFootprint("44"));
        Assert.NotNull(store.FindFootprint("299"));
    }

    [Fact]
    public void A_build_uses_the_gpu_if_any_model_took_memory_of_one()
    {
        using var store = folder.Open();
        Keep(store, "cpu", 0, estimated: 0);
        Assert.Null(store.UsesGpu("build"));
        Keep(store, "expected", 0, estimated: 9);
        Assert.False(store.UsesGpu("build"));
        Keep(store, "took", 9, estimated: 9);
        Assert.True(store.UsesGpu("build"));
        Assert.Null(store.UsesGpu("another"));
    }

    [Fact]
    public void What_models_took_beyond_their_estimates_is_known_by_device()
    {
        using var store = folder.Open();
        Keep(store, "a", 110, estimated: 100);
        Keep(store, "b", 130, estimated: 100);
        Keep(store, "less", 90, estimated: 100);
        Keep(store, "far more", 100 + Most, estimated: 100);
        Keep(store, "not estimated", 100);
        Keep(store, "elsewhere", 200, estimated: 100, device: "h");

        Assert.Equal(20, store.MeanSurplus("build", "g", Most));
        Assert.Null(store.MeanSurplus("another", "g", Most));
    }

    [Fact]
    public void What_the_disk_does_not_give_is_not_known()
    {
        using (var store = folder.Open())
            Keep(store, "a", 7, estimated: 5);
        long page, bytes;
        using (var connection = new SqliteConnection($"Data Source={folder.Database};Pooling=False"))
        {
            connection.Open();
            page = Scalar(connection, "SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = 'footprints'");
            bytes = Scalar(connection, "PRAGMA page_size");
        }
        using (var file = File.OpenWrite(folder.Database))
        {
            file.Position = (page - 1) * bytes;
            file.Write(new byte[bytes]);
        }

        using var broken = folder.Open();
        Assert.Null(broken.FindFootprint("a"));
        Assert.Null(broken.UsesGpu("build"));
        Assert.Null(broken.MeanSurplus("build", "g", Most));
    }

    private static long Scalar(SqliteConnection connection, string query)
    {
        using var command = connection.CreateCommand();
        command.CommandText = query;
        return (long)command.ExecuteScalar()!;
    }
}
