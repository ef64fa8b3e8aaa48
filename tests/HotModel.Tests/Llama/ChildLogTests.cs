using System.Text;
using HotModel.Llama;
using Microsoft.Extensions.Time.Testing;

namespace HotModel.Tests.Llama;

public class ChildLogTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(1000)]
    public async Task Read_any_chunks_gives_whole_lines_to_ring_and_file(int chunk)
    {
        using var folder = new TempFolder();
        var log = new ChildLog(folder.Path);

        log.Read(new ChunkedStream("one\ntwo ä\r\n\nlast"u8.ToArray(), chunk));
        await log.DisposeAsync();

        Assert.Equal(["one", "two ä", "", "last"], log.Tail(10));
        Assert.Equal("one\ntwo ä\n\nlast\n", File.ReadAllText(Path.Combine(folder.Path, ChildLog.FileName(0))));
    }

    [Fact]
    public async Task Read_long_line_is_cut_and_the_next_is_whole()
    {
        await using var log = new ChildLog(null);

        log.Read(new MemoryStream(Encoding.UTF8.GetBytes(new string('x', 100_000) + "\nnext\n")));

        Assert.Equal([new string('x', LogRing.LineLength), "next"], log.Tail(10));
    }

    [Fact]
    public async Task Read_hides_keys()
    {
        await using var log = new ChildLog(null);
        log.Hide("0123456789abcdef");

        log.Read(new MemoryStream("key=0123456789abcdef!\n"u8.ToArray()));

        Assert.Equal(["key=***!"], log.Tail(1));
    }

    [Fact]
    public void Ring_since_mark_gives_later_lines_that_are_still_held()
    {
        var ring = new LogRing();
        ring.Add("before");
        var mark = ring.Mark();
        for (var i = 0; i < LogRing.Capacity + 5; i++)
            ring.Add($"{i}");

        Assert.Equal(LogRing.Capacity, ring.Since(mark).Count);
        Assert.Equal("5", ring.Since(mark)[0]);
        Assert.Empty(ring.Since(ring.Mark()));
    }

    [Fact]
    public async Task Ring_wait_ends_with_the_line_or_the_limit()
    {
        var time = new FakeTimeProvider();
        var ring = new LogRing();
        ring.Add("end");
        var mark = ring.Mark();
        var found = ring.WaitForAsync(mark, line => line == "end", TimeSpan.FromSeconds(1), time);
        var missed = ring.WaitForAsync(mark, line => line == "never", TimeSpan.FromSeconds(1), time);
        Assert.False(found.IsCompleted);

        ring.Add("end");
        Assert.True(await found);
        Assert.True(await ring.WaitForAsync(mark, line => line == "end", TimeSpan.Zero, time));

        time.Advance(TimeSpan.FromSeconds(2));
        Assert.False(await missed);
    }

    [Fact]
    public void Preset_without_a_section_keeps_the_others()
    {
        const string ini = "version = 1\n[*]\nc = 1\n[ a ]\nmodel = x\n; [b]\n[b]\nmodel = y\n";

        Assert.Equal("version = 1\n[*]\nc = 1\n[b]\nmodel = y\n\n", PresetQuarantine.Without(ini, "a"));
    }
}
