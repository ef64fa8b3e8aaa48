using System.Globalization;
using HotModel.Fit;
using HotModel.Tests.Llama;
using TinyGguf;

namespace HotModel.Tests.Fit;

/// <summary>The estimate against what the real llama-server takes for it.</summary>
public sealed class MemoryTruthTests : IDisposable
{
    private const double Mebibyte = 1 << 20;

    // What is estimated of the buffer to compute with may be off by so much.
    private const double ComputeShare = 0.03;
    private const double ComputeMebibytes = 0.3;

    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("window", "-c 4096 -np 1")]
    [InlineData("window", "-c 8192 -np 3")]
    [InlineData("window", "-c 8192 -np 3 -kvu")]
    [InlineData("window", "-c 4096 -np 1 --swa-full")]
    [InlineData("window", "-c 4096 -np 1 -fa off")]
    [InlineData("gemma", "-c 4096")]
    [InlineData("gemma", "-c 4096 -ub 64 -ctk q8_0 -ctv q4_0")]
    [InlineData("experts", "-c 2048 -np 1")]
    [InlineData("small experts", "-c 2048 -np 1")]
    [InlineData("latent", "-c 4096 -np 1")]
    [InlineData("latent", "-c 4096 -np 1 -fa off")]
    [InlineData("mamba", "-c 4096 -np 1")]
    [InlineData("mamba", "-c 4096 -np 3")]
    [InlineData("hybrid", "-c 4096 -np 1")]
    [InlineData("hybrid", "-c 4096 -np 2 -ctk q8_0")]
    public Task An_architecture_takes_what_was_estimated(string shape, string arguments) =>
        CompareAsync(Shapes.Of(shape).Write(File()), arguments);

    [Theory]
    [InlineData(8, TensorType.F16, "-c 4096 -np 1")]
    [InlineData(2, TensorType.F16, "-c 4096 -np 1")]
    [InlineData(2, TensorType.Q8, "-c 1000")]
    [InlineData(2, TensorType.F16, "-c 1000 -np 3")]
    [InlineData(2, TensorType.F16, "-c 0 -ctk q8_0 -ctv q8_0")]
    [InlineData(2, TensorType.F16, "-c 4096 -np 4 -fa off")]
    [InlineData(8, TensorType.F16, "-c 4096 -np 2 -kvu -ctk q4_0 -ub 128")]
    [InlineData(1, TensorType.F16, "-c 300 -np 1 -b 100 -ctk bf16 -ctv f32")]
    public Task A_dense_model_takes_what_was_estimated(int kvHeads, TensorType type, string arguments)
    {
        new TinyModel
        {
            Layers = 3,
            Embedding = 512,
            FeedForward = 1536,
            Heads = 8,
            KvHeads = kvHeads,
            Vocabulary = 4096,
            Type = type,
        }.Write(File());
        return CompareAsync(File(), arguments);
    }

    [Theory]
    [InlineData(false, "--embeddings -c 512 -np 1 -b 512 -ub 512")]
    [InlineData(true, "--reranking -c 2048 -np 2 -b 1024 -ub 1024")]
    public Task An_encoder_takes_what_was_estimated(bool ranks, string arguments)
    {
        new TinyEncoder { Ranks = ranks }.Write(File());
        return CompareAsync(File(), arguments);
    }

    private static async Task CompareAsync(string path, string arguments)
    {
        var shape = ModelShape.Of(GgufReader.Read(path).Model!).Shape!;
        var settings = FitSettings.Read(arguments.Split(' '));
        var estimate = MemoryEstimate.Of(shape, settings)!.Cpu;

        var told = await ToldMemory.OfAsync(path, arguments.Split(' '));

        // Of the two caches of a model with a window each is rounded; so are the two buffers to compute with.
        Close(told.Weights, estimate.WeightBytes, 2 * ToldMemory.Precision, "weights");
        Close(told.Cache, estimate.CacheBytes, 2 * ToldMemory.Precision, "cache");
        var compute = told.Compute + told.Output;
        Close(compute, estimate.ComputeBytes, Math.Max(compute * ComputeShare, ComputeMebibytes), "compute");

        static void Close(double told, long estimated, double apart, string what) => Assert.True(
            Math.Abs(told - estimated / Mebibyte) <= apart,
            string.Create(CultureInfo.InvariantCulture, $"{what}: {told} MiB, estimated {estimated / Mebibyte:f3}"));
    }

    private string File() => Path.Combine(folder.Path, "m.gguf");
}
