using HotModel.Scheduling;
using Microsoft.Data.Sqlite;

namespace HotModel.Sessions;

/// <summary>How long models take to load, to leave and to answer, as measured.</summary>
internal sealed partial class SessionStore
{
    private readonly StoreStatement keepTimes, readTimes;

    /// <summary>A write that fails is logged and counted: then the next start knows older times, or none.</summary>
    /// <param name="model">A configured name.</param>
    /// <param name="times">Replace what was kept of it.</param>
    public void KeepTimes(string model, ModelTimes times)
    {
        lock (sync)
        {
            Attempt(() => keepTimes.Run(
                model, times.Load?.Mean.TotalSeconds, times.Load?.Deviation.TotalSeconds,
                times.Unload?.Mean.TotalSeconds, times.Unload?.Deviation.TotalSeconds,
                times.Answer?.Mean.TotalSeconds, times.Answer?.Deviation.TotalSeconds));
        }
    }

    /// <summary>By model; also of such as are not configured any more.</summary>
    public IReadOnlyDictionary<string, ModelTimes> ReadTimes()
    {
        lock (sync)
        {
            var all = new Dictionary<string, ModelTimes>(StringComparer.Ordinal);
            using var row = readTimes.Read();
            while (row.Read())
                all.Add(row.GetString(0), new ModelTimes(Time(row, 1), Time(row, 3), Time(row, 5)));
            return all;
        }
    }

    private static Estimate? Time(SqliteDataReader row, int column) => row.IsDBNull(column) ? null
        : new Estimate(TimeSpan.FromSeconds(row.GetDouble(column)), TimeSpan.FromSeconds(row.GetDouble(column + 1)));
}
