namespace TinyGguf;

/// <summary>A model of llama's architecture, or OLMo's, with random weights. The same values give the same bytes.</summary>
public sealed record TinyModel
{
    // With "tools" in the template llama-server can force a tool call by grammar, whatever the weights say.
    internal const string ChatTemplate =
        "{% if tools %}<|im_start|>system\n# Tools\n\nThe functions are within <tools></tools>:\n<tools>\n"
        + "{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}</tools>\n\n"
        + "For each call return a JSON object within <tool_call></tool_call>:\n<tool_call>\n"
        + "{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call><|im_end|>\n{% endif %}"
        + "{% for m in messages %}"
        + "{% if m.role == 'tool' %}<|im_start|>user\n<tool_response>\n{{ m.content }}\n</tool_response><|im_end|>\n"
        + "{% elif m.tool_calls %}<|im_start|>assistant\n{% if m.content %}{{ m.content }}\n{% endif %}"
        + "{% for call in m.tool_calls %}<tool_call>\n{\"name\": \"{{ call.function.name }}\", "
        + "\"arguments\": {{ call.function.arguments | tojson }}}\n</tool_call>\n{% endfor %}<|im_end|>\n"
        + "{% else %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endif %}"
        + "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

    private const string DecisionTemplate =
        "<|im_start|>user\n{{ state }}\n{{ instructions }}\n"
        + "{% for option in options %}{{ option.label }}: {{ option.key }} {{ option.description }}\n{% endfor %}"
        + "<|im_end|>\n<|im_start|>assistant\n";

    public int Layers { get; init; } = 2;
    public int Embedding { get; init; } = 64;
    public int FeedForward { get; init; } = 128;
    /// <summary>Embedding / Heads must be a multiple of 32 for a q8_0 KV cache.</summary>
    public int Heads { get; init; } = 2;
    public int KvHeads { get; init; } = 1;
    public int Vocabulary { get; init; } = 1024;
    /// <summary>The context length the model claims to be trained for.</summary>
    public int Context { get; init; } = 8192;
    public int Seed { get; init; } = 1;
    public TensorType Type { get; init; } = TensorType.F16;
    public string Name { get; init; } = "tiny";
    /// <summary>Ends its answer wherever it may and else calls a tool: one call under tool_choice "required".</summary>
    public bool CallsTools { get; init; }

    /// <summary>Has the tokens that /infill needs: before, after, middle, and those of a repository's files.</summary>
    public bool Infills { get; init; }

    /// <summary>Also answers /v1/systemone: by what it thinks of a letter for each choice, which is the same of all.</summary>
    public bool Decides { get; init; }

    /// <summary>Given: three of four layers attend to so many tokens only, as OLMo 3's do.</summary>
    public int? Window { get; init; }

    // The name under which llama.cpp knows OLMo 3 too.
    private string Architecture => Window is null ? "llama" : "olmo2";

    public void Write(string path)
    {
        Check();
        var random = new SplitMix((ulong)Seed);
        var vocabulary = new Vocabulary(Vocabulary, random, Infills);
        using var metadata = Metadata(vocabulary);
        var weights = new Weights(Type, random);
        GgufFile.Write(path, metadata, [.. Tensors()], (file, tensor) => WriteData(file, tensor, weights, vocabulary));
    }

    private void Check()
    {
        if (Layers < 1 || Heads < 1 || KvHeads < 1 || Context < 1)
            throw new ArgumentException("--layers, --heads, --kv-heads and --ctx must be positive");
        if (Embedding % Heads != 0 || Heads % KvHeads != 0 || Embedding / Heads % 2 != 0)
            throw new ArgumentException("--embd must be an even multiple of --heads, and --heads one of --kv-heads");
        if (CallsTools && Type != TensorType.F16)
            throw new ArgumentException("--calls-tools needs --type f16");
        if (Embedding % TensorTypes.BlockValues != 0 || FeedForward % TensorTypes.BlockValues != 0)
            throw new ArgumentException($"--embd and --ff must be multiples of {TensorTypes.BlockValues}");
    }

