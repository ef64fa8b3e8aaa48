using HotModel.Configuration;

namespace HotModel.Tests.Configuration;

public sealed class EnvironmentOverridesTests : IDisposable
{
    private const string Toml = "[server]\nport = 1\n[models.\"qwen2.5-7b\"]\npath = "
        + "\"a.gguf\"\n[models.x__y]\npath = \"x\"\n";
    private readonly ConfigFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Variables_win_over_the_file()
    {
        var config = folder.LoadGood(Toml,
            ("HOTMODEL_SERVER__PORT", "9000"),
            ("hotmodel_session__token_budget_chars_per_token", "3.5"),
            ("HOTMODEL_SESSION__TOKEN_BUDGET_MODE", "llama"),
            ("HOTMODEL_ROUTER__KV_UNIFIED", "false"),
            ("HOTMODEL_ROUTER__EXTRA_ARGS", """["--metrics","a b"]"""),
            ("HOTMODEL_PRESET__SYSTEM_PROMPT", "be brief"),
            ("HOTMODEL_MODELS__QWEN2_5_7B__CTX_SIZE", "512"),
            ("HOTMODEL_MODELS__X__Y__PATH", "/y.gguf"),
            ("HOTMODEL_SERVER__HOST", ""),
            ("HOTMODEL_CONFIG", "elsewhere"), ("HOTMODEL_LLAMA_SERVER", "x"), ("PATH", "x"));

        Assert.Equal((9000, "127.0.0.1"), (config.Server.Port, config.Server.Host));
        Assert.Equal((3.5, TokenBudgetMode.Llama), (config.Session.CharsPerToken, config.Session.TokenBudgetMode));
        Assert.False(config.Router.KvUnified);
        Assert.Equal(["--metrics", "a b"], config.Router.ExtraArgs);
        Assert.Equal("be brief", config.Preset.SystemPrompt);
        Assert.Equal(512, config.Models["qwen2.5-7b"].CtxSize);
        Assert.Equal("/y.gguf", config.Models["x__y"].Path);
    }

    [Fact]
    public void Variable_supplies_what_the_file_lacks() => Assert.Equal("/b.gguf", folder.LoadGood(
        "[models.b]\n", ("HOTMODEL_MODELS__B__PATH", "/b.gguf")).Models["b"].Path);

    [Theory]
    [InlineData("HOTMODEL_SERVER__PORT", "abc", "\"abc\" is not allowed here; allowed is a whole number from 1 to "
        + "65535")]
    [InlineData("HOTMODEL_SERVER__PORT", "70000", "70000 is not allowed; allowed is a whole number from 1 to 65535")]
    [InlineData("HOTMODEL_ROUTER__NO_UI", "yes", "\"yes\" is not allowed here; allowed is true or false")]
    [InlineData("HOTMODEL_SERVER__DURING_SWITCH", "no", "\"no\" is not allowed; allowed is wait or reject")]
    [InlineData("HOTMODEL_ROUTER__EXTRA_ARGS", "--metrics",
        "\"--metrics\" is not allowed here; allowed is a JSON list of texts, such as [\"--metrics\"]")]
    [InlineData("HOTMODEL_ROUTER__EXTRA_ARGS", "[1]",
        "\"[1]\" is not allowed here; allowed is a JSON list of texts, such as [\"--metrics\"]")]
    [InlineData("HOTMODEL_SERVER__PROT", "1", "no such key (did you mean \"HOTMODEL_SERVER__PORT\"?)")]
    [InlineData("HOTMODEL_SERVR__PORT", "1", "no such key (did you mean \"HOTMODEL_SERVER__PORT\"?)")]
    [InlineData("HOTMODEL_MODELS__QWEN2_5_8B__PATH", "1",
        "no such key (did you mean \"HOTMODEL_MODELS__QWEN2_5_7B__PATH\"?)")]
    [InlineData("HOTMODEL_MODELS__PATH", "1", "no such key")]
    [InlineData("HOTMODEL___", "1", "no such key")]
    [InlineData("HOTMODEL__", "1", "no such key")]
    [InlineData("HOTMODEL__RELAY", "1", "no such key")]
    public void Bad_variable_is_an_error_by_its_name(string name, string value, string error) => Assert.StartsWith(
        $"{name}: {error}", Assert.Single(folder.Errors(Toml, (name, value))), StringComparison.Ordinal);

    [Fact]
    public void Variable_that_fits_two_models_is_refused() => Assert.Equal(
        ["HOTMODEL_MODELS__A_B__PATH: fits more than one [models.NAME]: \"a-b\", \"a.b\""],
        folder.Errors("[models.a-b]\npath='x'\n[models.\"a.b\"]\npath='x'\n", ("HOTMODEL_MODELS__A_B__PATH", "y")));

    [Fact]
    public void Errors_of_the_file_come_before_those_of_variables()
    {
        var errors = folder.Errors("[server]\nport = 0\n[models.a]\npath = 'x'", ("HOTMODEL_LLAMA__HOSTT", "x"));

        Assert.StartsWith("hotmodel.toml:2:8: ", errors[0], StringComparison.Ordinal);
        Assert.Equal("HOTMODEL_LLAMA__HOSTT: no such key (did you mean \"HOTMODEL_LLAMA__HOST\"?)", errors[1]);
    }
}
