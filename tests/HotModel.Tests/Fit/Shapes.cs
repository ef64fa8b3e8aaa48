using System.Globalization;

namespace HotModel.Tests.Fit;

/// <summary>Models of several architectures that llama-server loads, though all their weights are zero.</summary>
internal static class Shapes
{
    public const int Embedding = 256;
    public const int FeedForward = 768;
    public const int Vocabulary = 4096;

    public static GgufBytes Of(string shape) => shape switch
    {
        "experts" => Experts(FeedForward, used: 2),
        "small experts" => Experts(64, used: 6),
        "window" => Window(),
        "gemma" => Gemma(),
        "latent" => Latent(),
        "mamba" => Mamba(),
        "hybrid" => Hybrid(),
        _ => throw new ArgumentException(shape),
    };

    /// <summary>Llama's architecture with a mixture of experts, as Mixtral has it.</summary>
    private static GgufBytes Experts(int feedForward, int used)
    {
        const int layers = 4, experts = 8;
        var file = Head("llama", layers, feedForward)
            .With("llama.expert_count", (uint)experts).With("llama.expert_used_count", (uint)used);
        Attention(file, "llama", heads: 8, kv: 2);
        Outer(file);
        for (var i = 0; i < layers; i++)
        {
            AttentionTensors(file, i, heads: 8, kv: 2, head: Embedding / 8);
            file.Vector(Name(i, "ffn_norm"), Embedding).Vector(Name(i, "ffn_gate_inp"), Embedding, experts);
            file.Matrix(Name(i, "ffn_gate_exps"), Embedding, feedForward, experts)
                .Matrix(Name(i, "ffn_up_exps"), Embedding, feedForward, experts)
                .Matrix(Name(i, "ffn_down_exps"), feedForward, Embedding, experts);
        }
        return file;
    }

    /// <summary>OLMo 3: three of four layers slide.</summary>
    private static GgufBytes Window()
    {
        const int layers = 8;
        var file = Head("olmo2", layers).With("olmo2.attention.sliding_window", 300u);
        Attention(file, "olmo2", heads: 8, kv: 4);
        Outer(file);
        for (var i = 0; i < layers; i++)
        {
            AttentionTensors(file, i, heads: 8, kv: 4, head: Embedding / 8, norm: false);
            file.Vector(Name(i, "attn_q_norm"), Embedding).Vector(Name(i, "attn_k_norm"), Embedding / 2)
                .Vector(Name(i, "post_attention_norm"), Embedding).Vector(Name(i, "post_ffw_norm"), Embedding);
            FeedForwardTensors(file, i, norm: false);
        }
        return file;
    }

    /// <summary>Gemma 3: heads wider than the embedding, five of six layers slide, one matrix for input and output.</summary>
    private static GgufBytes Gemma()
    {
        const int layers = 6, heads = 4, kv = 1, head = 128;
        var file = Head("gemma3", layers).With("gemma3.attention.sliding_window", 512u)
            .With("gemma3.attention.key_length", (uint)head).With("gemma3.attention.value_length", (uint)head);
        Attention(file, "gemma3", heads, kv);
        Outer(file, output: false);
        for (var i = 0; i < layers; i++)
        {
            AttentionTensors(file, i, heads, kv, head);
            file.Vector(Name(i, "attn_q_norm"), head).Vector(Name(i, "attn_k_norm"), head)
                .Vector(Name(i, "post_attention_norm"), Embedding).Vector(Name(i, "post_ffw_norm"), Embedding);
            FeedForwardTensors(file, i);
        }
        return file;
    }

    /// <summary>DeepSeek 2 without its experts: latent attention.</summary>
    private static GgufBytes Latent()
    {
        const int layers = 3, heads = 4, queryRank = 64, rank = 128, rotated = 32, plain = 32, value = 64;
        var file = Head("deepseek2", layers)
            .With("deepseek2.attention.q_lora_rank", (uint)queryRank).With("deepseek2.attention.kv_lora_rank", (uint)rank)
            .With("deepseek2.attention.key_length", (uint)(rank + rotated)).With("deepseek2.attention.value_length", (uint)rank)
            .With("deepseek2.attention.key_length_mla", (uint)(plain + rotated))
            .With("deepseek2.attention.value_length_mla", (uint)value)
            .With("deepseek2.rope.dimension_count", (uint)rotated).With("deepseek2.leading_dense_block_count", (uint)layers)
            .With("deepseek2.expert_feed_forward_length", 64u).With("deepseek2.expert_count", 4u)
            .With("deepseek2.expert_used_count", 2u).With("deepseek2.expert_shared_count", 1u)
            .With("deepseek2.expert_weights_scale", 1f).With("deepseek2.expert_gating_func", 1u)
            .With("deepseek2.vocab_size", (uint)Vocabulary);
        Attention(file, "deepseek2", heads, 1);
        Outer(file);
        for (var i = 0; i < layers; i++)
        {
            file.Vector(Name(i, "attn_norm"), Embedding).Vector(Name(i, "attn_q_a_norm"), queryRank)
                .Vector(Name(i, "attn_kv_a_norm"), rank)
                .Matrix(Name(i, "attn_q_a"), Embedding, queryRank)
                .Matrix(Name(i, "attn_q_b"), queryRank, heads * (plain + rotated))
                .Matrix(Name(i, "attn_kv_a_mqa"), Embedding, rank + rotated)
                .Matrix(Name(i, "attn_k_b"), plain, rank, heads).Matrix(Name(i, "attn_v_b"), rank, value, heads)
                .Matrix(Name(i, "attn_output"), heads * value, Embedding);
            FeedForwardTensors(file, i);
        }
        return file;
    }

