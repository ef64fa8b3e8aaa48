using System.Text;
using HotModel.Access;
using HotModel.Configuration;

namespace HotModel.Tests.Access;

public sealed class ApiKeysTests
{
    private static readonly Dictionary<string, string> Environment = new() { ["UI_KEY"] = "from-environment" };

    [Fact]
    public void Keys_are_known_by_their_hash_or_from_the_environment()
    {
        var mine = ApiKeys.Create();
        var keys = new ApiKeys(new Dictionary<string, ApiKeyConfig>
        {
            ["me"] = Key(sha256: Convert.ToHexStringLower(Sha256.Hash(Encoding.UTF8.GetBytes(mine)))),
            ["ui"] = Key(env: "UI_KEY"),
        }, Environment);

        Assert.Equal("me", keys.Find(mine)?.Name);
        Assert.Equal("ui", keys.Find("from-environment")?.Name);
        Assert.Null(keys.Find(""));
        Assert.Null(keys.Find(mine + "0"));
        Assert.Null(keys.Find(mine.ToUpperInvariant()));
    }

    [Fact]
    public void Variable_that_is_not_set_is_no_empty_key()
    {
        var config = new Dictionary<string, ApiKeyConfig> { ["ui"] = Key(env: "OTHER") };
        var e = Assert.Throws<InvalidDataException>(() => new ApiKeys(config, Environment));
        Assert.Equal("[keys.ui]: the environment variable OTHER is not set.", e.Message);
    }

    [Fact]
    public void New_keys_differ() => Assert.Equal(100, Enumerable.Range(0, 100).Select(_ => ApiKeys.Create()).Distinct().Count());

    private static ApiKeyConfig Key(string? sha256 = null, string? env = null) =>
        new() { Sha256 = sha256, Env = env, Scopes = [KeyScope.Inference], Class = KeyClass.Interactive };
}
