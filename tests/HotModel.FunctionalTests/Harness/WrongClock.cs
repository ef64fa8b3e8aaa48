using System.Buffers.Binary;
using System.Diagnostics;

namespace HotModel.FunctionalTests.Harness;

/// <summary>The clock of programs that are started with its environment; it can be set while they run.</summary>
internal sealed class WrongClock : IDisposable
{
    // The linker of Native AOT, so that it is there.
    private static readonly Lazy<string> Library = new(Compile);

    private readonly FileStream file;

    public WrongClock()
    {
        file = new FileStream(
            Path.GetTempFileName(), FileMode.Open, FileAccess.Write, FileShare.Read, sizeof(long), FileOptions.DeleteOnClose);
        SetWrongBy(TimeSpan.Zero);
    }

    public IReadOnlyDictionary<string, string> Environment => new Dictionary<string, string>
    {
        ["LD_PRELOAD"] = Library.Value,
        ["HOTMODEL_TEST_CLOCK"] = file.Name,
    };

    /// <summary>At once.</summary>
    public void SetWrongBy(TimeSpan error)
    {
        var seconds = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(seconds, (long)error.TotalSeconds);
        file.Position = 0;
        file.Write(seconds);
        file.Flush();
    }

    public void Dispose() => file.Dispose();

    private static string Compile()
    {
        var source = Path.Combine(Programs.RepositoryRoot, "tests", "HotModel.FunctionalTests", "Harness", "clock.c");
        var library = Path.Combine(AppContext.BaseDirectory, "clock.so");
        using var compiler = Process.Start("gcc", ["-shared", "-fPIC", "-O1", "-Wall", "-o", library, source]);
        compiler.WaitForExit();
        Assert.Equal(0, compiler.ExitCode);
        return library;
    }
}