    private GgufMetadata Metadata(Vocabulary vocabulary)
    {
        var metadata = new GgufMetadata();
        metadata.Add("general.architecture", Architecture);
        metadata.Add("general.name", Name);
        metadata.Add("general.alignment", (uint)GgufFile.Alignment);
        metadata.Add("general.file_type", TensorTypes.FileType(Type));
        metadata.Add(Architecture + ".context_length", (uint)Context);
        metadata.Add(Architecture + ".embedding_length", (uint)Embedding);
        metadata.Add(Architecture + ".block_count", (uint)Layers);
        metadata.Add(Architecture + ".feed_forward_length", (uint)FeedForward);
        metadata.Add(Architecture + ".attention.head_count", (uint)Heads);
        metadata.Add(Architecture + ".attention.head_count_kv", (uint)KvHeads);
        metadata.Add(Architecture + ".attention.layer_norm_rms_epsilon", 1e-5f);
        metadata.Add(Architecture + ".rope.dimension_count", (uint)(Embedding / Heads));
        metadata.Add(Architecture + ".rope.freq_base", 10000f);
        metadata.Add(Architecture + ".vocab_size", (uint)vocabulary.Count);
        if (Window is { } window)
            metadata.Add(Architecture + ".attention.sliding_window", (uint)window);
        vocabulary.Describe(metadata);
        metadata.Add("tokenizer.ggml.eot_token_id", 4u);
        metadata.Add("tokenizer.ggml.add_bos_token", true);
        metadata.Add("tokenizer.ggml.add_space_prefix", false);
        metadata.Add("tokenizer.chat_template", ChatTemplate);
        if (Decides)
        {
            // One of the kinds that llama-server knows: the letters' logits at the end of the prompt.
            metadata.Add("llama.decision.type", "nimble");
            metadata.Add("tokenizer.chat_template.systemone", DecisionTemplate);
        }
        return metadata;
    }

    private IEnumerable<Tensor> Tensors()
    {
        var kv = Embedding / Heads * KvHeads;
        yield return new("token_embd.weight", Type, Embedding, Vocabulary);
        for (var layer = 0; layer < Layers; layer++)
        {
            var block = $"blk.{layer}.";
            foreach (var (name, values) in Norms(kv))
                yield return new($"{block}{name}.weight", TensorType.F32, values);
            yield return new(block + "attn_q.weight", Type, Embedding, Embedding);
            yield return new(block + "attn_k.weight", Type, Embedding, kv);
            yield return new(block + "attn_v.weight", Type, Embedding, kv);
            yield return new(block + "attn_output.weight", Type, Embedding, Embedding);
            yield return new(block + "ffn_gate.weight", Type, Embedding, FeedForward);
            yield return new(block + "ffn_up.weight", Type, Embedding, FeedForward);
            yield return new(block + "ffn_down.weight", Type, FeedForward, Embedding);
        }
        yield return new("output_norm.weight", TensorType.F32, Embedding);
        yield return new("output.weight", Type, Embedding, Vocabulary);
    }

    private (string Name, int Values)[] Norms(int kv) => Window is null
        ? [("attn_norm", Embedding), ("ffn_norm", Embedding)]
        : [("attn_q_norm", Embedding), ("attn_k_norm", kv), ("post_attention_norm", Embedding), ("post_ffw_norm", Embedding)];

    private void WriteData(Stream file, Tensor tensor, Weights weights, Vocabulary vocabulary)
    {
        if (tensor.Type == TensorType.F32)
        {
            Weights.WriteAll(file, tensor.Values, 1f);
        }
        else if (CallsTools && tensor.Name is "token_embd.weight" or "output.weight")
        {
            WritePreferences(file, tensor, weights, vocabulary);
        }
        else
        {
            // The model says words only: the rows of all other tokens are zero and never the largest, so that no answer
            // ends before max_tokens.
            var silent = tensor.Name == "output.weight" ? tensor.RowBytes * vocabulary.FirstWord : 0;
            Weights.WriteZeros(file, silent);
            weights.WriteRandom(file, tensor.Bytes - silent);
        }
    }

    /// <remarks>
    /// Every token's embedding is large in dimension 0 and small elsewhere, so the hidden state is too, and a token's
    /// output weight there is its logit for ever: a fixed order of preference, which llama-server's tool grammar then
    /// walks along.
    /// </remarks>
    private static void WritePreferences(Stream file, Tensor tensor, Weights weights, Vocabulary vocabulary)
    {
        var isOutput = tensor.Name == "output.weight";
        for (var token = 0; token < tensor.Rows; token++)
        {
            Weights.WriteHalf(file, isOutput ? vocabulary.Preference(token) : 4f);
            if (isOutput)
                Weights.WriteZeros(file, tensor.RowBytes - 2);
            else
                weights.WriteRandom(file, tensor.RowBytes - 2);
        }
    }
}
