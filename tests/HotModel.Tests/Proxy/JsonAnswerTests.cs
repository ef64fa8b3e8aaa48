using System.Text;
using HotModel.Proxy;

namespace HotModel.Tests.Proxy;

public class JsonAnswerTests
{
    [Theory]
    [InlineData("""{"choices":[{"index":0,"message":{"a":1}}]}""", """{"a":1}""")]
    [InlineData("""{"choices":[{"message":{"a":1}}],"x":{"choices":[{"message":{"b":1}}]}}""", """{"a":1}""")]
    [InlineData("""{"choices":[{"message":{"a":1},"index":1},{"message":{"b":1},"index":0}]}""", """{"b":1}""")]
    [InlineData("""{"choices":[]}""", null)]
    [InlineData("""{"choices":[null,{"message":null}]}""", null)]
    [InlineData("""{"error":{"message":{}}}""", null)]
    public void Read_object_finds_the_first_choices_message(string body, string? expected)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(body);

        JsonAnswer answer = JsonAnswer.Read(bytes)!.Value;

        Assert.Equal(expected, answer.Message is { } m ? Encoding.UTF8.GetString(bytes[m.Start..m.End]) : null);
        Assert.Equal(bytes.Length - 1, answer.ObjectEnd);
    }

    [Theory]
    [InlineData("")]
    [InlineData("<html></html>")]
    [InlineData("[1]")]
    [InlineData("{\"a\":1")]
    [InlineData("{\"a\":1} x")]
    public void Read_anything_else_is_null(string body) => Assert.Null(JsonAnswer.Read(Encoding.UTF8.GetBytes(body)));

    [Fact]
    public void Read_white_space_around_is_kept_outside()
    {
        Assert.Equal(4, JsonAnswer.Read("  { } \n"u8)!.Value.ObjectEnd);
        Assert.True(JsonAnswer.Read("  { } \n"u8)!.Value.IsEmpty);
    }

    [Theory]
    [InlineData("\"\\ud83d\\ude00\"", true)]
    [InlineData("\"\\ud83d\"", false)]
    [InlineData("{\"\\ude00\":1}", false)]
    [InlineData("{\"a\":", false)]
    public void IsSound_unpaired_surrogate_is_not(string json, bool expected) =>
        Assert.Equal(expected, JsonText.IsSound(Encoding.UTF8.GetBytes(json)));
}
