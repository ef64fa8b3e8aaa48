using System.Globalization;

namespace HotModel.Fit;

/// <summary>Makes a shape of metadata and tensors, by the names and rules of llama.cpp (llama-hparams.cpp).</summary>
internal sealed class ShapeReader
{
    private const int MostLayers = 1024; // LLAMA_MAX_LAYERS is 512

    private static readonly string[] Sizes =
    [
        "context_length", "embedding_length", "feed_forward_length", "expert_count", "expert_used_count",
        "expert_feed_forward_length", "attention.head_count", "attention.head_count_kv", "attention.key_length",
        "attention.value_length", "attention.key_length_swa", "attention.value_length_swa", "attention.shared_kv_layers",
        "attention.indexer.key_length", "wkv.head_size", "token_shift_count", "shortconv.l_cache", "kda.head_dim",
        "ssm.conv_kernel", "ssm.inner_size", "ssm.group_count", "ssm.state_size", "nextn_predict_layers",
    ];

    private readonly GgufMetadata metadata;
    private readonly IReadOnlyList<GgufTensor> tensors;
    private readonly HashSet<string> names;
    private readonly string prefix;
    private readonly int layers;

    public ShapeReader(GgufModel model)
    {
        metadata = model.Metadata;
        tensors = model.Tensors;
        names = [.. tensors.Select(tensor => tensor.Name)];
        prefix = metadata.Architecture;
        // The last ones may be there only to draft tokens with. They hold nothing unless somebody drafts with them.
        layers = (int)Math.Clamp(Number("block_count") - Number("nextn_predict_layers"), 0, MostLayers + 1);
    }

    /// <summary>What the file lacks, or null.</summary>
    public string? Fault =>
        prefix.Length == 0 ? "it names no architecture"
        : layers is 0 or > MostLayers ? $"it has no {GgufPart.Shown(prefix)}.block_count from 1 to {MostLayers}"
        : Number("embedding_length") is 0 ? $"it has no {GgufPart.Shown(prefix)}.embedding_length"
        : Negative() is { } key ? $"{GgufPart.Shown(key)} is negative"
        : null;

    public ModelShape Read()
    {
        var (window, slides) = SlidingWindow.Of(metadata, layers);
        var kept = new LayerShape[layers];
        var query = 0L;
        checked
        {
            for (var i = 0; i < layers; i++)
            {
                kept[i] = Layer(i, slides[i]);
                query = Math.Max(query, At("attention.head_count", i) * HeadKeys(i, slides[i]));
            }
            return new ModelShape
            {
                Layers = kept,
                Tensors = tensors,
                TrainedContext = Number("context_length"),
                Embedding = Number("embedding_length"),
                Vocabulary = Tensor("token_embd.weight") is { Dimensions: [_, var rows, ..] } ? rows : 0,
                WindowTokens = window,
                Heads = Most("attention.head_count"),
                HeadKeys = Common(i => kept[i].Keys > 0 ? HeadKeys(i, slides[i]) : null),
                HeadValues = Common(i => kept[i].Values > 0 ? HeadValues(i, slides[i]) : null),
                QueryWidth = query,
                InnerWidth = InnerWidth(),
                IsEncoder = IsEncoder,
                SharesEmbedding = !names.Contains("output.weight") && !IsEncoder,
            };
        }
    }

    private bool IsEncoder => metadata.Number(prefix + ".attention.causal") == 0 || prefix == "gemma-embedding";

    private LayerShape Layer(int layer, bool slides)
    {
        var (keys, values) = (0L, 0L);
        checked
        {
            if (HasCache(layer))
            {
                var heads = At("attention.head_count_kv", layer, At("attention.head_count", layer));
                keys = heads * HeadKeys(layer, slides);
                // Of multi-head latent attention (DeepSeek) the keys hold all: the latent vector and the rotated part.
                values = Has("attention.key_length_mla") && Has("attention.value_length_mla")
                    ? 0 : heads * HeadValues(layer, slides);
                // DeepSeek 3.2 and what follows it keep one more key, for choosing what to attend to.
                if (prefix is "deepseek32" or "glm-dsa")
                    keys += Number("attention.indexer.key_length");
            }
            return new LayerShape(keys, values, slides, HasState(layer) ? ConvolutionState() + RecurrentState() : 0);
        }
    }

    private long? Common(Func<int, long?> size) =>
        Enumerable.Range(0, layers).Select(size).OfType<long>().Distinct().ToList() is [var one] ? one : null;

    private long HeadKeys(int layer, bool slides) => Head("attention.key_length", layer, slides);

    private long HeadValues(int layer, bool slides) => Head("attention.value_length", layer, slides);

