using System.IO.Pipelines;
using System.Text;
using HotModel.Api;
using HotModel.Proxy;

namespace HotModel.Tests.Proxy;

public class SseRelayTests
{
    private const string Event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"";
    private const string Close = "\"},\"finish_reason\":null}]}\n\n";
    private const string Finish = "data: {\"choices\":[{\"finish_reason\":\"stop\",\"index\":0,\"delta\":{}}]}\n\n";
    private const string Done = "data: [DONE]\n\n";
    private const string Answer =
        ": ping\n\n" + Event + "hé" + Close + "event: x\r\nid: 7\r\n" + Event + "\\n\\\"lo" + Close + Finish + Done;

    [Fact]
    public async Task Run_chunks_of_every_size_give_the_same_bytes_and_the_same_message()
    {
        byte[] bytes = Encoding.UTF8.GetBytes(Answer);
        for (int size = 1; size <= bytes.Length; size++)
        {
            Relayed relayed = await RelayAsync(new ScriptedStream(Chunks(bytes, size)));
            Assert.Equal(Answer, relayed.Text);
            Assert.Equal("""{"role":"assistant","content":"hé\n\"lo"}""", relayed.Message);
            Assert.Equal(RelayEnd.Complete, relayed.Result.End);
        }
    }

    [Fact]
    public async Task Run_cut_in_two_at_every_byte_gives_the_same_bytes_and_the_same_message()
    {
        byte[] bytes = Encoding.UTF8.GetBytes(Answer);
        for (int at = 1; at < bytes.Length; at++)
        {
            Relayed relayed = await RelayAsync(new ScriptedStream([bytes[..at], bytes[at..]]));
            Assert.Equal(Answer, relayed.Text);
            Assert.Equal("""{"role":"assistant","content":"hé\n\"lo"}""", relayed.Message);
        }
    }

