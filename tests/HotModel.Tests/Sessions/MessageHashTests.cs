using System.Text;
using HotModel.Sessions;

namespace HotModel.Tests.Sessions;

public class MessageHashTests
{
    private static MessageHash Of(params string[] messages) =>
        messages.Aggregate(MessageHash.Start, (hash, json) => hash.Next(Encoding.UTF8.GetBytes(json)));

    [Theory]
    // Order of properties, white space, escapes.
    [InlineData("""{"role":"user","content":"hi"}""", """ { "content" : "hi" , "role" : "user" } """)]
    [InlineData("""{"role":"user","content":"é\n"}""", """{"role":"user","content":"\u00e9\u000A"}""")]
    [InlineData("""{"role":"user","content":"😀"}""", """{"role":"user","content":"\ud83d\ude00"}""")]
    // White space around the content, the Unicode kinds too.
    [InlineData("""{"role":"user","content":"hi"}""", "{\"role\":\"user\",\"content\":\"\\n\\u00a0 hi\\u3000 \\t\"}")]
    // A string and its text parts.
    [InlineData("""{"role":"user","content":"ab"}""",
        """{"role":"user","content":[{"type":"text","text":"a"},{"text":"b","type":"text","cache_control":{}}]}""")]
    // What clients add or leave out.
    [InlineData("""{"role":"assistant","content":"x"}""",
        """{"role":"assistant","content":"x","reasoning_content":"hm","refusal":null,"annotations":[],"audio":null,"name":null,"tool_calls":[]}""")]
    [InlineData("""{"role":"assistant","content":null}""", """{"role":"assistant"}""")]
    [InlineData("""{"role":"assistant","content":""}""", """{"role":"assistant","content":[]}""")]
    // Tool calls: null or empty content, an index, the type, arguments written anew.
    [InlineData(
        """{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\":1,\"b\":[true,null,\"é\"]}"}}]}""",
        """{"role":"assistant","content":"","tool_calls":[{"index":0,"function":{"arguments":"{ \"b\": [true, null, \"\\u00e9\"], \"a\": 1 }","name":"f"},"id":"1"}]}""")]
    [InlineData(
        """{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":"{\"a\":1}"}}]}""",
        """{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":{"a":1}}}]}""")]
    // Images.
    [InlineData(
        """{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:x","detail":"low"}}]}""",
        """{"role":"user","content":[ { "image_url" : {"detail":"low","url":"data:\u0078"},"type":"image_url"} ]}""")]
    public void Next_same_message_written_otherwise_same_hash(string first, string second) =>
        Assert.Equal(Of(first), Of(second));

    [Theory]
    [InlineData("""{"role":"user","content":"hi"}""", """{"role":"assistant","content":"hi"}""")]
    [InlineData("""{"role":"user","content":"hi"}""", """{"role":"user","content":"h i"}""")]
    [InlineData("""{"role":"user","content":"hi"}""", """{"role":"user","name":"bob","content":"hi"}""")]
    [InlineData("""{"role":"tool","tool_call_id":"1","content":"x"}""", """{"role":"tool","tool_call_id":"2","content":"x"}""")]
    [InlineData("""{"role":"assistant"}""", """{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":"{}"}}]}""")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":"{\"a\":1}"}}]}""",
        """{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":"{\"a\":2}"}}]}""")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":"not json"}}]}""",
        """{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":"not  json"}}]}""")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f"}},{"id":"2","function":{"name":"g"}}]}""",
        """{"role":"assistant","tool_calls":[{"id":"2","function":{"name":"g"}},{"id":"1","function":{"name":"f"}}]}""")]
    [InlineData("""{"role":"user","content":[{"type":"image_url","image_url":{"url":"a"}},{"type":"text","text":"x"}]}""",
        """{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"a"}}]}""")]
    [InlineData("""{"role":"user","content":[{"type":"image_url","image_url":{"url":"a"}}]}""",
        """{"role":"user","content":[{"type":"image_url","image_url":{"url":"b"}}]}""")]
    public void Next_other_message_other_hash(string first, string second) => Assert.NotEqual(Of(first), Of(second));

    [Fact]
    public void Next_order_of_messages_matters()
    {
        const string a = """{"role":"user","content":"a"}""";
        const string b = """{"role":"user","content":"b"}""";
        Assert.NotEqual(Of(a, b), Of(b, a));
        Assert.NotEqual(Of(a), Of(a, a));
        Assert.NotEqual(MessageHash.Start, Of("""{}"""));
    }

    [Fact]
    public void Next_half_a_surrogate_pair_is_hashed_as_it_came()
    {
        const string cut = """{"role":"user","content":"x\ud83d"}""";
        Assert.Equal(Of(cut), Of(cut));
        Assert.NotEqual(Of(cut), Of("""{"role":"user","content":"x\ud83e"}"""));
    }

    [Fact]
    public void Bytes_round_trip()
    {
        var hash = Of("""{"role":"user","content":"a"}""");
        Assert.Equal(hash, MessageHash.FromBytes(hash.ToBytes()));
    }
}
