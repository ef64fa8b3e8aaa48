using System.Text;
using HotModel.Logging;
using HotModel.Tests.Llama;

namespace HotModel.Tests.Logging;

public sealed class RotatedFileTests : IDisposable
{
    private readonly TempFolder folder = new();

    private string Name => Path.Combine(folder.Path, "x.log");

    public void Dispose() => folder.Dispose();

    private RotatedFile Open(string? path = null) => new(path ?? Name, maxBytes: 10, files: 3, missing => $"-{missing}");

    [Fact]
    public void File_that_is_full_is_rotated_and_the_oldest_goes()
    {
        using (var file = Open())
        {
            foreach (var line in new[] { "aaaaaaaa\n", "bbbbbbbb\n", "cccccccc\n", "dddddddd\n" })
                Assert.True(file.TryAppend(Encoding.UTF8.GetBytes(line)));
        }

        Assert.Equal("dddddddd\n", File.ReadAllText(Name));
        Assert.Equal("cccccccc\n", File.ReadAllText(Name + ".1"));
        Assert.Equal("bbbbbbbb\n", File.ReadAllText(Name + ".2"));
        Assert.Equal(3, Directory.GetFiles(folder.Path).Length);
    }

    [Fact]
    public void Lines_that_could_not_be_written_are_counted_in_the_file_once_it_can_be()
    {
        var path = Path.Combine(folder.Path, "later", "x.log");
        using var file = Open(path);
        Assert.False(file.TryAppend("one\n"u8));
        Assert.False(file.TryAppend("two\nthree\n"u8));

        Directory.CreateDirectory(Path.GetDirectoryName(path)!);

        Assert.True(file.TryAppend("four\n"u8));
        Assert.Equal("-3\nfour\n", File.ReadAllText(path));
    }

    [Fact]
    public void File_of_an_earlier_run_is_gone_on_with_and_is_nobody_elses_business()
    {
        File.WriteAllText(Name + ".1", "");
        using (var file = Open())
            file.TryAppend("a\n"u8);
        using (var file = Open())
            file.TryAppend("b\n"u8);

        Assert.Equal("a\nb\n", File.ReadAllText(Name));
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Name));
    }
}
