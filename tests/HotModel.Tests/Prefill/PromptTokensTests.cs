using System.Text;
using HotModel.Prefill;

namespace HotModel.Tests.Prefill;

public sealed class PromptTokensTests
{
    [Theory]
    [InlineData("[1,22,3,4]", "[1,22,3,5,6]", 3)]
    [InlineData("[ 1, 22 ]", "[1,22,3]", 2)]
    [InlineData("[7]", "[8]", 0)]
    [InlineData("[]", "[1]", 0)]
    [InlineData("[1,22]", "[1,2]", 1)]
    public void Common_beginning_is_counted_by_ids(string one, string other, int count) =>
        Assert.Equal(count, Common(one, other)!.Count);

    [Fact]
    public void First_tokens_are_the_beginning_of_an_array() =>
        Assert.Equal("[1,22", Encoding.UTF8.GetString(Common("[1,22,3]", "[1,22,3]")!.First(2).Span));

    [Theory]
    [InlineData("{}")]
    [InlineData("")]
    [InlineData("[1,")]
    public void What_is_no_array_has_no_beginning(string json) => Assert.Null(Common(json, "[1,22]"));

    private static PromptTokens? Common(string one, string other) =>
        PromptTokens.CommonOf(Encoding.UTF8.GetBytes(one), Encoding.UTF8.GetBytes(other));
}
