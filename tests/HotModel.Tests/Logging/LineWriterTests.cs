using System.Buffers;
using System.Text;
using HotModel.Logging;
using Microsoft.Extensions.Time.Testing;

namespace HotModel.Tests.Logging;

public class LineWriterTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    private static readonly LineFormat<string> Format = new(
        (line, to) => Encoding.UTF8.GetBytes(line + "\n", to), (count, to) => Encoding.UTF8.GetBytes($"lost {count}\n", to));

    private static LineWriter<string> Writer(StuckOutput output, TimeProvider? time = null) =>
        new(output, Format, time ?? TimeProvider.System);

    [Fact]
    public async Task Lines_of_a_healthy_output_come_in_order_and_whole_at_the_end()
    {
        var output = new StuckOutput();
        await using (var writer = Writer(output))
        {
            for (var i = 0; i < 1000; i++)
                Assert.True(writer.TryAdd($"{i}"));
        }

        Assert.Equal(Enumerable.Range(0, 1000).Select(i => $"{i}"), output.Lines);
    }

    [Fact]
    public async Task Output_that_blocks_costs_what_is_beyond_the_queue_and_tells_it_in_one_line_afterwards()
    {
        var output = new StuckOutput();
        await using (var writer = Writer(output))
        {
            output.Block();
            writer.TryAdd("first");
            Assert.True(await output.Entered.WaitAsync(Limit, TestContext.Current.CancellationToken));
            for (var i = 0; i < LineWriter<string>.Capacity; i++)
                Assert.True(writer.TryAdd($"{i}"));
            for (var i = 0; i < 7; i++)
                Assert.False(writer.TryAdd("too much"));
            output.Unblock();
        }

        Assert.Equal(
            ["first", .. Enumerable.Range(0, LineWriter<string>.Capacity).Select(i => $"{i}"), "lost 7"], output.Lines);
    }

    [Fact]
    public async Task Output_that_refuses_is_tried_again_and_the_missing_lines_are_counted()
    {
        var output = new StuckOutput { Refuses = true };
        await using (var writer = Writer(output))
        {
            for (var i = 0; i < 3; i++)
            {
                writer.TryAdd("lost");
                Assert.True(await output.Done.WaitAsync(Limit, TestContext.Current.CancellationToken));
            }
            output.Refuses = false;
            writer.TryAdd("kept");
        }

        Assert.Equal(["kept", "lost 3"], output.Lines);
    }

    [Fact]
    public async Task End_does_not_wait_for_an_output_that_blocks()
    {
        var time = new FakeTimeProvider();
        var output = new StuckOutput();
        output.Block();
        var writer = Writer(output, time);
        writer.TryAdd("stuck");
        Assert.True(await output.Entered.WaitAsync(Limit, TestContext.Current.CancellationToken));

        var ending = writer.DisposeAsync().AsTask();
        Assert.False(ending.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(3));

        await ending.WaitAsync(Limit, TestContext.Current.CancellationToken);
        output.Unblock();
    }
}
