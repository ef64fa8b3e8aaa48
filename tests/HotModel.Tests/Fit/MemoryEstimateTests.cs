using HotModel.Fit;

namespace HotModel.Tests.Fit;

public sealed class MemoryEstimateTests
{
    private const long Matrix = 256 * 256 * 2;
    private const long FeedForward = 3L * 256 * 768 * 2;
    private const long Vocabulary = 4096L * 256 * 2;
    private const long Norm = 256 * 4;

    [Fact]
    public void Without_a_gpu_all_is_on_the_cpu()
    {
        var estimate = Estimate("gemma", new FitSettings { ContextTokens = 4096, Slots = 1 });

        Assert.Empty(estimate.Gpus);
        // Heads of 128 for an embedding of 256: five halves of a square matrix, twice.
        var norms = 4 * Norm + 2 * 128 * 4;
        Assert.Equal(Vocabulary + Norm + 6 * (FeedForward + 5 * Matrix + norms), estimate.Cpu.WeightBytes);
        Assert.Equal(0, estimate.Cpu.ProcessBytes);
    }

    [Fact]
    public void All_layers_on_a_gpu_leave_the_embeddings_to_the_cpu()
    {
        var estimate = Estimate("experts", new FitSettings { ContextTokens = 4096, GpuShares = [1], GpuProcessBytes = 123 });

        Assert.Equal(Vocabulary, estimate.Cpu.WeightBytes);
        Assert.Equal(0, estimate.Cpu.CacheBytes);
        Assert.Equal(4 * 2 * 4096L * (256 / 8 * 2) * 2, Assert.Single(estimate.Gpus).CacheBytes);
        Assert.Equal(123, estimate.Gpus[0].ProcessBytes);
        Assert.True(estimate.Cpu.ComputeBytes < estimate.Gpus[0].ComputeBytes);
    }

    [Fact]
    public void A_matrix_for_input_and_output_is_on_both_devices()
    {
        var none = Estimate("gemma", new FitSettings { GpuShares = [1], GpuLayers = 0 });
        var all = Estimate("gemma", new FitSettings { GpuShares = [1] });

        Assert.Equal(none.Cpu.WeightBytes + Vocabulary, all.Cpu.WeightBytes + all.Gpus[0].WeightBytes);
        Assert.Equal(Vocabulary, all.Cpu.WeightBytes);
    }

    [Fact]
    public void The_output_is_the_first_layer_that_goes_to_the_gpu_and_the_last_layers_follow()
    {
        var one = Estimate("experts", new FitSettings { GpuShares = [1], GpuLayers = 1 });
        var two = Estimate("experts", new FitSettings { GpuShares = [1], GpuLayers = 2 });

        Assert.Equal(Vocabulary + Norm, one.Gpus[0].WeightBytes);
        Assert.Equal(0, one.Gpus[0].CacheBytes);
        Assert.Equal(Layer("experts"), two.Gpus[0].WeightBytes - one.Gpus[0].WeightBytes);
        Assert.Equal(two.Cpu.CacheBytes, 3 * two.Gpus[0].CacheBytes);
    }

    [Fact]
    public void Gpus_share_the_layers_as_told()
    {
        // Five with the output: at 0, 0.2, 0.4, 0.6 and 0.8 of the way.
        var estimate = Estimate("experts", new FitSettings { GpuShares = [3, 1, 1] });

        Assert.Equal(3 * Layer("experts"), estimate.Gpus[0].WeightBytes);
        Assert.Equal(Layer("experts"), estimate.Gpus[1].WeightBytes);
        Assert.Equal(Vocabulary + Norm, estimate.Gpus[2].WeightBytes);
        Assert.Equal([3, 1, 0], estimate.Gpus.Select(gpu => gpu.CacheBytes / estimate.Gpus[1].CacheBytes));
    }

    [Fact]
    public void Experts_stay_on_the_cpu_where_told()
    {
        var all = Estimate("experts", new FitSettings { GpuShares = [1] });
        var some = Estimate("experts", new FitSettings { GpuShares = [1], ExpertLayersOnCpu = 3 });

        Assert.Equal(3 * 8 * FeedForward, some.Cpu.WeightBytes - all.Cpu.WeightBytes);
        Assert.Equal(3 * 8 * FeedForward, all.Gpus[0].WeightBytes - some.Gpus[0].WeightBytes);
        Assert.Equal(8 * FeedForward / 3, some.Gpus[0].ComputeBytes - all.Gpus[0].ComputeBytes);
    }

    [Fact]
    public void A_cache_kept_from_the_gpu_and_a_projector_count_where_they_are()
    {
        var settings = new FitSettings { GpuShares = [1] };
        var plain = Estimate("experts", settings);
        var other = Estimate("experts", settings with { CacheOnGpu = false, ProjectorBytes = 1000 });

        Assert.Equal(plain.Gpus[0].CacheBytes, other.Cpu.CacheBytes);
        Assert.Equal(0, other.Gpus[0].CacheBytes);
        Assert.Equal(1000, other.Gpus[0].WeightBytes - plain.Gpus[0].WeightBytes);
        var onCpu = Estimate("experts", settings with { ProjectorBytes = 1000, ProjectorOnGpu = false });
        Assert.Equal(1000, onCpu.Cpu.WeightBytes - plain.Cpu.WeightBytes);
    }

