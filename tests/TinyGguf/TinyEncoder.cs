namespace TinyGguf;

/// <summary>A BERT-architecture model with random weights, for embeddings or for ranking.</summary>
public sealed record TinyEncoder
{
    private const int Layers = 2, Embedding = 64, FeedForward = 128, Heads = 2, Words = 1024, Context = 512;
    // llama.cpp's numbers of the ways to make one vector of a text's.
    private const uint MeanPooling = 1, RankPooling = 4;

    public int Seed { get; init; } = 1;
    public string Name { get; init; } = "tiny-encoder";
    /// <summary>Has a classifier on top, which gives a query and a document one number.</summary>
    public bool Ranks { get; init; }

    public void Write(string path)
    {
        var random = new SplitMix((ulong)Seed);
        var vocabulary = new Vocabulary(Words, random);
        using var metadata = Metadata(vocabulary);
        var weights = new Weights(TensorType.F16, random);
        GgufFile.Write(path, metadata, [.. Tensors()], (file, tensor) => WriteData(file, tensor, weights));
    }

    private GgufMetadata Metadata(Vocabulary vocabulary)
    {
        var metadata = new GgufMetadata();
        metadata.Add("general.architecture", "bert");
        metadata.Add("general.name", Name);
        metadata.Add("general.alignment", (uint)GgufFile.Alignment);
        metadata.Add("general.file_type", TensorTypes.FileType(TensorType.F16));
        metadata.Add("bert.context_length", (uint)Context);
        metadata.Add("bert.embedding_length", (uint)Embedding);
        metadata.Add("bert.block_count", (uint)Layers);
        metadata.Add("bert.feed_forward_length", (uint)FeedForward);
        metadata.Add("bert.attention.head_count", (uint)Heads);
        metadata.Add("bert.attention.layer_norm_epsilon", 1e-12f);
        metadata.Add("bert.attention.causal", false);
        metadata.Add("bert.pooling_type", Ranks ? RankPooling : MeanPooling);
        vocabulary.Describe(metadata);
        metadata.Add("tokenizer.ggml.seperator_token_id", 4u); // llama.cpp's spelling
        metadata.Add("tokenizer.ggml.token_type_count", 2u);
        metadata.Add("tokenizer.ggml.add_bos_token", true);
        metadata.Add("tokenizer.ggml.add_eos_token", true);
        return metadata;
    }

    private IEnumerable<Tensor> Tensors()
    {
        const TensorType half = TensorType.F16, whole = TensorType.F32;
        yield return new("token_embd.weight", half, Embedding, Words);
        yield return new("token_types.weight", whole, Embedding, 2);
        yield return new("position_embd.weight", whole, Embedding, Context);
        yield return new("token_embd_norm.weight", whole, Embedding);
        yield return new("token_embd_norm.bias", whole, Embedding);
        for (var layer = 0; layer < Layers; layer++)
        {
            (string Name, int Columns, int Rows)[] matrices =
            [
                ("attn_q", Embedding, Embedding), ("attn_k", Embedding, Embedding), ("attn_v", Embedding, Embedding),
                ("attn_output", Embedding, Embedding), ("ffn_up", Embedding, FeedForward),
                ("ffn_down", FeedForward, Embedding),
            ];
            foreach (var (name, columns, rows) in matrices)
            {
                yield return new($"blk.{layer}.{name}.weight", half, columns, rows);
                yield return new($"blk.{layer}.{name}.bias", whole, rows);
            }
            foreach (var name in (string[])["attn_output_norm", "layer_output_norm"])
            {
                yield return new($"blk.{layer}.{name}.weight", whole, Embedding);
                yield return new($"blk.{layer}.{name}.bias", whole, Embedding);
            }
        }
        if (!Ranks)
            yield break;
        yield return new("cls.weight", half, Embedding, Embedding);
        yield return new("cls.bias", whole, Embedding);
        yield return new("cls.output.weight", half, Embedding, 1);
        yield return new("cls.output.bias", whole, 1);
    }

    private static void WriteData(Stream file, Tensor tensor, Weights weights)
    {
        if (tensor.Type == TensorType.F16)
            weights.WriteRandom(file, tensor.Bytes);
        else if (tensor.Name.EndsWith("norm.weight", StringComparison.Ordinal))
            Weights.WriteAll(file, tensor.Values, 1f);
        else
            Weights.WriteZeros(file, tensor.Bytes);
    }
}
