using System.Text;
using HotModel.Proxy;

namespace HotModel.Tests.Proxy;

public class AnswerCollectorTests
{
    private static AnswerCollector Collect(params string[] events)
    {
        var answer = new AnswerCollector();
        foreach (string data in events)
            answer.Read(Encoding.UTF8.GetBytes(data));
        return answer;
    }

    private static string? Message(params string[] events) =>
        Collect(events).BuildMessage() is { } message ? Encoding.UTF8.GetString(message) : null;

    private static string Delta(string delta) => $$"""{"choices":[{"index":0,"delta":{{delta}}}]}""";

    [Fact]
    public void Text_is_joined() => Assert.Equal(
        """{"role":"assistant","content":"Hello"}""",
        Message(Delta("""{"role":"assistant","content":null}"""), Delta("""{"content":"Hel"}"""), Delta("""{"content":"lo"}""")));

    [Theory]
    [InlineData("""{"\ud800":1}""")]
    [InlineData("""{"choices":[{"\ud800":1}]}""")]
    [InlineData("""{"choices":[{"index":0,"delta":{"conten\ud800":1}}]}""")]
    public void Event_with_a_name_that_is_no_text_is_not_understood(string data)
    {
        var answer = new AnswerCollector();
        Assert.False(answer.Read(Encoding.UTF8.GetBytes(data)));
        Assert.True(answer.IsBroken);
    }

    [Fact]
    public void Reasoning_and_refusal_are_kept() => Assert.Equal(
        """{"role":"assistant","content":"","reasoning_content":"think","refusal":"no"}""",
        Message(Delta("""{"reasoning_content":"thi"}"""), Delta("""{"reasoning_content":"nk"}"""), Delta("""{"refusal":"no"}""")));

    [Fact]
    public void Tool_calls_are_joined_by_index_and_content_is_null() => Assert.Equal(
        """{"role":"assistant","content":null,"tool_calls":[{"id":"i0","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"i1","type":"function","function":{"name":"g","arguments":"{}"}}]}""",
        Message(
            Delta("""{"content":null,"tool_calls":[{"index":1,"id":"i1","type":"function","function":{"name":"g","arguments":""}}]}"""),
            Delta("""{"tool_calls":[{"id":"i0","function":{"arguments":"{\"a\"","name":"f"},"index":0}]}"""),
            Delta("""{"tool_calls":[{"index":1,"id":"i1","function":{"arguments":"{}"}}]}"""),
            Delta("""{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}""")));

    [Fact]
    public void Tool_calls_without_end_are_not_gathered()
    {
        AnswerCollector answer = Collect(
            [.. Enumerable.Range(0, 2000).Select(i => Delta($$"""{"tool_calls":[{"index":{{2000 - i}},"id":"a"}]}"""))]);
        Assert.True(answer.IsBroken);
        Assert.Null(answer.BuildMessage());
    }

    [Fact]
    public void Content_beside_tool_calls_stays() => Assert.Contains(
        "\"content\":\"wait\"",
        Message(Delta("""{"content":"wait","tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{}"}}]}""")));

    [Fact]
    public void Other_choices_are_not_mixed_in() => Assert.Equal(
        """{"role":"assistant","content":"a"}""",
        Message("""{"choices":[{"delta":{"content":"b"},"index":1},{"delta":{"content":"a"},"index":0}]}"""));

    [Fact]
    public void Finish_reason_is_needed_of_the_first_choice_and_of_every_other_that_was_seen()
    {
        Assert.False(Collect("""{"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}""").IsFinished);
        Assert.False(Collect("""{"choices":[{"index":0,"delta":{},"finish_reason":null}]}""").IsFinished);
        Assert.True(Collect("""{"choices":[{"finish_reason":"length","index":0,"delta":{}}]}""").IsFinished);
        Assert.True(Collect("""{"choices":[{"finish_reason":"stop","delta":{}}]}""").IsFinished);
    }

    [Theory]
    [InlineData(1, true)]
    [InlineData(63, true)]
    [InlineData(64, false)]
    [InlineData(-1, false)]
    public void Choice_that_is_not_finished_keeps_the_answer_open(int index, bool canFinish)
    {
        string other = $$"""{"choices":[{"index":{{index}},"delta":{"content":"b"},"finish_reason":FINISH}]}""";
        AnswerCollector answer = Collect(
            other.Replace("FINISH", "null", StringComparison.Ordinal),
            """{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}""");
        Assert.False(answer.IsFinished);

        answer.Read(Encoding.UTF8.GetBytes(other.Replace("FINISH", "\"stop\"", StringComparison.Ordinal)));

        Assert.Equal(canFinish, answer.IsFinished);
        Assert.Equal("""{"role":"assistant","content":"a"}""", Encoding.UTF8.GetString(answer.BuildMessage()!));
    }

