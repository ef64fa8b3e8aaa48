using System.Runtime.CompilerServices;
using Microsoft.Data.Sqlite;

namespace HotModel.FunctionalTests.Harness;

/// <summary>The state folder's databases, read with SQLite itself and not with the program's code.</summary>
internal static class Store
{
    [ModuleInitializer]
    internal static void UseSystemSqlite() => SQLitePCL.raw.SetProvider(new SQLitePCL.SQLite3Provider_sqlite3());

    /// <summary>"ok", or what PRAGMA integrity_check finds.</summary>
    public static string CheckIntegrity(string folder)
    {
        var findings = new List<string>();
        foreach (var file in Directory.EnumerateFiles(folder, "*.db"))
        {
            using var connection = new SqliteConnection($"Data Source={file};Mode=ReadWrite;Pooling=False");
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = "PRAGMA integrity_check";
            using var reader = command.ExecuteReader();
            while (reader.Read())
                findings.Add(reader.GetString(0));
        }
        return findings.Count == 0 ? "no database" : string.Join('\n', findings.Distinct());
    }
}
