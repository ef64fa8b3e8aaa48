using HotModel.Sessions;

namespace HotModel.Tests.Sessions;

public class SessionIdTests
{
    [Theory]
    [InlineData("a")]
    [InlineData("user-1:chat_2.x")]
    [InlineData("...")]
    public void TryValidate_allowed_id_passes(string id) => Assert.True(SessionId.TryValidate(id, out _));

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("a/b")]
    [InlineData("ä")]
    [InlineData("a\n")]
    [InlineData("..")]
    [InlineData(".")]
    public void TryValidate_other_id_says_what_is_allowed(string id)
    {
        Assert.False(SessionId.TryValidate(id, out var error));
        Assert.Contains("1 to 128", error);
    }

    [Fact]
    public void TryValidate_length_is_bounded()
    {
        Assert.True(SessionId.TryValidate(new string('x', 128), out _));
        Assert.False(SessionId.TryValidate(new string('x', 129), out _));
    }

    [Fact]
    public void New_is_valid_and_new_each_time()
    {
        var ids = Enumerable.Range(0, 1000).Select(_ => SessionId.New()).ToHashSet();
        Assert.Equal(1000, ids.Count);
        Assert.All(ids, id => Assert.True(SessionId.TryValidate(id, out _) && id.Length == 22));
    }
}