    [Fact]
    public void Surrogate_pair_in_two_fragments_becomes_whole() => Assert.Equal(
        """{"role":"assistant","content":"\ud83d\ude00"}""",
        Message(Delta("""{"content":"\ud83d"}"""), Delta("""{"content":"\ude00"}""")));

    [Theory]
    [InlineData("""{"choices":[{"index":0,"delta":{"content":"\ud83d"}}]}""")]
    [InlineData("""{"choices":[{"index":0,"delta":{"content":["x"]}}]}""")]
    [InlineData("""{"choices":[{"index":0,"delta":{"tool_calls":["x"]}}]}""")]
    [InlineData("""{"choices":[{"index":0,"delta":{"content":"x"}}],"error":{"message":"m"}}""")]
    [InlineData("""{"choices":[{"index":0,"delta":{"content":"x"}}]""")]
    [InlineData("""{"choices":[],"usage":{"total_tokens":3}}""")]
    [InlineData("""{"choices":[{"index":0,"delta":{"content":"x"}}]}}""")]
    [InlineData("""{"choices":[{"index":0,"delta":{"content":"x"}}],"choices":{},"error":1}""")]
    [InlineData("""7""")]
    public void No_sound_answer_builds_no_message(string data) => Assert.Null(Message(data));

    [Fact]
    public void Answer_beyond_the_limit_builds_no_message()
    {
        var answer = new AnswerCollector(limitBytes: 10);
        for (int i = 0; i < 3; i++)
            answer.Read("""{"choices":[{"index":0,"delta":{"content":"12345"}}]}"""u8);

        Assert.True(answer.IsBroken);
        Assert.Null(answer.BuildMessage());
    }

    [Fact]
    public void Steady_state_allocates_nothing()
    {
        var answer = new AnswerCollector();
        byte[] data = Encoding.UTF8.GetBytes(
            """{"choices":[{"finish_reason":null,"index":0,"delta":{"content":" w\u00f6rd"}}],"created":1,"id":"c","model":"m"}""");
        // Room for what follows: the buffer doubles, and must not do so while it is measured.
        for (int i = 0; i < 5000; i++)
            answer.Read(data);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 500; i++)
            answer.Read(data);

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    /// <summary>Spaces make each event unlike the one before, so that every one of them is parsed.</summary>
    [Fact]
    public void Events_that_repeat_but_for_their_text_give_what_parsing_each_gives()
    {
        string[] events =
        [
            """{"content":"TEXT"}""", """{"reasoning_content":"TEXT"}""", """{"content":"TEXT","reasoning_content":"TEXT"}""",
            """{"content":null}""", """{"role":"assistant","content":"TEXT"}""", """{"content":"TEXT","content":"TEXT"}""",
            """{"tool_calls":[{"index":0,"function":{"arguments":"TEXT"}}]}""",
            """{"tool_calls":[{"index":1,"id":"TEXT"}]}""", """{"tool_calls":[{"index":0,"function":{"name":"TEXT"}}]}""",
        ];
        string[] texts = ["", " a", "\\n", "\\\"}", "ü中", "}]", ",", "\"", "\t", "\\ud83d", "\\", "\",\"x\":\"y"];
        var random = new Random(20261122);
        int whole = 0;
        for (int round = 0; round < 3000; round++)
        {
            var repeated = new AnswerCollector();
            var parsed = new AnswerCollector();
            string kind = events[0];
            for (int i = random.Next(2, 12); i > 0; i--)
            {
                kind = random.Next(3) == 0 ? events[random.Next(events.Length)] : kind;
                string text = texts[random.Next(random.Next(3) == 0 ? texts.Length : 6)];
                string data = Delta(kind.Replace("TEXT", text, StringComparison.Ordinal));
                bool isRead = repeated.Read(Encoding.UTF8.GetBytes(data));
                Assert.Equal(isRead, parsed.Read(Encoding.UTF8.GetBytes("{" + new string(' ', i) + data[1..])));
            }
            byte[]? message = parsed.BuildMessage();
            whole += message is null ? 0 : 1;
            Assert.Equal(message, repeated.BuildMessage());
            Assert.Equal((parsed.IsBroken, parsed.HasAnswer), (repeated.IsBroken, repeated.HasAnswer));
        }
        Assert.InRange(whole, 300, 2700);
    }
}
