namespace TinyGguf;

/// <summary>What lets a <see cref="TinyModel"/> of the standard size hear: an audio encoder (an "mmproj" file), random.</summary>
/// <remarks>A whisper encoder with ultravox's projector, which asks for no special tokens around the audio.</remarks>
public sealed record TinyHearing
{
    // 30 s of 10 ms frames, halved by the second convolution: llama.cpp pads every clip to that.
    private const int Positions = 1500;
    private const int MelBins = 80, Embedding = 64, FeedForward = 64;
    // A divisor of Positions: at others llama.cpp miscounts and aborts.
    private const int StackedFrames = 10;

    /// <summary>The text model's.</summary>
    public int TextEmbedding { get; init; } = new TinyModel().Embedding;
    public int Seed { get; init; } = 1;
    public string Name { get; init; } = "tiny-hearing";

    public void Write(string path)
    {
        var weights = new Weights(TensorType.F16, new SplitMix((ulong)Seed));
        using var metadata = Metadata();
        GgufFile.Write(path, metadata, [.. Tensors()], (file, tensor) => WriteData(file, tensor, weights));
    }

    private GgufMetadata Metadata()
    {
        var metadata = new GgufMetadata();
        metadata.Add("general.architecture", "clip");
        metadata.Add("general.name", Name);
        metadata.Add("general.alignment", (uint)GgufFile.Alignment);
        metadata.Add("general.file_type", TensorTypes.FileType(TensorType.F16));
        metadata.Add("clip.has_audio_encoder", true);
        metadata.Add("clip.projector_type", "ultravox");
        metadata.Add("clip.audio.embedding_length", (uint)Embedding);
        metadata.Add("clip.audio.feed_forward_length", (uint)FeedForward);
        metadata.Add("clip.audio.block_count", 1u);
        metadata.Add("clip.audio.projection_dim", (uint)TextEmbedding);
        metadata.Add("clip.audio.attention.head_count", 1u);
        metadata.Add("clip.audio.attention.layer_norm_epsilon", 1e-5f);
        metadata.Add("clip.audio.num_mel_bins", (uint)MelBins);
        metadata.Add("clip.audio.projector.stack_factor", (uint)StackedFrames);
        return metadata;
    }

    private IEnumerable<Tensor> Tensors()
    {
        const TensorType half = TensorType.F16, whole = TensorType.F32;
        yield return new("a.conv1d.1.weight", half, 3, MelBins, Embedding);
        yield return new("a.conv1d.1.bias", whole, 1, Embedding);
        yield return new("a.conv1d.2.weight", half, 3, Embedding, Embedding);
        yield return new("a.conv1d.2.bias", whole, 1, Embedding);
        yield return new("a.position_embd.weight", whole, Embedding, Positions);
        foreach (var name in (string[])["a.blk.0.ln1", "a.blk.0.ln2", "a.post_ln"])
        {
            yield return new(name + ".weight", whole, Embedding);
            yield return new(name + ".bias", whole, Embedding);
        }
        foreach (var name in (string[])["attn_q", "attn_v", "attn_out", "attn_k"])
        {
            yield return new($"a.blk.0.{name}.weight", half, Embedding, Embedding);
            if (name != "attn_k") // whisper's keys have none, and llama.cpp insists
                yield return new($"a.blk.0.{name}.bias", whole, Embedding);
        }
        yield return new("a.blk.0.ffn_up.weight", half, Embedding, FeedForward);
        yield return new("a.blk.0.ffn_up.bias", whole, FeedForward);
        yield return new("a.blk.0.ffn_down.weight", half, FeedForward, Embedding);
        yield return new("a.blk.0.ffn_down.bias", whole, Embedding);
        yield return new("mm.a.norm_pre.weight", whole, Embedding * StackedFrames);
        yield return new("mm.a.mlp.1.weight", half, Embedding * StackedFrames, FeedForward * 2);
        yield return new("mm.a.norm_mid.weight", whole, FeedForward);
        yield return new("mm.a.mlp.2.weight", half, FeedForward, TextEmbedding);
    }

    private static void WriteData(Stream file, Tensor tensor, Weights weights)
    {
        if (tensor.Type == TensorType.F16)
            weights.WriteRandom(file, tensor.Bytes);
        else if (tensor.Name.EndsWith(".bias", StringComparison.Ordinal) || tensor.Name == "a.position_embd.weight")
            Weights.WriteZeros(file, tensor.Bytes);
        else
            Weights.WriteAll(file, tensor.Values, 1f);
    }
}
