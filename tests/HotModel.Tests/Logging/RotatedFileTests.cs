using System.Text;
using HotModel.Logging;
using HotModel.Tests.Llama;

namespace HotModel.Tests.Logging;

public class RotatedFileTests
{
    [Fact]
    public void File_that_is_full_is_rotated_and_the_oldest_goes()
    {
        using var folder = new TempFolder();
        var path = Path.Combine(folder.Path, "x.log");
        using (var file = new RotatedFile(path, maxBytes: 10, files: 3))
        {
            foreach (var line in new[] { "aaaaaaaa\n", "bbbbbbbb\n", "cccccccc\n", "dddddddd\n" })
                Assert.True(file.TryWrite(Encoding.UTF8.GetBytes(line)));
        }

        Assert.Equal("dddddddd\n", File.ReadAllText(path));
        Assert.Equal("cccccccc\n", File.ReadAllText(path + ".1"));
        Assert.Equal("bbbbbbbb\n", File.ReadAllText(path + ".2"));
        Assert.Equal(3, Directory.GetFiles(folder.Path).Length);
    }

    [Fact]
    public void Single_file_that_is_full_begins_anew()
    {
        using var folder = new TempFolder();
        var path = Path.Combine(folder.Path, "x.log");
        using var file = new RotatedFile(path, maxBytes: 10, files: 1);

        Assert.True(file.TryWrite("aaaaaaaa\n"u8) && file.TryWrite("bbbbbbbb\n"u8));

        Assert.Equal("bbbbbbbb\n", File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void File_in_a_folder_that_is_gone_costs_the_line_only()
    {
        using var folder = new TempFolder();
        var gone = Path.Combine(folder.Path, "gone");
        using var file = new RotatedFile(Path.Combine(gone, "x.log"), 10, 3);

        Assert.False(file.TryWrite("line\n"u8));
        Directory.CreateDirectory(gone);
        Assert.True(file.TryWrite("next\n"u8));

        Assert.Equal("next\n", File.ReadAllText(Path.Combine(gone, "x.log")));
    }

    [Fact]
    public void File_where_a_folder_should_be_says_why_it_cannot_be_written()
    {
        using var folder = new TempFolder();
        File.WriteAllText(Path.Combine(folder.Path, "file"), "");
        using var bad = new RotatedFile(Path.Combine(folder.Path, "file", "x.log"), 10, 3);
        using var good = new RotatedFile(Path.Combine(folder.Path, "new", "x.log"), 10, 3);

        Assert.NotNull(bad.Problem());
        Assert.Null(good.Problem());
    }

    [Fact]
    public void Full_disk_refuses_the_lines_and_takes_them_once_there_is_room()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "/dev/full is Linux's");
        using var folder = new TempFolder();
        var path = Path.Combine(folder.Path, "x.log");
        File.CreateSymbolicLink(path, "/dev/full");
        using var file = new RotatedFile(path, 1000, 3);

        Assert.False(file.TryWrite("lost\n"u8));
        Assert.False(file.TryWrite("lost too\n"u8));
        File.Delete(path);
        Assert.True(file.TryWrite("kept\n"u8));

        Assert.Equal("kept\n", File.ReadAllText(path));
    }
}
