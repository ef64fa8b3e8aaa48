using System.Text;
using HotModel.Proxy;

namespace HotModel.Tests.Proxy;

public class ChatRequestTests
{
    private static ChatRequestResult Read(string body) => ChatRequest.Read(Encoding.UTF8.GetBytes(body));

    private static string Text(ChatRequest request, Extent? extent) =>
        Encoding.UTF8.GetString(request.Body.Span[extent!.Value.Start..extent.Value.End]);

    [Theory]
    [InlineData("", false)]
    [InlineData("\"n\":1,", false)]
    [InlineData("\"n\":2,", true)]
    [InlineData("\"n\":null,", true)]
    [InlineData("\"id_slot\":0,", true)]
    public void Slot_is_left_open_where_the_client_chose_one_or_wants_several_answers(string members, bool expected) =>
        Assert.Equal(expected, Read($$"""{{{members}}"messages":[{"role":"user","content":"x"}]}""").Request!.LeavesSlotOpen);

    [Theory]
    [InlineData("""{"model":"a","session_id":"s","messages":[{"role":"user","content":"x"}],"tools":[1]}""")]
    [InlineData("""{"tools":[1],"messages": [{"role":"user","content":"x"}] ,"session_id":"s","model":"a"}""")]
    [InlineData("""{"messages":[{}]}""")]
    public void Without_messages_everything_else_is_where_it_is_said_to_be(string body)
    {
        ChatRequest request = Read(body).Request!;
        ChatRequest rest = request.WithoutMessages();
        Assert.Equal(body.Replace(Text(request, request.MessagesValue), "[]"), Encoding.UTF8.GetString(rest.Body.Span));
        Assert.Equal("[]", Text(rest, rest.MessagesValue));
        if (request.ModelValue is null)
            Assert.Equal((null, null), (rest.ModelValue, rest.SessionProperty));
        else
            Assert.Equal((Text(request, request.ModelValue), Text(request, request.SessionProperty)),
                (Text(rest, rest.ModelValue), Text(rest, rest.SessionProperty)));
    }

    [Fact]
    public void Plain_request_has_its_messages_where_it_says() =>
        Assert.Equal("[]", Text(ChatRequest.Plain, ChatRequest.Plain.MessagesValue));

    [Fact]
    public void Read_typical_body_finds_every_part()
    {
        ChatRequest request = Read("""
            { "model" : "a", "temperature": 0.5, "messages": [ {"role":"system","content":"s"} , {"role":"user","content":"h\"i"} ],
              "stream": true, "session_id": "one", "tools": [] }
            """).Request!;

        Assert.Equal("a", request.Model);
        Assert.Equal("\"a\"", Text(request, request.ModelValue));
        Assert.True(request.Stream);
        Assert.Equal("one", request.SessionId);
        Assert.Equal("\"session_id\": \"one\",", Text(request, request.SessionProperty));
        Assert.StartsWith("[ {", Text(request, request.MessagesValue));
        Assert.EndsWith("} ]", Text(request, request.MessagesValue));
        Assert.Equal(["system", "user"], request.Messages.Select(message => message.Role));
        Assert.Equal("""{"role":"user","content":"h\"i"}""", Encoding.UTF8.GetString(request.Messages[1].Json.Span));
    }

    [Fact]
    public void Read_escaped_names_finds_them()
    {
        ChatRequest request = Read("""{"m\u006fdel":"a","messages":[{"r\u006fle":"us\u0065r"}]}""").Request!;

        Assert.Equal("a", request.Model);
        Assert.Equal("user", request.Messages[0].Role);
    }

