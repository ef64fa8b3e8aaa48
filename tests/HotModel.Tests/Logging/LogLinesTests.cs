using System.Text.Json;
using HotModel.Configuration;
using HotModel.Logging;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using ZLogger;

namespace HotModel.Tests.Logging;

public class LogLinesTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 4, 5, 6, 7, 89, TimeSpan.Zero);

    /// <summary>Two lines of HotModel's own, as written.</summary>
    private static async Task<string[]> LinesAsync(LogFormat shape, bool isJournal = false)
    {
        var output = new StuckOutput();
        var time = new FakeTimeProvider(Now);
        var sink = new LogSink(output, new LogLines(shape, isJournal, TimeProvider.System), TimeProvider.System);
        using (var factory = LoggerFactory.Create(logs => logs.AddZLoggerLogProcessor(options =>
        {
            options.TimeProvider = time;
            return sink;
        })))
        {
            var logger = factory.CreateLogger("Some.Category");
            HostLog.Listening(logger, "1.2.3", "http://127.0.0.1:1/", "/a \"quoted\"\nfolder ä");
            logger.ZLogError(new InvalidOperationException("broken"), $"{42} of {"it"}");
        }
        await sink.DisposeAsync();
        return output.Lines;
    }

    [Fact]
    public async Task Plain_lines_begin_with_the_time_and_the_level()
    {
        var lines = await LinesAsync(LogFormat.Plain);

        Assert.Equal("2026-03-04 05:06:07.089 INF hotmodel 1.2.3 listens on http://127.0.0.1:1/v1; its state is in /a \"quoted\"",
            lines[0]);
        Assert.Equal("2026-03-04 05:06:07.089 ERR 42 of it", lines[2]);
        Assert.Contains("broken", lines[3]);
    }

    [Fact]
    public async Task Plain_lines_for_the_journal_begin_with_the_priority_instead()
    {
        var lines = await LinesAsync(LogFormat.Plain, isJournal: true);

        Assert.StartsWith("<6>hotmodel 1.2.3 listens", lines[0]);
        Assert.Equal("<3>42 of it", lines[2]);
    }

    [Fact]
    public async Task Json_lines_are_one_object_each_with_all_values()
    {
        var lines = await LinesAsync(LogFormat.Json);

        Assert.Equal(2, lines.Length);
        var first = JsonDocument.Parse(lines[0]).RootElement;
        Assert.Equal(Now, first.GetProperty("time").GetDateTimeOffset());
        Assert.Equal(("information", "Some.Category", 1), (first.GetProperty("level").GetString(),
            first.GetProperty("category").GetString(), first.GetProperty("event").GetInt32()));
        Assert.EndsWith("its state is in /a \"quoted\"\nfolder ä", first.GetProperty("message").GetString());
        Assert.Equal("1.2.3", first.GetProperty("values").GetProperty("version").GetString());
        var second = JsonDocument.Parse(lines[1]).RootElement;
        Assert.Equal(("error", "42 of it"), (second.GetProperty("level").GetString(), second.GetProperty("message").GetString()));
        Assert.Contains("InvalidOperationException: broken", second.GetProperty("exception").GetString());
    }

    [Theory]
    [InlineData("8:1234", "socket:[1234]", true)]
    [InlineData("8:1234", "socket:[12345]", false)]
    [InlineData("8:1234", "/dev/pts/0", false)]
    [InlineData("8:1234", null, false)]
    [InlineData("nonsense", "socket:[1234]", false)]
    [InlineData(null, "socket:[1234]", false)]
    public void Journal_is_known_by_the_socket_that_standard_error_is(string? variable, string? link, bool expected) =>
        Assert.Equal(expected, LogSetup.IsJournal(variable, link));
}