    private long Head(string key, int layer, bool slides)
    {
        if (slides && Has(key + "_swa"))
            return Number(key + "_swa");
        var heads = At("attention.head_count", layer);
        return Has(key) ? At(key, layer) : heads > 0 ? Number("embedding_length") / heads : 0;
    }

    /// <summary>By the layer's tensors, for there are many ways in which architectures say which layer is which.</summary>
    private bool HasCache(int layer)
    {
        if (IsEncoder || layer >= layers - Number("attention.shared_kv_layers"))
            return false;
        return (!HasState(layer) && Has(layer, "attn_qkv.weight")) || Has(layer, "attn_k.weight")
            || Has(layer, "attn_kv_a_mqa.weight") || Has(layer, "attn_kv_b.weight");
    }

    private bool HasState(int layer) =>
        Has(layer, "ssm_conv1d.weight") || Has(layer, "ssm_conv1d_q.weight") || Has(layer, "ssm_out.weight")
        || Has(layer, "shortconv.conv.weight") || Has(layer, "time_mix_output.weight");

    /// <summary>llama_hparams::n_embd_r.</summary>
    private long ConvolutionState()
    {
        checked
        {
            if (Number("wkv.head_size") > 0)
                return (Has("token_shift_count") ? Number("token_shift_count") : 2) * Number("embedding_length");
            if (Number("shortconv.l_cache") is > 0 and var shifts)
                return Number("embedding_length") * (shifts - 1);
            var kernel = Math.Max(Number("ssm.conv_kernel") - 1, 0);
            if (Number("kda.head_dim") is > 0 and var head)
                return 3 * kernel * head * Most("attention.head_count");
            return kernel * (Number("ssm.inner_size") + 2 * Number("ssm.group_count") * Number("ssm.state_size"));
        }
    }

    /// <summary>llama_hparams::n_embd_s.</summary>
    private long RecurrentState()
    {
        checked
        {
            if (Number("wkv.head_size") is > 0 and var size)
                return Number("embedding_length") * size;
            if (Number("kda.head_dim") is > 0 and var head)
                return head * head * Most("attention.head_count");
            return Number("ssm.state_size") * Number("ssm.inner_size");
        }
    }

    /// <summary>See <see cref="ComputeBuffer"/> for where the factors come from.</summary>
    private long InnerWidth()
    {
        checked
        {
            var embedding = Number("embedding_length");
            var dense = Most("feed_forward_length");
            var expert = Has("expert_feed_forward_length") ? Number("expert_feed_forward_length") : dense;
            var hasExperts = Number("expert_count") > 0;
            var hasDense = !hasExperts || names.Any(name => name.EndsWith(".ffn_down.weight", StringComparison.Ordinal));
            var experts = Number("expert_used_count") * (3 * expert + (2 * expert < embedding ? embedding : 0));
            return Math.Max(
                hasDense ? (HasGate(dense) ? 3 : 1) * dense : 0,
                Math.Max(hasExperts ? experts : 0, 5 * Number("ssm.inner_size")));
        }
    }

    /// <summary>The gate is a matrix of its own, or one with the other.</summary>
    private bool HasGate(long width) => tensors.Any(tensor =>
        tensor.Name.EndsWith(".ffn_gate.weight", StringComparison.Ordinal)
        || (tensor.Name.EndsWith(".ffn_up.weight", StringComparison.Ordinal)
            && tensor.Dimensions is [_, var rows, ..] && rows > width));

    private string? Negative() => Sizes.Select(key => $"{prefix}.{key}")
        .FirstOrDefault(key => metadata.Numbers(key)?.Any(number => number < 0) == true);

    private GgufTensor? Tensor(string name) => tensors.FirstOrDefault(tensor => tensor.Name == name);

    private bool Has(string key) => metadata.Number($"{prefix}.{key}") is not null || metadata.IsArray($"{prefix}.{key}");

    private bool Has(int layer, string tensor) =>
        names.Contains(string.Create(CultureInfo.InvariantCulture, $"blk.{layer}.{tensor}"));

    private long Number(string key) => metadata.Number($"{prefix}.{key}") ?? 0;

    /// <summary>Of one layer: the value is one for all, or one for each.</summary>
    private long At(string key, int layer, long otherwise = 0) => metadata.Numbers($"{prefix}.{key}") switch
    {
        { Count: > 0 } each when metadata.IsArray($"{prefix}.{key}") => layer < each.Count ? each[layer] : 0,
        [var all] => all,
        _ => otherwise,
    };

    private long Most(string key) => metadata.Numbers($"{prefix}.{key}") is { Count: > 0 } all ? all.Max() : 0;
}