    [Fact]
    public async Task Run_upstream_dies_after_any_byte_leaves_whole_events_and_an_error_or_the_whole_answer()
    {
        byte[] bytes = Encoding.UTF8.GetBytes(Answer);
        int finished = Encoding.UTF8.GetByteCount(Answer[..(Answer.IndexOf(Finish, StringComparison.Ordinal) + Finish.Length)]);
        for (int at = 0; at < bytes.Length; at++)
        {
            foreach (bool clean in new[] { true, false })
            {
                Relayed relayed = await RelayAsync(new ScriptedStream([bytes[..at]], clean ? null : new IOException("reset")));
                // The finishing event is whole when its line is, the blank line behind it or not.
                // After an error or within a line that is not enough: a chunk with the usage may have been to come.
                bool isBetween = at == finished - 1 || at == finished;
                bool isWhole = at >= bytes.Length - 1 || (clean && (isBetween || at == bytes.Length - 2));
                if (!isWhole && clean && at >= finished - 2)
                    continue;
                Assert.Equal(isWhole ? RelayEnd.Complete : RelayEnd.Cut, relayed.Result.End);
                Assert.Equal(isWhole, relayed.Message is not null);
                if (isWhole)
                    Assert.StartsWith(relayed.Text, Answer, StringComparison.Ordinal);
                else
                    AssertEndsWithError(relayed.Text, "upstream_cut");
            }
        }
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, true)]
    public async Task Run_ends_without_the_end_mark_it_is_whole_where_all_choices_are_finished(bool both, bool isWhole)
    {
        string other = Event.Replace("\"index\":0", "\"index\":1", StringComparison.Ordinal) + "b" + Close;
        string stream = Event + "a" + Close + other + Finish
            + (both ? Finish.Replace("\"index\":0", "\"index\":1", StringComparison.Ordinal) : "");

        Relayed relayed = await RelayAsync(new ScriptedStream([Encoding.UTF8.GetBytes(stream)]));

        Assert.Equal(isWhole ? RelayEnd.Complete : RelayEnd.Cut, relayed.Result.End);
        Assert.Equal(isWhole ? 1 : 0, relayed.Completions);
        Assert.StartsWith(stream, relayed.Text);
        if (!isWhole)
            AssertEndsWithError(relayed.Text, "upstream_cut");
    }

    [Fact]
    public async Task Run_routers_error_text_between_finish_reason_and_end_mark_is_an_error()
    {
        string stream = Event + "a" + Close + Finish;

        Relayed relayed = await RelayAsync(
            new ScriptedStream([Encoding.UTF8.GetBytes(stream + "proxy error: Failed to read connection")]));

        Assert.Equal(RelayEnd.Cut, relayed.Result.End);
        Assert.Equal(0, relayed.Completions);
        Assert.StartsWith(stream, relayed.Text);
        AssertEndsWithError(relayed.Text, "upstream_cut");
    }

    [Fact]
    public async Task Run_client_leaves_behind_the_finish_reason_the_answer_is_whole()
    {
        using var left = new CancellationTokenSource();
        using var scope = new RequestScope(TimeProvider.System, left.Token, default);
        var answer = new AnswerCollector();
        var relay = new SseRelay(
            new ScriptedStream(Leaving()), new Pipe().Writer, scope, answer, TimeSpan.FromMinutes(1));
        int completions = 0;

        RelayResult result = await relay.RunAsync(() => completions++);

        Assert.Equal((RelayEnd.Complete, 1), (result.End, completions));

        IEnumerable<byte[]> Leaving()
        {
            yield return Encoding.UTF8.GetBytes(Event + "a" + Close + Finish);
            left.Cancel();
            throw new OperationCanceledException(left.Token);
        }
    }

    [Theory]
    [InlineData("proxy error: Failed to read connection")]
    [InlineData("proxy error: Failed to read connection\n\n")]
    [InlineData("data")]
    [InlineData("dat: x\n")]
    [InlineData("<html>\n")]
    [InlineData("{\"error\":{}}\n")]
    public async Task Run_text_that_is_no_event_stream_never_reaches_the_client(string garbage)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(Event + "a" + Close + garbage);
        for (int at = 1; at < bytes.Length; at++)
        {
            Relayed relayed = await RelayAsync(new ScriptedStream([bytes[..at], bytes[at..]]));
            Assert.StartsWith(Event + "a" + Close, relayed.Text);
            Assert.Null(relayed.Message);
            if (garbage == "data")
                continue;
            Assert.DoesNotContain(garbage.Trim(), relayed.Text, StringComparison.Ordinal);
            AssertEndsWithError(relayed.Text, "upstream_cut");
        }
    }

    [Fact]
    public async Task Run_garbage_after_the_end_mark_is_dropped_and_the_answer_stays_whole()
    {
        Relayed relayed = await RelayAsync(new ScriptedStream([Encoding.UTF8.GetBytes(Answer + "proxy error: x\n")]));

        Assert.Equal(Answer, relayed.Text);
        Assert.Equal(RelayEnd.Complete, relayed.Result.End);
    }

    [Theory]
    [InlineData("data: {\"error\":{\"message\":\"no\"}}\n\n")]
    [InlineData("error: {\"message\":\"no\"}\n\n")]
    public async Task Run_upstreams_own_error_event_is_passed_on_and_none_is_added(string error)
    {
        string stream = Event + "a" + Close + error + Done;

        Relayed relayed = await RelayAsync(new ScriptedStream([Encoding.UTF8.GetBytes(stream)]));

        Assert.Equal(stream, relayed.Text);
        Assert.Equal(RelayEnd.CutByUpstreamError, relayed.Result.End);
        Assert.Null(relayed.Message);
    }

    [Fact]
    public async Task Run_data_that_is_not_json_is_passed_on_and_the_answer_not_stored()
    {
        string stream = Event + "a" + Close + "data: {broken\n\n" + Finish + Done;

        Relayed relayed = await RelayAsync(new ScriptedStream([Encoding.UTF8.GetBytes(stream)]));

        Assert.Equal(stream, relayed.Text);
        Assert.Null(relayed.Message);
        Assert.Equal(1, relayed.Completions);
    }

    [Fact]
    public async Task Run_end_mark_is_held_until_the_answer_is_stored()
    {
        var pipe = new Pipe();
        byte[] bytes = Encoding.UTF8.GetBytes(Answer);
        var answer = new AnswerCollector();
        using var scope = new RequestScope(TimeProvider.System, default, default);
        var relay = new SseRelay(new ScriptedStream(Chunks(bytes, 5)), pipe.Writer, scope, answer, TimeSpan.FromMinutes(1));
        string? seenAtStore = null;

        await relay.RunAsync(() => seenAtStore = pipe.Reader.TryRead(out ReadResult seen)
            ? Encoding.UTF8.GetString(seen.Buffer) : "");

        Assert.Contains("\"stop\"", seenAtStore);
        Assert.DoesNotContain("[DONE]\n", seenAtStore, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_slow_client_stops_the_reading_and_a_lost_lease_ends_it()
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 64 << 10, resumeWriterThreshold: 1));
        using var lease = new CancellationTokenSource();
        using var scope = new RequestScope(TimeProvider.System, default, lease.Token);
        byte[] chunk = Encoding.UTF8.GetBytes(Event + new string('x', 900) + Close);
        int chunks = 0;
        var upstream = new ScriptedStream(Endless());
        var relay = new SseRelay(upstream, pipe.Writer, scope, new AnswerCollector(), TimeSpan.FromMinutes(1));

        Task<RelayResult> running = relay.RunAsync(() => { });
        Assert.False(running.IsCompleted);
        Assert.InRange(chunks * chunk.Length, 64 << 10, (64 << 10) + (2 * chunk.Length));
        await lease.CancelAsync();

        Assert.Equal(RelayEnd.ClientBlocked, (await running).End);

        IEnumerable<byte[]> Endless()
        {
            while (true)
            {
                chunks++;
                yield return chunk;
            }
        }
    }

    [Fact]
    public async Task Run_line_beyond_the_limit_is_an_error()
    {
        byte[] filler = Encoding.UTF8.GetBytes(new string('x', 1 << 20));

        Relayed relayed = await RelayAsync(new ScriptedStream([.. Enumerable.Repeat(filler, 20).Prepend("data: "u8.ToArray())]));

        Assert.Contains("too long", relayed.Text);
        Assert.True(relayed.Text.Length < 1000);
    }

    [Fact]
    public async Task Run_long_line_within_the_limit_is_passed_on()
    {
        string text = new('y', 3 << 20);
        byte[] bytes = Encoding.UTF8.GetBytes(Event + text + Close + Finish + Done);

        Relayed relayed = await RelayAsync(new ScriptedStream(Chunks(bytes, 10_000)));

        Assert.Equal(bytes.Length, relayed.Text.Length);
        Assert.Contains(text, relayed.Message);
    }

    /// <summary>As llama-server's other APIs end their streams: without a mark.</summary>
    [Fact]
    public async Task Run_without_a_collector_every_cut_gives_the_same_bytes_and_only_the_end_of_a_line_is_whole()
    {
        const string stream = ": ping\n\nevent: a\r\ndata: {\"b\":1}\r\n\r\ndata: {\"stop\":true}\n\n";
        byte[] bytes = Encoding.UTF8.GetBytes(stream);
        for (int at = 0; at <= bytes.Length; at++)
        {
            Relayed split = await RelayAsync(new ScriptedStream([bytes[..at], bytes[at..]]), isRead: false);
            Assert.Equal((stream, RelayEnd.Complete, 1), (split.Text, split.Result.End, split.Completions));

            string whole = stream[..(stream.LastIndexOf('\n', Math.Max(at - 1, 0)) + 1)];
            whole = at == 0 ? "" : whole;
            Relayed ended = await RelayAsync(new ScriptedStream([bytes[..at]]), isRead: false);
            Assert.StartsWith(whole, ended.Text, StringComparison.Ordinal);
            Assert.Equal(whole.Length == at ? RelayEnd.Complete : RelayEnd.Cut, ended.Result.End);

            Relayed died = await RelayAsync(new ScriptedStream([bytes[..at]], new IOException("reset")), isRead: false);
            Assert.StartsWith(whole, died.Text, StringComparison.Ordinal);
            AssertEndsWithError(died.Text.Replace("\r", "", StringComparison.Ordinal), "upstream_cut");
            Assert.Equal((RelayEnd.Cut, 0), (died.Result.End, died.Completions));
        }
    }

    [Theory]
    [InlineData("data: {}\n\ndata: [DONE]", null, "Complete")]
    [InlineData("data: {}\n\ndata: [DONE]\n\n", "reset", "Complete")]
    [InlineData("data: {}\n\nproxy error: x", null, "Cut")]
    [InlineData("data: {}\n\nproxy error: x\n", null, "Cut")]
    [InlineData("event: error\ndata: {}\n\n", null, "CutByUpstreamError")]
    [InlineData("error: {}\n\n", null, "CutByUpstreamError")]
    [InlineData("data: {\"error\":{}}\n\ndata: [DONE]\n\n", null, "CutByUpstreamError")]
    [InlineData("data: {\"content\":\"{\\\"error\\\":\"}\n\n", null, "Complete")]
    public async Task Run_without_a_collector_ends(string stream, string? failure, string end)
    {
        Relayed relayed = await RelayAsync(
            new ScriptedStream([Encoding.UTF8.GetBytes(stream)], failure is null ? null : new IOException(failure)), isRead: false);

        Assert.Equal(end, relayed.Result.End.ToString());
        if (end != "Cut")
            Assert.Equal(stream, relayed.Text);
        else
            Assert.DoesNotContain("proxy error", relayed.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, "error: {}\n\n")]
    [InlineData(false, "error: {}\n\n")]
    [InlineData(false, "event: error\ndata: {}\n\n")]
    public async Task Run_error_behind_the_end_mark_changes_nothing_in_whatever_pieces_it_comes(bool isRead, string error)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(Event + "a" + Close + Done + error);
        foreach (int size in new[] { 1, bytes.Length })
        {
            Relayed relayed = await RelayAsync(new ScriptedStream(Chunks(bytes, size)), isRead);
            Assert.Equal((RelayEnd.Complete, 1), (relayed.Result.End, relayed.Completions));
        }
    }

    private static void AssertEndsWithError(string text, string code)
    {
        string[] events = text.Split("\n\n");
        Assert.Equal("", events[^1]);
        // What is no data may stand before it: with a blank line behind it, it would be an event without data.
        Assert.Matches("^(: ping\n|event: \\w+\r?\n|id: 7\r?\n)*data: {\"error\":{\"message\":\"", events[^2]);
        Assert.DoesNotMatch("^(event: \\w+|id: 7)\r?\n\r?\n", text);
        Assert.DoesNotMatch("\n\r?\n(event: \\w+\r?\n|id: 7\r?\n)+\r?\n", text);
        Assert.EndsWith($"\"type\":\"upstream_error\",\"code\":\"{code}\"}}}}", events[^2], StringComparison.Ordinal);
        Assert.DoesNotContain("[DONE]", text, StringComparison.Ordinal);
    }

    private static IEnumerable<byte[]> Chunks(byte[] bytes, int size) => bytes.Chunk(size);

    private static async Task<Relayed> RelayAsync(Stream upstream, bool isRead = true)
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 0));
        AnswerCollector? answer = isRead ? new AnswerCollector() : null;
        using var scope = new RequestScope(TimeProvider.System, default, default);
        var relay = new SseRelay(upstream, pipe.Writer, scope, answer, TimeSpan.FromMinutes(1));
        byte[]? message = null;
        int completions = 0;
        RelayResult result = await relay.RunAsync(() => (message, completions) = (answer?.BuildMessage(), completions + 1));
        if (result.End == RelayEnd.Cut)
            await relay.WriteErrorAsync(result.Error!, ErrorShape.OpenAi);
        await pipe.Writer.CompleteAsync();
        using var text = new MemoryStream();
        await pipe.Reader.CopyToAsync(text);
        return new(result, Encoding.UTF8.GetString(text.ToArray()),
            message is null ? null : Encoding.UTF8.GetString(message), completions);
    }

    private sealed record Relayed(RelayResult Result, string Text, string? Message, int Completions);
}
