using System.Reflection;
using System.Runtime.InteropServices;
using SQLitePCL;

namespace HotModel.Sessions;

/// <summary>Which SQLite the process uses.</summary>
/// <remarks>
/// The Linux executable has SQLite linked in (DirectPInvoke in the project file), so the resolver below is never asked
/// there. It is asked when the program runs on the JIT (tests), and on Windows and macOS, which carry their own.
/// </remarks>
internal static class SqliteLibrary
{
    private static readonly Lock Sync = new();
    private static bool initialized;

    public static void Initialize()
    {
        lock (Sync)
        {
            if (initialized)
                return;
            NativeLibrary.SetDllImportResolver(typeof(SQLite3Provider_sqlite3).Assembly, Resolve);
            raw.SetProvider(new SQLite3Provider_sqlite3());
            raw.FreezeProvider();
            initialized = true;
        }
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath)
    {
        if (name != "sqlite3")
            return 0;
        // libsqlite3.so.0: the run-time package's name; plain libsqlite3.so comes with the development package only.
        var systemName = OperatingSystem.IsWindows() ? "winsqlite3.dll"
            : OperatingSystem.IsMacOS() ? "libsqlite3.dylib"
            : "libsqlite3.so.0";
        return NativeLibrary.TryLoad(systemName, out var handle) ? handle : 0;
    }
}