    [Fact]
    public void Arguments_say_what_the_estimate_needs()
    {
        var settings = FitSettings.Read(
        [
            "llama-server", "-m", "x.gguf", "-c", "1", "--ctx-size", "8192", "-ngl", "20", "-np", "2", "-kvu", "-ctk", "q8_0",
            "--cache-type-v", "q4_0", "-fa", "off", "-b", "512", "-ub", "128", "--swa-full", "-ts", "3,1", "-ncmoe", "4", "-nkvo",
        ]);

        Assert.Equal((20, 8192L, 2), (settings.GpuLayers, settings.ContextTokens, settings.SlotsOrDefault));
        Assert.True(settings.IsUnified && settings.FullSlidingWindow && !settings.FlashAttention && !settings.CacheOnGpu);
        Assert.Equal(("q8_0", "q4_0"), (settings.KeyCacheType.Name, settings.ValueCacheType.Name));
        Assert.Equal((512, 128, 4), (settings.BatchTokens, settings.MicroBatchTokens, settings.ExpertLayersOnCpu));
        Assert.Equal([3, 1], settings.GpuShares);
        Assert.False(FitSettings.Read(["-np", "2"]).IsUnified);
        Assert.True(FitSettings.Read(["-ngl", "all"]) is { GpuLayers: null, IsUnified: true, SlotsOrDefault: 4 });
    }

    [Fact]
    public void The_largest_context_fits_and_the_next_does_not()
    {
        var shape = Shape("window");
        var settings = new FitSettings { GpuShares = [1], ContextTokens = 65536, Slots = 1 };
        var found = new HashSet<long?>();
        for (var free = 1L << 20; free < 1L << 28; free += 3_333_333)
        {
            var context = LargestContext.Find(shape, settings, [free], null);
            found.Add(context);
            var (fits, next) = (context ?? 0, (context ?? 0) + 256);
            Assert.Equal(0, fits % 256);
            Assert.True(fits == 0 || LargestContext.Fits(shape, settings with { ContextTokens = fits }, [free], null));
            Assert.True(next > 65536 || !LargestContext.Fits(shape, settings with { ContextTokens = next }, [free], null));
        }
        Assert.Contains(null, found);
        Assert.Contains(65536, found);
        Assert.True(found.Count > 20);
    }

    [Fact]
    public void The_cpus_memory_limits_the_context_where_it_is_given()
    {
        var shape = Shape("window");
        var settings = new FitSettings { GpuShares = [1], CacheOnGpu = false };

        Assert.Equal(16384, LargestContext.Find(shape, settings, [long.MaxValue], null));
        Assert.InRange(LargestContext.Find(shape, settings, [long.MaxValue], 32 << 20) ?? 0, 256, 16384 - 256);
        Assert.Null(LargestContext.Find(shape, settings, [long.MaxValue], 1 << 20));
    }

    [Fact]
    public void What_a_shape_lacks_is_said()
    {
        Assert.Equal("it names no architecture", Fault(new GgufBytes()));
        Assert.Equal("it has no x.block_count from 1 to 1024", Fault(new GgufBytes().With("general.architecture", "x")));
        Assert.Equal("it has no x.embedding_length", Fault(Minimal()));
        Assert.Equal("x.attention.head_count is negative",
            Fault(Minimal().With("x.embedding_length", 1u).With("x.attention.head_count", -1)));
        Assert.Equal("its metadata has numbers beyond reason", Fault(
            Minimal().With("x.embedding_length", ulong.MaxValue / 2).With("x.feed_forward_length", ulong.MaxValue / 2)));

        static GgufBytes Minimal() => new GgufBytes().With("general.architecture", "x").With("x.block_count", 1u);
        static string? Fault(GgufBytes file) => ModelShape.Of(Model(file)).Error;
    }

    private static long Layer(string shape) => Shape(shape).Tensors
        .Where(tensor => tensor.Name.StartsWith("blk.0.", StringComparison.Ordinal)).Sum(tensor => tensor.Bytes);

    private static MemoryEstimate Estimate(string shape, FitSettings settings) => MemoryEstimate.Of(Shape(shape), settings)!;

    private static ModelShape Shape(string shape) => ModelShape.Of(Model(Shapes.Of(shape))).Shape!;

    private static GgufModel Model(GgufBytes file)
    {
        var header = file.Header();
        // The weights are not there, and nobody reads them.
        var part = GgufPart.Read(new MemoryStream(header), header.Length + (1L << 40));
        return new GgufModel(part.Metadata, part.Tensors);
    }
}
