namespace TinyGguf;

/// <summary>A LoRA adapter with random weights for a <see cref="TinyModel"/> of the standard size.</summary>
public sealed record TinyAdapter
{
    private const int Rank = 4;

    public int Seed { get; init; } = 1;
    public string Name { get; init; } = "tiny-adapter";

    public void Write(string path)
    {
        var weights = new Weights(TensorType.F16, new SplitMix((ulong)Seed));
        using var metadata = Metadata();
        var embedding = new TinyModel().Embedding;
        Tensor[] tensors =
        [
            new("blk.0.attn_q.weight.lora_a", TensorType.F16, embedding, Rank),
            new("blk.0.attn_q.weight.lora_b", TensorType.F16, Rank, embedding),
        ];
        GgufFile.Write(path, metadata, tensors, (file, tensor) => weights.WriteRandom(file, tensor.Bytes));
    }

    private GgufMetadata Metadata()
    {
        var metadata = new GgufMetadata();
        metadata.Add("general.architecture", "llama");
        metadata.Add("general.type", "adapter");
        metadata.Add("general.name", Name);
        metadata.Add("general.alignment", (uint)GgufFile.Alignment);
        metadata.Add("adapter.type", "lora");
        metadata.Add("adapter.lora.alpha", (float)Rank);
        return metadata;
    }
}
