using HotModel.Sessions;

namespace HotModel.Tests.Sessions;

public class StateLockTests
{
    [Fact]
    public void TryAcquire_held_directory_is_refused_naming_the_owner()
    {
        using var folder = new StateFolder();
        Assert.True(StateLock.TryAcquire(folder.Path, out var first, out _));
        Assert.False(StateLock.TryAcquire(folder.Path, out _, out var error));
        Assert.Contains($"pid {Environment.ProcessId}", error);
        Assert.Contains(folder.Path, error);
        first.Dispose();
        Assert.True(StateLock.TryAcquire(folder.Path, out var again, out _));
        again.Dispose();
    }

    [Fact]
    public void TryAcquire_left_over_files_of_a_killed_process_do_not_matter()
    {
        using var folder = new StateFolder();
        File.WriteAllText(Path.Combine(folder.Path, "hotmodel.lock"), "");
        File.WriteAllText(Path.Combine(folder.Path, "hotmodel.pid"), "1234567890");
        Assert.True(StateLock.TryAcquire(folder.Path, out var held, out _));
        Assert.Equal($"{Environment.ProcessId}", File.ReadAllText(Path.Combine(folder.Path, "hotmodel.pid")));
        held.Dispose();
    }

    [Fact]
    public void TryAcquire_missing_directory_is_created_for_the_owner_only()
    {
        using var folder = new StateFolder();
        var inner = Path.Combine(folder.Path, "state");
        Assert.True(StateLock.TryAcquire(inner, out var held, out _));
        held.Dispose();
        if (!OperatingSystem.IsWindows())
            Assert.Equal((UnixFileMode)0b111_000_000, File.GetUnixFileMode(inner));
    }
}