    /// <summary>No attention at all.</summary>
    private static GgufBytes Mamba()
    {
        const int layers = 4;
        var file = Head("mamba", layers).With("mamba.attention.head_count", 0u)
            .With("mamba.attention.layer_norm_rms_epsilon", 1e-5f);
        State(file, "mamba");
        Outer(file);
        for (var i = 0; i < layers; i++)
        {
            file.Vector(Name(i, "attn_norm"), Embedding);
            StateTensors(file, i);
        }
        return file;
    }

    /// <summary>Jamba: a layer with attention among those with a state.</summary>
    private static GgufBytes Hybrid()
    {
        const int layers = 4, heads = 8, kv = 2;
        var file = Head("jamba", layers).With("jamba.attention.layer_norm_rms_epsilon", 1e-5f)
            .With("jamba.attention.head_count", (uint)heads)
            .WithInts("jamba.attention.head_count_kv", 0, 0, kv, 0)
            .With("jamba.expert_count", 0u).With("jamba.expert_used_count", 0u);
        State(file, "jamba");
        Outer(file);
        for (var i = 0; i < layers; i++)
        {
            if (i == 2)
            {
                AttentionTensors(file, i, heads, kv, Embedding / heads);
            }
            else
            {
                file.Vector(Name(i, "attn_norm"), Embedding);
                StateTensors(file, i);
                file.Vector(Name(i, "ssm_dt_norm"), TimeRank).Vector(Name(i, "ssm_b_norm"), StateSize)
                    .Vector(Name(i, "ssm_c_norm"), StateSize);
            }
            FeedForwardTensors(file, i);
        }
        return file;
    }

    private const int Inner = 512, StateSize = 16, TimeRank = 16, Kernel = 4;

    private static void State(GgufBytes file, string prefix) => file
        .With(prefix + ".ssm.conv_kernel", (uint)Kernel).With(prefix + ".ssm.inner_size", (uint)Inner)
        .With(prefix + ".ssm.state_size", (uint)StateSize).With(prefix + ".ssm.time_step_rank", (uint)TimeRank);

    private static void StateTensors(GgufBytes file, int layer) => file
        .Matrix(Name(layer, "ssm_in"), Embedding, 2 * Inner).Vector(Name(layer, "ssm_conv1d"), Kernel, Inner)
        .Vector(Name(layer, "ssm_conv1d", "bias"), Inner).Matrix(Name(layer, "ssm_x"), Inner, TimeRank + 2 * StateSize)
        .Matrix(Name(layer, "ssm_dt"), TimeRank, Inner).Vector(Name(layer, "ssm_dt", "bias"), Inner)
        .Vector($"blk.{layer}.ssm_a", StateSize, Inner).Vector($"blk.{layer}.ssm_d", Inner)
        .Matrix(Name(layer, "ssm_out"), Inner, Embedding);

    private static GgufBytes Head(string prefix, int layers, int feedForward = FeedForward)
    {
        string[] tokens =
        [
            "<unk>", "<s>", "</s>",
            .. Enumerable.Range(0, 256).Select(value => string.Create(CultureInfo.InvariantCulture, $"<0x{value:X2}>")),
            .. Enumerable.Range(259, Vocabulary - 259).Select(token => $"w{token}"),
        ];
        return new GgufBytes().With("general.architecture", prefix).With("general.name", "shape")
            .With(prefix + ".context_length", 16384u).With(prefix + ".embedding_length", (uint)Embedding)
            .With(prefix + ".block_count", (uint)layers).With(prefix + ".feed_forward_length", (uint)feedForward)
            .With("tokenizer.ggml.model", "llama").WithTexts("tokenizer.ggml.tokens", tokens)
            .WithFloats("tokenizer.ggml.scores", [.. tokens.Select((_, i) => -(float)i)])
            .WithInts("tokenizer.ggml.token_type", [.. tokens.Select((_, i) => i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1)])
            .With("tokenizer.ggml.bos_token_id", 1u).With("tokenizer.ggml.eos_token_id", 2u)
            .With("tokenizer.ggml.unknown_token_id", 0u);
    }

    private static void Attention(GgufBytes file, string prefix, int heads, int kv) => file
        .With(prefix + ".attention.head_count", (uint)heads).With(prefix + ".attention.head_count_kv", (uint)kv)
        .With(prefix + ".attention.layer_norm_rms_epsilon", 1e-5f).With(prefix + ".rope.freq_base", 10000f);

    private static void Outer(GgufBytes file, bool output = true)
    {
        file.Matrix("token_embd.weight", Embedding, Vocabulary).Vector("output_norm.weight", Embedding);
        if (output)
            file.Matrix("output.weight", Embedding, Vocabulary);
    }

    private static void AttentionTensors(GgufBytes file, int layer, int heads, int kv, int head, bool norm = true)
    {
        if (norm)
            file.Vector(Name(layer, "attn_norm"), Embedding);
        file.Matrix(Name(layer, "attn_q"), Embedding, heads * head).Matrix(Name(layer, "attn_k"), Embedding, kv * head)
            .Matrix(Name(layer, "attn_v"), Embedding, kv * head).Matrix(Name(layer, "attn_output"), heads * head, Embedding);
    }

    private static void FeedForwardTensors(GgufBytes file, int layer, bool norm = true)
    {
        if (norm)
            file.Vector(Name(layer, "ffn_norm"), Embedding);
        file.Matrix(Name(layer, "ffn_gate"), Embedding, FeedForward).Matrix(Name(layer, "ffn_up"), Embedding, FeedForward)
            .Matrix(Name(layer, "ffn_down"), FeedForward, Embedding);
    }

    private static string Name(int layer, string tensor, string kind = "weight") => $"blk.{layer}.{tensor}.{kind}";
}
