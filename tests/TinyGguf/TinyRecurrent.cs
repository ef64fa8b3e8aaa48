namespace TinyGguf;

/// <summary>A model of Mamba's architecture with random weights, or with attention in every other layer of Jamba's.</summary>
/// <remarks>What its recurrent layers hold of a text is one state, which knows no earlier place to go back to.</remarks>
public sealed record TinyRecurrent
{
    private const int Layers = 2, Embedding = 64, FeedForward = 128, Heads = 2, Words = 1024, Context = 8192;
    // llama.cpp's Mamba asks for the first two.
    private const int Inner = 2 * Embedding, Kernel = 4, State = 16, StepRank = 4;

    public int Seed { get; init; } = 1;
    public string Name { get; init; } = "tiny-recurrent";
    /// <summary>Every other layer is one of attention.</summary>
    public bool IsHybrid { get; init; }

    private string Architecture => IsHybrid ? "jamba" : "mamba";

    public void Write(string path)
    {
        var random = new SplitMix((ulong)Seed);
        var vocabulary = new Vocabulary(Words, random);
        using var metadata = Metadata(vocabulary);
        var weights = new Weights(TensorType.F16, random);
        GgufFile.Write(path, metadata, [.. Tensors()], (file, tensor) => WriteData(file, tensor, weights, vocabulary));
    }

    private bool IsAttention(int layer) => IsHybrid && layer % 2 == 1;

    private GgufMetadata Metadata(Vocabulary vocabulary)
    {
        var metadata = new GgufMetadata();
        metadata.Add("general.architecture", Architecture);
        metadata.Add("general.name", Name);
        metadata.Add("general.alignment", (uint)GgufFile.Alignment);
        metadata.Add("general.file_type", TensorTypes.FileType(TensorType.F16));
        metadata.Add(Architecture + ".context_length", (uint)Context);
        metadata.Add(Architecture + ".embedding_length", (uint)Embedding);
        metadata.Add(Architecture + ".block_count", (uint)Layers);
        metadata.Add(Architecture + ".feed_forward_length", (uint)(IsHybrid ? FeedForward : 0));
        metadata.Add(Architecture + ".attention.head_count", (uint)(IsHybrid ? Heads : 0));
        if (IsHybrid)
        {
            metadata.Add(Architecture + ".attention.head_count_kv",
                [.. Enumerable.Range(0, Layers).Select(layer => IsAttention(layer) ? 1 : 0)]);
        }
        metadata.Add(Architecture + ".attention.layer_norm_rms_epsilon", 1e-5f);
        metadata.Add(Architecture + ".ssm.conv_kernel", (uint)Kernel);
        metadata.Add(Architecture + ".ssm.inner_size", (uint)Inner);
        metadata.Add(Architecture + ".ssm.state_size", (uint)State);
        metadata.Add(Architecture + ".ssm.time_step_rank", (uint)StepRank);
        metadata.Add(Architecture + ".vocab_size", (uint)vocabulary.Count);
        vocabulary.Describe(metadata);
        metadata.Add("tokenizer.ggml.eot_token_id", 4u);
        metadata.Add("tokenizer.ggml.add_bos_token", true);
        metadata.Add("tokenizer.ggml.add_space_prefix", false);
        metadata.Add("tokenizer.chat_template", TinyModel.ChatTemplate);
        return metadata;
    }

    private IEnumerable<Tensor> Tensors()
    {
        const TensorType half = TensorType.F16, whole = TensorType.F32;
        yield return new("token_embd.weight", half, Embedding, Words);
        for (var layer = 0; layer < Layers; layer++)
        {
            var block = $"blk.{layer}.";
            yield return new(block + "attn_norm.weight", whole, Embedding);
            foreach (var tensor in IsAttention(layer) ? Attention(block) : Recurrence(block))
                yield return tensor;
            if (!IsHybrid)
                continue;
            yield return new(block + "ffn_norm.weight", whole, Embedding);
            yield return new(block + "ffn_gate.weight", half, Embedding, FeedForward);
            yield return new(block + "ffn_up.weight", half, Embedding, FeedForward);
            yield return new(block + "ffn_down.weight", half, FeedForward, Embedding);
        }
        yield return new("output_norm.weight", whole, Embedding);
        yield return new("output.weight", half, Embedding, Words);
    }

    private IEnumerable<Tensor> Recurrence(string block)
    {
        const TensorType half = TensorType.F16, whole = TensorType.F32;
        yield return new(block + "ssm_in.weight", half, Embedding, 2 * Inner);
        yield return new(block + "ssm_conv1d.weight", whole, Kernel, Inner);
        yield return new(block + "ssm_conv1d.bias", whole, Inner);
        yield return new(block + "ssm_x.weight", half, Inner, StepRank + (2 * State));
        yield return new(block + "ssm_dt.weight", half, StepRank, Inner);
        yield return new(block + "ssm_dt.bias", whole, Inner);
        yield return new(block + "ssm_a", whole, State, Inner);
        yield return new(block + "ssm_d", whole, Inner);
        yield return new(block + "ssm_out.weight", half, Inner, Embedding);
        if (!IsHybrid)
            yield break;
        yield return new(block + "ssm_dt_norm.weight", whole, StepRank);
        yield return new(block + "ssm_b_norm.weight", whole, State);
        yield return new(block + "ssm_c_norm.weight", whole, State);
    }

    private static IEnumerable<Tensor> Attention(string block)
    {
        const int head = Embedding / Heads;
        yield return new(block + "attn_q.weight", TensorType.F16, Embedding, Embedding);
        yield return new(block + "attn_k.weight", TensorType.F16, Embedding, head);
        yield return new(block + "attn_v.weight", TensorType.F16, Embedding, head);
        yield return new(block + "attn_output.weight", TensorType.F16, Embedding, Embedding);
    }

    private static void WriteData(Stream file, Tensor tensor, Weights weights, Vocabulary vocabulary)
    {
        if (tensor.Type == TensorType.F16)
        {
            // As in TinyModel: it says words only.
            var silent = tensor.Name == "output.weight" ? tensor.RowBytes * vocabulary.FirstWord : 0;
            Weights.WriteZeros(file, silent);
            weights.WriteRandom(file, tensor.Bytes - silent);
        }
        else if (tensor.Name.EndsWith(".ssm_a", StringComparison.Ordinal))
        {
            // Negative, so that the state fades.
            Weights.WriteAll(file, tensor.Values, -1f);
        }
        else if (tensor.Name.EndsWith(".bias", StringComparison.Ordinal))
        {
            Weights.WriteZeros(file, tensor.Bytes);
        }
        else
        {
            Weights.WriteAll(file, tensor.Values, 1f);
        }
    }
}
