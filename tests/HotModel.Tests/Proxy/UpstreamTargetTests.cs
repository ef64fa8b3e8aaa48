using HotModel.Proxy;

namespace HotModel.Tests.Proxy;

public class UpstreamTargetTests
{
    [Theory]
    [InlineData(null, null, "p?autoload=false")]
    [InlineData("", null, "p?autoload=false")]
    [InlineData("?", null, "p?autoload=false")]
    [InlineData("?action=save", null, "p?action=save&autoload=false")]
    [InlineData("?autoload=true&a=%2f+b&&x", null, "p?a=%2f+b&x&autoload=false")]
    [InlineData("?%61utoload=1&mode%6C=x&autoload&model", null, "p?autoload=false")]
    [InlineData("?models=1&autoloads=2&Model=y", null, "p?models=1&autoloads=2&Model=y&autoload=false")]
    [InlineData("??x=1&?", null, "p??x=1&?&autoload=false")]
    [InlineData("?x=\u007f&a b\u0001=\u00e9", null, "p?x=%7F&a%20b%01=%C3%A9&autoload=false")]
    [InlineData("?x=#&y#=1", null, "p?x=%23&y%23=1&autoload=false")]
    [InlineData("?model=x&k=v", "a/b:Q8 ü&c", "p?k=v&model=a%2Fb%3AQ8%20%C3%BC%26c&autoload=false")]
    public void Of_drops_the_clients_model_and_autoload_and_keeps_the_rest(string? query, string? model, string expected) =>
        Assert.Equal(expected, UpstreamTarget.Of("p", query, model));
}
