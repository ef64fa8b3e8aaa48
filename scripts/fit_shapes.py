"""Writes GGUF models of four architectures whose weights are all zero and a hole in the file: memory is all that is
measured with them. Of the standard library only; used by measure-fit-gpu.sh."""

import struct

ALIGNMENT = 32
F32, F16 = 0, 1
VALUE_BYTES = {F32: 4, F16: 2}


class Gguf:
    def __init__(self):
        self.keys, self.tensors = [], []

    def add(self, key, kind, payload):
        self.keys.append(text(key) + struct.pack("<I", kind) + payload)

    def number(self, key, value):
        self.add(key, 4, struct.pack("<I", value))

    def fraction(self, key, value):
        self.add(key, 6, struct.pack("<f", value))

    def words(self, key, value):
        self.add(key, 8, text(value))

    def array(self, key, kind, values):
        self.add(key, 9, struct.pack("<IQ", kind, len(values)) + b"".join(values))

    def tensor(self, name, shape, kind=F16):
        size = VALUE_BYTES[kind]
        for length in shape:
            size *= length
        self.tensors.append((name, shape, kind, size))

    def write(self, path):
        header = b"GGUF" + struct.pack("<IQQ", 3, len(self.tensors), len(self.keys)) + b"".join(self.keys)
        offset = 0
        for name, shape, kind, size in self.tensors:
            header += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
            header += struct.pack("<IQ", kind, offset)
            offset += padded(size)
        with open(path, "wb") as file:
            file.write(header)
            file.truncate(padded(len(header)) + offset)


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def padded(size):
    return (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def head(file, arch, layers, embedding, feed_forward, heads, kv_heads, vocabulary, context):
    file.words("general.architecture", arch)
    file.number(f"{arch}.context_length", context)
    file.number(f"{arch}.embedding_length", embedding)
    file.number(f"{arch}.block_count", layers)
    file.number(f"{arch}.feed_forward_length", feed_forward)
    file.number(f"{arch}.attention.head_count", heads)
    file.number(f"{arch}.attention.head_count_kv", kv_heads)
    file.fraction(f"{arch}.attention.layer_norm_rms_epsilon", 1e-5)
    file.fraction(f"{arch}.rope.freq_base", 10000)
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{value:02X}>" for value in range(256)]
    tokens += [f"w{token}" for token in range(len(tokens), vocabulary)]
    kinds = [2, 3, 3] + [6] * 256 + [1] * (vocabulary - 259)
    file.words("tokenizer.ggml.model", "llama")
    file.array("tokenizer.ggml.tokens", 8, [text(token) for token in tokens])
    file.array("tokenizer.ggml.scores", 6, [struct.pack("<f", -token) for token in range(vocabulary)])
    file.array("tokenizer.ggml.token_type", 5, [struct.pack("<i", kind) for kind in kinds])
    file.number("tokenizer.ggml.bos_token_id", 1)
    file.number("tokenizer.ggml.eos_token_id", 2)
    file.number("tokenizer.ggml.unknown_token_id", 0)
    file.tensor("token_embd.weight", [embedding, vocabulary])
    file.tensor("output_norm.weight", [embedding], F32)


def attention(file, layer, embedding, heads, kv_heads, width):
    file.tensor(f"blk.{layer}.attn_norm.weight", [embedding], F32)
    file.tensor(f"blk.{layer}.attn_q.weight", [embedding, heads * width])
    file.tensor(f"blk.{layer}.attn_k.weight", [embedding, kv_heads * width])
    file.tensor(f"blk.{layer}.attn_v.weight", [embedding, kv_heads * width])
    file.tensor(f"blk.{layer}.attn_output.weight", [heads * width, embedding])
    file.tensor(f"blk.{layer}.ffn_norm.weight", [embedding], F32)


def feed_forward(file, layer, embedding, width, suffix="", experts=()):
    file.tensor(f"blk.{layer}.ffn_gate{suffix}.weight", [embedding, width, *experts])
    file.tensor(f"blk.{layer}.ffn_up{suffix}.weight", [embedding, width, *experts])
    file.tensor(f"blk.{layer}.ffn_down{suffix}.weight", [width, embedding, *experts])


def dense(path, layers, kv_heads, embedding, width, context):
    file, heads = Gguf(), embedding // 128
    kv_heads = kv_heads or heads
    head(file, "llama", layers, embedding, width, heads, kv_heads, 32000, context)
    file.tensor("output.weight", [embedding, 32000])
    for layer in range(layers):
        attention(file, layer, embedding, heads, kv_heads, embedding // heads)
        feed_forward(file, layer, embedding, width)
    file.write(path)


def experts(path, layers, context):
    file, embedding, width, count = Gguf(), 2048, 5632, 8
    head(file, "llama", layers, embedding, width, 32, 8, 32000, context)
    file.number("llama.expert_count", count)
    file.number("llama.expert_used_count", 2)
    file.tensor("output.weight", [embedding, 32000])
    for layer in range(layers):
        attention(file, layer, embedding, 32, 8, embedding // 32)
        file.tensor(f"blk.{layer}.ffn_gate_inp.weight", [embedding, count], F32)
        feed_forward(file, layer, embedding, width, "_exps", (count,))
    file.write(path)


def window(path, layers, context):
    """As Gemma 3: five of six layers see the last 1024 tokens, one matrix for input and output."""
    layers = max(layers, 6)
    file, embedding, heads, kv_heads, width = Gguf(), 2560, 8, 4, 256
    head(file, "gemma3", layers, embedding, 10240, heads, kv_heads, 64000, context)
    file.number("gemma3.attention.sliding_window", 1024)
    file.number("gemma3.attention.key_length", width)
    file.number("gemma3.attention.value_length", width)
    for layer in range(layers):
        attention(file, layer, embedding, heads, kv_heads, width)
        feed_forward(file, layer, embedding, 10240)
        for norm, size in (("attn_q_norm", width), ("attn_k_norm", width),
                           ("post_attention_norm", embedding), ("post_ffw_norm", embedding)):
            file.tensor(f"blk.{layer}.{norm}.weight", [size], F32)
    file.write(path)


# By name: the function that writes it, and how many layers make it a model of some gigabytes.
SHAPES = {
    "dense, grouped heads": (lambda path, layers, context: dense(path, layers, 8, 4096, 14336, context), 12),
    "dense": (lambda path, layers, context: dense(path, layers, None, 2560, 6912, context), 16),
    "mixture of experts": (experts, 8),
    "sliding window": (window, 18),
}
