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
    [InlineData("[server]\ntls_key = 'k'", "tls_key: needs tls_certificate, too")]
    [InlineData("[server]\ntls_certificate = 'c'", "tls_certificate: needs tls_key, too")]
    [InlineData("[server]\nhost = '::'", "set [keys.NAME], or allow_without_keys = true")]
    public void What_is_wrong_is_told(string toml, string expected) =>
        Assert.Contains(expected, folder.Errors(toml + "\n" + Model)[0], StringComparison.Ordinal);

    [Theory]
    [InlineData("[server]\nhost = '0.0.0.0'\n[keys.a]\nenv = 'A'", "host: other machines reach 0.0.0.0, and keys and conversations go")]
    [InlineData("[server]\ntls_certificate = 'k'\ntls_key = 'k'", "tls_key: other users of this machine may read")]
    [InlineData("[router]\nextra_args = ['-v']", "writes whole requests into its log")]
    [InlineData("[router]\nextra_args = ['--verbosity', '5']", "writes whole requests into its log")]
    public void What_may_be_a_mistake_is_a_warning(string toml, string expected)
    {
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(folder.Write("k", ""), UnixFileMode.UserRead | UnixFileMode.OtherRead);
        folder.Write("x", "");
        Assert.Contains(expected, Assert.Single(folder.Load(toml + "\n" + Model).Warnings), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[server]\nhost = '0.0.0.0'\ntls_certificate = 'c'\ntls_key = 'k'\n[keys.a]\nenv = 'A'")]
    [InlineData("[router]\nextra_args = ['--verbosity', '3', '--jinja']")]
    public void What_is_no_mistake_has_no_warning(string toml)
    {
        folder.Write("x", "");
        Assert.Empty(folder.Load(toml + "\n" + Model).Warnings);
    }

    [Theory]
    [InlineData("[server]\nhost = '0.0.0.0'\nallow_without_keys = true")]
    [InlineData("[server]\nhost = '0.0.0.0'\n[keys.a]\nenv = 'A'")]
    [InlineData("[server]\nhost = '127.0.0.2'")]
    [InlineData("[server]\nhost = '::1'")]
    [InlineData("[server]\nallowed_hosts = ['gpu-box.lan']\ncors_origins = ['https://chat.example', 'http://localhost:3000']")]
    public void What_is_safe_or_wanted_is_allowed(string toml) => folder.LoadGood(toml + "\n" + Model);
}
