using HotModel.Configuration;
using HotModel.Fit;
using HotModel.Gpu;
using HotModel.Tests.Llama;

namespace HotModel.Tests.Fit;

/// <summary>What a model's llama-server will be told, and which GPUs it takes.</summary>
public sealed class ModelArgumentsTests
{
    private static readonly Dictionary<string, string> NoEnvironment = [];

    private static FitSettings Settings(
        HotModelConfig config, Func<ModelConfig, ModelConfig>? edit = null, Dictionary<string, string>? environment = null)
    {
        var model = config.Models.Values.First();
        model = edit is null ? model : edit(model);
        var edited = config with { Models = new Dictionary<string, ModelConfig> { [model.Name] = model } };
        return FitSettings.Read(ModelArguments.Of(edited, model, environment ?? NoEnvironment));
    }

    [Fact]
    public void A_router_gives_its_models_its_own_options_and_theirs()
    {
        var settings = Settings(TestConfig.Create("a"), model => model with { CtxSize = 4096, GpuLayers = 20 });

        Assert.Equal((4096, 20, true), (settings.ContextTokens, settings.GpuLayers, settings.GpuLayersAreGiven));
        Assert.Equal(("q8_0", 1, true), (settings.KeyCacheType.Name, settings.Slots, settings.UnifiedCache));
    }

    [Fact]
    public void A_models_extra_arguments_win_over_its_own_keys()
    {
        var settings = Settings(TestConfig.Create("a"), model => model with
        {
            GpuLayers = 20,
            ExtraArgs = ["-ngl", "7", "-ctk", "f16", "-no-kvu", "--swa-full"],
        });

        Assert.Equal((7, "f16", false, true),
            (settings.GpuLayers, settings.KeyCacheType.Name, settings.UnifiedCache, settings.FullSlidingWindow));
    }

    [Fact]
    public void The_routers_extra_arguments_win_over_all()
    {
        var config = TestConfig.Create("a");
        config = config with { Router = config.Router with { ExtraArgs = ["--n-gpu-layers", "3"] } };

        Assert.Equal(3, Settings(config, model => model with { GpuLayers = 20 }).GpuLayers);
    }

    [Fact]
    public void A_users_preset_is_read()
    {
        using var folder = new TempFolder();
        var preset = Path.Join(folder.Path, "models.ini");
        File.WriteAllText(preset, "[*]\nngl = 5\nno-mmap = true\n[a]\nmodel = /m.gguf\nub = 128\nkv-unified = false\n");
        var config = TestConfig.Create("a");
        config = config with { Router = config.Router with { ModelsPreset = preset, ExtraArgs = ["-ctk", "q4_0"] } };

        var settings = Settings(config);

        Assert.Equal((5, 128, false, "q4_0"),
            (settings.GpuLayers, settings.MicroBatchTokens, settings.IsMapped, settings.KeyCacheType.Name));
    }

    [Fact]
    public void A_process_has_its_command_line()
    {
        var config = TestConfig.Create("a");
        config = config with { Llama = config.Llama with { BackendMode = BackendMode.Process } };

        var settings = Settings(config, model => model with { Port = 1, CtxSize = 512, ExtraArgs = ["-lm", "mlock"] });

        Assert.Equal((512, null, false, false),
            (settings.ContextTokens, settings.GpuLayers, settings.GpuLayersAreGiven, settings.IsMapped));
    }

    [Fact]
    public void The_environment_counts_where_nothing_else_is_said()
    {
        var environment = new Dictionary<string, string>
        {
            ["LLAMA_ARG_N_GPU_LAYERS"] = "9",
            ["LLAMA_ARG_UBATCH"] = "64",
            ["LLAMA_ARG_CTX_SIZE"] = "77",
            ["HOME"] = "/",
        };

        var settings = Settings(TestConfig.Create("a"), environment: environment);

        Assert.Equal((9, 64, 8192), (settings.GpuLayers, settings.MicroBatchTokens, settings.ContextTokens));
    }

    [Theory]
    [InlineData(null, "", "0 1 2")]
    [InlineData("", "", "")]
    [InlineData("1", "", "1")]
    [InlineData("2,0", "", "2 0")]
    [InlineData("GPU-b,GPU-a", "", "1 0")]
    [InlineData("0,-1,2", "", "0")]
    [InlineData("2,1", "-dev CUDA1", "1")]
    [InlineData("0,0", "", "0")]
    [InlineData(null, "-dev CUDA0,RPC0", "0")]
    [InlineData(null, "-dev none", "")]
    [InlineData(null, "-sm none", "0")]
    [InlineData(null, "-sm none -mg 2", "2")]
    public void The_gpus_that_count_are_those_that_llama_server_sees(string? visible, string arguments, string expected)
    {
        GpuDevice[] all = [Gpu("GPU-aaaa"), Gpu("GPU-bbbb"), Gpu("GPU-cccc")];

        var gpus = VisibleGpus.Of(all, FitSettings.Read(arguments.Split(' ')), visible, null);

        Assert.Equal(expected, string.Join(' ', gpus.Devices.Select(gpu => Array.IndexOf(all, gpu))));
        Assert.Null(gpus.Doubt);
    }

    [Theory]
    [InlineData("1", "", null, true)]
    [InlineData("1", "", "PCI_BUS_ID", false)]
    [InlineData(null, "", null, false)]
    [InlineData(null, "-ts 1,2", null, true)]
    [InlineData("GPU-b", "", null, false)]
    [InlineData("MIG-1234", "", "PCI_BUS_ID", true)]
    public void Where_an_index_may_mean_another_gpu_there_is_doubt(
        string? visible, string arguments, string? order, bool isDoubtful)
    {
        GpuDevice[] all = [Gpu("GPU-aaaa"), Gpu("GPU-bbbb") with { Name = "GTX" }];

        var gpus = VisibleGpus.Of(all, FitSettings.Read(arguments.Split(' ')), visible, order);

        Assert.Equal(isDoubtful, gpus.Doubt is not null);
    }

    private static GpuDevice Gpu(string id) => new(id, "RTX", 0, 0);
}
