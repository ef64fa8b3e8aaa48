using HotModel.Fit;
using HotModel.Tests.Llama;

namespace HotModel.Tests.Fit;

/// <summary>Cache types that llama-server refuses for a model; that it does so, FitTests shows.</summary>
public sealed class CacheTypesTests
{
    private static string? Fault(string arguments, int heads = 8, string shape = "llama") =>
        CacheTypes.Fault(ModelShape.Of(Read(shape, heads)).Shape!, FitSettings.Read(arguments.Split(' ')));

    private static GgufModel Read(string shape, int heads)
    {
        using var folder = new TempFolder();
        var path = Path.Combine(folder.Path, "m.gguf");
        if (shape == "llama")
            new TinyGguf.TinyModel { Embedding = 512, FeedForward = 512, Heads = heads, KvHeads = 2 }.Write(path);
        else
            Shapes.Of(shape).Write(path);
        return GgufReader.Read(path).Model!;
    }

    [Theory]
    [InlineData("-ctk q8_0", "K cache of type q8_0 (cache_type_k)", "multiple of 32", "have 16;")]
    [InlineData("-ctv q4_1", "V cache of type q4_1 (cache_type_v)", "multiple of 32", "have 16;")]
    [InlineData("-ctv q8_0 -fa off", "V cache")]
    public void Heads_that_are_no_whole_blocks_are_told(string arguments, params string[] parts)
    {
        var fault = Fault(arguments, heads: 32);
        Assert.All(parts, part => Assert.Contains(part, fault, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("-ctk f16 -ctv bf16", 32)]
    [InlineData("-ctk q8_0 -ctv q8_0", 16)]
    [InlineData("-ctk q8_0 -ctv q8_0", 8)]
    [InlineData("-ctk q8_0 -fa off", 8)]
    public void What_goes_together_is_no_fault(string arguments, int heads) => Assert.Null(Fault(arguments, heads));

    [Fact]
    public void Values_lie_in_blocks_only_with_flash_attention() =>
        Assert.Contains("needs flash attention", Fault("-ctv q8_0 -fa off"), StringComparison.Ordinal);

    [Theory]
    [InlineData("mamba")]
    [InlineData("latent")]
    [InlineData("gemma")]
    [InlineData("hybrid")]
    public void Models_without_such_heads_or_with_fitting_ones_are_no_fault(string shape) =>
        Assert.Null(Fault("-ctk q8_0 -ctv q8_0", shape: shape));

    [Fact]
    public void What_was_loaded_once_is_not_refused()
    {
        var shape = ModelShape.Of(Read("llama", heads: 32)).Shape!;
        var question = new FitQuestion
        {
            Model = "m",
            Fact = new ModelFact(shape, null, FitSettings.Read(["-ctk", "q8_0"]), "build", "print"),
            IsLlamaServer = true,
            Gpus = [],
            Freed = new Dictionary<string, FreedMemory> { [DeviceFit.CpuId] = default },
            FreeCpuBytes = 1L << 40,
        };
        var verdict = FitJudge.Judge(question);
        Assert.False(verdict.Fits);
        Assert.Contains("cannot be loaded", verdict.Reason, StringComparison.Ordinal);
        Assert.True(FitJudge.Judge(question with { HasLoaded = true }).Fits);
        Assert.True(FitJudge.Judge(question with { Doubt = "its program is not llama-server" }).Fits);
    }
}
