using HotModel.Configuration;
using HotModel.ReadAhead;
using HotModel.Tests.Llama;

namespace HotModel.Tests.ReadAhead;

public class ModelFilesTests
{
    private static readonly HotModelConfig Config = TestConfig.Create("a");

    [Theory]
    [InlineData("/m/model.gguf", "/m/model.gguf")]
    [InlineData("/m/model-00001-of-00001.gguf", "/m/model-00001-of-00001.gguf")]
    [InlineData("/m/a-00001-of-00003.gguf", "/m/a-00001-of-00003.gguf /m/a-00002-of-00003.gguf /m/a-00003-of-00003.gguf")]
    [InlineData("a-00002-of-00002.gguf", "a-00001-of-00002.gguf a-00002-of-00002.gguf")]
    [InlineData("/m/a-1-of-3.gguf", "/m/a-1-of-3.gguf")]
    [InlineData("/m/a-00001-of-00003.bin", "/m/a-00001-of-00003.bin")]
    [InlineData("/m-00001-of-00002.gguf/a.gguf", "/m-00001-of-00002.gguf/a.gguf")]
    public void Shards_are_all_of_the_model(string path, string expected) =>
        Assert.Equal(expected.Split(' '), ModelFiles.Shards(path));

    [Theory]
    [InlineData("--mmproj", "/m/p.gguf", "/m/p.gguf")]
    [InlineData("-mm", "/m/p.gguf", "/m/p.gguf")]
    [InlineData("--model-draft", "/m/d-00001-of-00002.gguf", "/m/d-00001-of-00002.gguf /m/d-00002-of-00002.gguf")]
    [InlineData("-md", "/m/d.gguf", "/m/d.gguf")]
    [InlineData("--lora", "/m/l.gguf", "")]
    public void Files_beside_the_model_come_from_extra_args(string option, string value, string expected)
    {
        var model = Config.Models["a"] with { ExtraArgs = ["--jinja", option, value] };
        var beside = expected.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(["/nowhere/a.gguf", .. beside], ModelFiles.Of(Config, model));
    }

    [Fact]
    public void Extra_args_of_the_router_count_for_every_model_and_win()
    {
        var config = Config with { Router = Config.Router with { ExtraArgs = ["--mmproj", "/m/all.gguf"] } };
        var model = config.Models["a"] with { ExtraArgs = ["--mmproj", "/m/own.gguf"] };
        Assert.Equal(["/nowhere/a.gguf", "/m/all.gguf"], ModelFiles.Of(config, model));
        var process = config with { Llama = config.Llama with { BackendMode = BackendMode.Process } };
        Assert.Equal(["/nowhere/a.gguf", "/m/own.gguf"], ModelFiles.Of(process, model));
    }

    [Fact]
    public void Preset_without_a_value_leaves_the_path_of_the_model()
    {
        using var folder = new TempFolder();
        var preset = Path.Combine(folder.Path, "models.ini");
        File.WriteAllText(preset, "[a]\nmodel =\n");
        var config = Config with { Router = Config.Router with { ModelsPreset = preset } };
        Assert.Equal(["/nowhere/a.gguf"], ModelFiles.Of(config, config.Models["a"]));
    }

    [Fact]
    public void Preset_of_the_user_says_what_is_loaded()
    {
        using var folder = new TempFolder();
        var preset = Path.Combine(folder.Path, "models.ini");
        File.WriteAllText(preset, "[*]\nmmproj = /m/all.gguf\n[a]\nmodel = /m/real.gguf\n[b]\nmodel = /m/b.gguf\n");
        var config = Config with { Router = Config.Router with { ModelsPreset = preset } };
        Assert.Equal(["/m/real.gguf", "/m/all.gguf"], ModelFiles.Of(config, config.Models["a"]));
    }

    [Fact]
    public void Model_that_is_read_past_the_page_cache_has_none()
    {
        var model = Config.Models["a"] with { ExtraArgs = ["--load-mode", "dio"] };
        Assert.Empty(ModelFiles.Of(Config, model));
    }
}
