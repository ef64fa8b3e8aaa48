using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace HotModel.Sessions;

/// <summary>
/// At most one process uses a state directory. The operating system releases it however the process ends.
/// </summary>
internal sealed class StateLock : IDisposable
{
    private const string LockFileName = "hotmodel.lock";
    // A file of its own: nobody else can open the locked one, not even to read whose it is.
    private const string PidFileName = "hotmodel.pid";

    private readonly FileStream file;
    private readonly string pidPath;

    private StateLock(FileStream file, string pidPath)
    {
        this.file = file;
        this.pidPath = pidPath;
    }

    public static bool TryAcquire(
        string stateDirectory, [NotNullWhen(true)] out StateLock? held, [NotNullWhen(false)] out string? error)
    {
        var pidPath = Path.Combine(stateDirectory, PidFileName);
        FileStream file;
        try
        {
            StateFiles.CreateDirectory(stateDirectory);
            file = StateFiles.Open(Path.Combine(stateDirectory, LockFileName), FileShare.None);
        }
        catch (IOException e) when (IsHeldElsewhere(e))
        {
            held = null;
            error = $"Another hotmodel ({ReadOwner(pidPath)}) uses the state directory {stateDirectory}: "
                + "stop it, or set server.state_path to a file in another folder.";
            return false;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            held = null;
            error = $"hotmodel cannot start: the state directory {stateDirectory} cannot be written ({e.Message}). "
                + "Make it writable for this user, or set server.state_path to a file in another folder.";
            return false;
        }
        held = new StateLock(file, pidPath);
        error = null;
        WritePid(pidPath);
        return true;
    }

    public void Dispose()
    {
        try
        {
            File.Delete(pidPath);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Only a message of another process would have used it.
        }
        file.Dispose();
    }

    private static void WritePid(string path)
    {
        try
        {
            using var pid = StateFiles.Open(path, FileShare.ReadWrite | FileShare.Delete);
            pid.SetLength(0);
            pid.Write(Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A full disk must not keep the program from starting: the lock is held, only its owner stays unnamed.
        }
    }

    private static string ReadOwner(string path)
    {
        try
        {
            return int.TryParse(File.ReadAllText(path), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
                ? $"pid {pid}"
                : "pid unknown";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "pid unknown";
        }
    }

    /// <summary>EWOULDBLOCK of Linux (11) and macOS (35), ERROR_SHARING_VIOLATION of Windows.</summary>
    private static bool IsHeldElsewhere(IOException e) =>
        e.HResult is 11 or 35 || e.HResult == unchecked((int)0x80070020);
}
