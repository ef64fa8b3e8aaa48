using System.Text;
using HotModel.Sessions;

namespace HotModel.Tests.Sessions;

public class MessageJsonTests
{
    private static byte[] Utf8(string json) => Encoding.UTF8.GetBytes(json);

    [Theory]
    [InlineData("""{"role":"user","content":"x"}""", "user", false)]
    [InlineData("""{"content":{"role":"no"},"role":"t\u006fol"}""", "tool", false)]
    [InlineData("""{"role":"assistant","tool_calls":[]}""", "assistant", false)]
    [InlineData("""{"role":"assistant","tool_calls":null}""", "assistant", false)]
    [InlineData("""{"tool_calls":[{"id":"1"}],"role":"assistant"}""", "assistant", true)]
    [InlineData("""{"content":"x"}""", "", false)]
    public void Read_finds_role_and_calls(string json, string role, bool calls)
    {
        var message = MessageJson.Read(Utf8(json));
        Assert.Equal(role, message.Role);
        Assert.Equal(calls, message.HasToolCalls);
    }

    [Fact]
    public void Message_as_deep_as_a_request_may_be_is_read_everywhere()
    {
        string deep = new string('[', 250) + new string(']', 250);
        byte[] json = Utf8($$"""{"role":"user","content":[{"type":"x","y":{{deep}}}],"tool_calls":[{{deep}}]}""");
        Assert.Equal("user", MessageJson.Read(json).Role);
        Assert.Equal(0, MessageJson.CountChars(json));
        Assert.Null(MessageJson.PlainText(json));
        Assert.Single(MessageJson.Items(Utf8($"[{deep}]")));
        Assert.NotEqual(MessageHash.Start, MessageHash.Start.Next(json));
    }

    [Theory]
    [InlineData("""{"role":"user","content":"hello"}""", 5)]
    [InlineData("""{"role":"user","content":"é😀\n\u00e9"}""", 4)]
    [InlineData("""{"role":"user","content":[{"type":"text","text":"ab"},{"type":"image_url","image_url":{"url":"data:xxxx"}},{"type":"text","text":"c"}]}""", 3)]
    [InlineData("""{"role":"assistant","content":null,"tool_calls":[{"id":"1234","function":{"name":"fn","arguments":"{\"a\":1}"}},{"id":"2","function":{"arguments":"{}","name":"g"}}]}""", 12)]
    [InlineData("""{"role":"assistant","function_call":{"name":"fn","arguments":"{}"},"content":"x"}""", 5)]
    [InlineData("""{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{"name":"deep"}}}],"content":"xy"}""", 3)]
    [InlineData("""{"role":"assistant","reasoning_content":"long","content":7}""", 0)]
    public void CountChars_counts_text_and_calls(string json, int chars) =>
        Assert.Equal(chars, MessageJson.CountChars(Utf8(json)));

    [Theory]
    [InlineData("""{"role":"system","content":"a\nb"}""", "a\nb")]
    [InlineData("""{"role":"system","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}""", "ab")]
    [InlineData("""{"role":"system","content":null}""", "")]
    [InlineData("""{"role":"system"}""", "")]
    [InlineData("""{"role":"system","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{}}]}""", null)]
    [InlineData("""{"role":"system","content":{"a":1}}""", null)]
    public void PlainText_is_text_or_nothing(string json, string? text) =>
        Assert.Equal(text, MessageJson.PlainText(Utf8(json)));

    [Fact]
    public void OneLine_keeps_strings_and_drops_white_space_between()
    {
        const string json = "{ \"a\" : \"x \\\" \\\\\" ,\r\n\t\"b\": [ 1, 2 ] }";
        Assert.Equal("{\"a\":\"x \\\" \\\\\",\"b\":[1,2]}", Encoding.UTF8.GetString(MessageJson.OneLine(Utf8(json))));
    }

    [Fact]
    public void Items_cuts_an_array_into_its_bytes() => Assert.Equal(
        ["{\"a\":[1]}", "2", "\"x\""],
        MessageJson.Items(Utf8("[{\"a\":[1]},2,\"x\"]")).Select(item => Encoding.UTF8.GetString(item.Span)));
}
