using Microsoft.Data.Sqlite;

namespace HotModel.Sessions;

/// <summary>What a model took on one device when it was loaded last.</summary>
/// <param name="Fingerprint">Of the model's files, its arguments, the build and the devices.</param>
/// <param name="Build">Of llama-server.</param>
/// <param name="EstimatedBytes">What was expected there, without what a process takes before it has a model; null where
/// nothing was.</param>
internal sealed record StoredFootprint(
    string Fingerprint, string Device, string Build, long Bytes, long? EstimatedBytes);

/// <summary>The ledger of measured footprints.</summary>
internal sealed partial class SessionStore
{
    /// <summary>Loads that are remembered: each has some hundred bytes for each device.</summary>
    private const int FootprintLimit = 256;

    private readonly FootprintStatements footprints;

    private sealed class FootprintStatements(Func<string, int, StoreStatement> statement)
    {
        public StoreStatement Insert { get; } = statement(
            "INSERT INTO footprints (fingerprint, device, build, bytes, estimated, created) "
            + "VALUES ($1, $2, $3, $4, $5, $6)", 6);

        public StoreStatement Find { get; } = statement("SELECT device, bytes FROM footprints WHERE fingerprint = $1", 1);
        public StoreStatement Delete { get; } = statement("DELETE FROM footprints WHERE fingerprint = $1", 1);
        public StoreStatement DeleteOld { get; } = statement(
            "DELETE FROM footprints WHERE fingerprint NOT IN (SELECT fingerprint FROM footprints "
            + "GROUP BY fingerprint ORDER BY max(created) DESC LIMIT $1)", 1);

        public StoreStatement Use { get; } = statement(
            "SELECT max(bytes), max(estimated) FROM footprints WHERE build = $1", 1);

        public StoreStatement Surplus { get; } = statement(
            "SELECT CAST(avg(bytes - estimated) AS INTEGER) FROM footprints WHERE build = $1 AND device = $2 "
            + "AND estimated > 0 AND bytes > estimated AND bytes - estimated < $3", 3);
    }

    /// <summary>Replaces what was known of that fingerprint.</summary>
    /// <param name="devices">One for each device, all of one fingerprint.</param>
    public void KeepFootprint(IReadOnlyList<StoredFootprint> devices)
    {
        lock (sync)
        {
            Write(() =>
            {
                footprints.Delete.Run(devices[0].Fingerprint);
                foreach (var one in devices)
                    footprints.Insert.Run(one.Fingerprint, one.Device, one.Build, one.Bytes, one.EstimatedBytes, Now());
                footprints.DeleteOld.Run(FootprintLimit);
            });
        }
    }

    public void ForgetFootprint(string fingerprint)
    {
        lock (sync)
            Write(() => footprints.Delete.Run(fingerprint));
    }

    /// <summary>Bytes by device; null where nothing was measured.</summary>
    public IReadOnlyDictionary<string, long>? FindFootprint(string fingerprint) => Known(() =>
    {
        var bytes = new Dictionary<string, long>(StringComparer.Ordinal);
        using var row = footprints.Find.Read(fingerprint);
        while (row.Read())
            bytes.Add(row.GetString(0), row.GetInt64(1));
        return bytes.Count > 0 ? bytes : null;
    });

    /// <summary>Whether models that were loaded with this build took memory of GPUs; null where none was that should.</summary>
    public bool? UsesGpu(string build) => Known<bool?>(() =>
    {
        using var row = footprints.Use.Read(build);
        row.Read();
        var taken = row.IsDBNull(0) ? 0 : row.GetInt64(0);
        var expected = row.IsDBNull(1) ? 0 : row.GetInt64(1);
        return taken > 0 ? true : expected > 0 ? false : null;
    });

    /// <summary>What models took there beyond what was expected, on average; null where none was measured.</summary>
    /// <param name="build">Of llama-server.</param>
    /// <param name="device">The device.</param>
    /// <param name="most">More than that is no surplus, but a wrong estimate.</param>
    public long? MeanSurplus(string build, string device, long most) =>
        Known(() => footprints.Surplus.Scalar(build, device, most) as long?);

    /// <summary>Null also where the disk does not give it: what was measured is of use, and no switch may fail for it.</summary>
    private T? Known<T>(Func<T?> read)
    {
        lock (sync)
        {
            try
            {
                return closed ? default : read();
            }
            catch (SqliteException e) when (IsOfTheDisk(e.SqliteErrorCode))
            {
                SessionLog.ReadFailed(logger, connection.DataSource, Describe(e));
                return default;
            }
        }
    }
}
