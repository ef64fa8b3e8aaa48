using System.Text;
using HotModel.Llama;

namespace HotModel.Tests.Llama;

public class SseReaderTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(10_000)]
    public async Task Read_any_chunks_gives_whole_events(int chunk)
    {
        const string text = ": hello\n\ndata: {\"a\":1}\n\nevent: x\nid: 7\ndata:second\r\ndata: line ä\r\n\r\n"
            + "\n\n:\n\ndata: cut off";

        Assert.Equal(["{\"a\":1}", "second\nline ä"], await AllAsync(text, chunk));
    }

    [Fact]
    public async Task Read_event_that_is_too_long_is_skipped()
    {
        var text = $"data: {new string('x', SseReader.EventBytesMax + 10)}\n\ndata: next\n\n";

        Assert.Equal(["next"], await AllAsync(text, 100_000));
    }

    [Fact]
    public async Task Read_event_of_too_many_lines_is_skipped()
    {
        var text = string.Concat(Enumerable.Repeat($"data: {new string('x', 1000)}\n", 1100)) + "\ndata: next\n\n";

        Assert.Equal(["next"], await AllAsync(text, 100_000));
    }

    private static async Task<List<string>> AllAsync(string text, int chunk)
    {
        var reader = new SseReader(new ChunkedStream(Encoding.UTF8.GetBytes(text), chunk));
        var events = new List<string>();
        while (await reader.ReadAsync(CancellationToken.None) is { } data)
            events.Add(Encoding.UTF8.GetString(data.Span));
        return events;
    }
}