    [Theory]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"x"}]}""", true)]
    [InlineData("""{"tool_calls":[{"id":"x"}],"role":"assistant"}""", true)]
    [InlineData("""{"role":"assistant","tool_calls":[]}""", false)]
    [InlineData("""{"role":"assistant","tool_calls":null}""", false)]
    [InlineData("""{"role":"user","tool_calls":[{"id":"x"}]}""", false)]
    [InlineData("""{"role":"assistant","content":{"tool_calls":[1]}}""", false)]
    public void Read_message_tells_whether_it_calls_tools(string message, bool expected) =>
        Assert.Equal(expected, Read($$"""{"messages":[{{message}}]}""").Request!.Messages[0].HasToolCalls);

    [Theory]
    [InlineData("""{"messages":[{}]}""", null, null, false)]
    [InlineData("""{"messages":[{}],"model":null,"session_id":null,"stream":null}""", null, null, false)]
    [InlineData("""{"messages":[{}],"other":{"model":"x","stream":true,"session_id":"y"}}""", null, null, false)]
    public void Read_absent_or_null_is_nothing(string body, string? model, string? session, bool stream)
    {
        ChatRequest request = Read(body).Request!;

        Assert.Equal(model, request.Model);
        Assert.Equal(session, request.SessionId);
        Assert.Equal(stream, request.Stream);
    }

    [Theory]
    [InlineData("", "line 1")]
    [InlineData("   ", "line 1")]
    [InlineData("[]", "must be a JSON object")]
    [InlineData("\"x\"", "must be a JSON object")]
    [InlineData("{\"messages\":[{}]", "line 1")]
    [InlineData("{\n\"messages\":[{}] x}", "line 2, byte")]
    [InlineData("{\"messages\":[{}]} trailing", "line 1")]
    [InlineData("{\"messages\":[{}],}", "line 1")]
    [InlineData("{/* c */\"messages\":[{}]}", "without comments")]
    [InlineData("{}", "\"messages\" is missing")]
    [InlineData("{\"messages\":[]}", "at least one message")]
    [InlineData("{\"messages\":{}}", "must be an array")]
    [InlineData("{\"messages\":null}", "must be an array")]
    [InlineData("{\"messages\":[{},1]}", "\"messages\"[1] must be an object")]
    [InlineData("{\"messages\":[[]]}", "\"messages\"[0] must be an object")]
    [InlineData("{\"messages\":[{\"role\":1}]}", "\"role\" of \"messages\"[0]")]
    [InlineData("{\"messages\":[{}],\"session_id\":7}", "\"session_id\" must be a string")]
    [InlineData("{\"messages\":[{}],\"model\":{}}", "\"model\" must be a string")]
    [InlineData("{\"messages\":[{}],\"stream\":\"yes\"}", "\"stream\" must be true or false")]
    [InlineData("{\"messages\":[{}],\"messages\":[{}]}", "\"messages\" is there twice")]
    [InlineData("{\"model\":\"a\",\"messages\":[{}],\"model\":\"b\"}", "\"model\" is there twice")]
    [InlineData("{\"stream\":null,\"messages\":[{}],\"stream\":true}", "\"stream\" is there twice")]
    [InlineData("{\"session_id\":null,\"messages\":[{}],\"session_id\":\"b\"}", "\"session_id\" is there twice")]
    [InlineData("{\"messages\":[{}],\"model\":\"\\ud800\"}", "unpaired surrogate")]
    [InlineData("{\"messages\":[{\"content\":[{\"type\":\"text\",\"text\":\"a\",\"\\uD800\":1}]}]}", "unpaired surrogate")]
    [InlineData("{\"messages\":[{\"tool_calls\":[{\"\\udc00\":1}]}]}", "unpaired surrogate")]
    [InlineData("\uFEFF{\"messages\":[{}]}", "byte order mark")]
    public void Read_refused_body_says_what_is_allowed(string body, string expected)
    {
        ChatRequestResult result = Read(body);

        Assert.Null(result.Request);
        Assert.Contains(expected, result.Error);
    }

    [Fact]
    public void Read_broken_utf8_is_refused() =>
        Assert.Contains("UTF-8", ChatRequest.Read(new byte[] { (byte)'{', 0xFF, (byte)'}' }).Error);

    [Fact]
    public void Read_too_deep_is_refused_and_deep_is_not()
    {
        string Nested(int depth) => $"{{\"messages\":[{{}}],\"x\":{new string('[', depth)}{new string(']', depth)}}}";

        Assert.NotNull(Read(Nested(200)).Request);
        Assert.Contains("256", Read(Nested(300)).Error);
        Assert.NotNull(Read(Nested(1_000_000)).Error);
    }

    [Fact]
    public void Read_half_an_emoji_in_a_value_and_a_whole_one_in_a_name_pass() =>
        Assert.NotNull(Read("""{"messages":[{"content":"\ud83d","\ud83d\ude00":[{"\ud83d\ude00":1}]}]}""").Request);

    [Fact]
    public void Read_cut_anywhere_is_refused_and_never_throws()
    {
        byte[] body = Encoding.UTF8.GetBytes(
            """{"model":"é","session_id":"x\n","messages":[{"role":"user","content":[{"type":"text","text":"ü"}]}],"stream":true}""");

        for (int length = 0; length < body.Length; length++)
            Assert.NotNull(ChatRequest.Read(body.AsMemory(0, length)).Error);
        Assert.NotNull(ChatRequest.Read(body).Request);
    }
}
