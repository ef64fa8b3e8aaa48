using HotModel.Configuration;

namespace HotModel.Tests.Configuration;

public sealed class AccessChecksTests : IDisposable
{
    private const string Model = "[models.a]\npath = 'x'\n";
    private static readonly string Hash = new('a', 64);

    private readonly ConfigFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Keys_are_read_with_their_defaults()
    {
        var config = folder.LoadGood(Model + $"[keys.ui]\nsha256 = '{Hash.ToUpperInvariant()}'\n"
            + "[keys.\"night shift\"]\nenv = 'NIGHT'\nscopes = ['inference', 'read']\nclass = 'background'\n");

        Assert.Equal((Hash, null, KeyClass.Interactive),
            (config.Keys["ui"].Sha256, config.Keys["ui"].Env, config.Keys["ui"].Class));
        Assert.Equal([KeyScope.Inference], config.Keys["ui"].Scopes);
        Assert.Equal([KeyScope.Inference, KeyScope.Read], config.Keys["night shift"].Scopes);
        Assert.Equal(KeyClass.Background, config.Keys["night shift"].Class);
        Assert.Equal(EffectiveToml.Write(config), EffectiveToml.Write(folder.LoadGood(EffectiveToml.Write(config))));
    }

    [Theory]
    [InlineData("[keys.a]\nscopes = ['read']", "[keys.a]: give either sha256 or env")]
    [InlineData("[keys.a]\nenv = 'A'\nsha256 = '00'", "[keys.a]: give either sha256 or env")]
    [InlineData("[keys.a]\nsha256 = '00'", "64 hexadecimal digits")]
    [InlineData("[keys.a]\nenv = 'A'\nscopes = ['root']", "scopes: \"root\" is none; allowed are inference, read, admin")]
    [InlineData("[keys.a]\nenv = 'A'\nscopes = []", "good for nothing")]
    [InlineData("[keys]\nenv = 'A'", "it belongs in [keys.NAME]")]
    [InlineData("[[keys]]\nname = 'a'", "write [keys]")]
    [InlineData("[server]\nallowed_hosts = ['http://a']", "is no host name")]
    [InlineData("[server]\ncors_origins = ['chat.example']", "is no origin")]
    [InlineData("[server]\ncors_origins = ['https://chat.example/']", "is no origin")]
    [InlineData("[server]\ncors_origins = ['*']", "is no origin")]
    [InlineData("[server]\nhost = '0.0.0.0'", "set [keys.NAME], or allow_without_keys = true")]
    [InlineData("[server]\nhost = 'gpu-box'", "set [keys.NAME], or allow_without_keys = true")]
    [InlineData("[server]\nhost = '::'", "set [keys.NAME], or allow_without_keys = true")]
    public void What_is_wrong_is_told(string toml, string expected) =>
        Assert.Contains(expected, folder.Errors(toml + "\n" + Model)[0], StringComparison.Ordinal);

    [Theory]
    [InlineData("[server]\nhost = '0.0.0.0'\nallow_without_keys = true")]
    [InlineData("[server]\nhost = '0.0.0.0'\n[keys.a]\nenv = 'A'")]
    [InlineData("[server]\nhost = '127.0.0.2'")]
    [InlineData("[server]\nhost = '::1'")]
    [InlineData("[server]\nallowed_hosts = ['gpu-box.lan']\ncors_origins = ['https://chat.example', 'http://localhost:3000']")]
    public void What_is_safe_or_wanted_is_allowed(string toml) => folder.LoadGood(toml + "\n" + Model);
}
