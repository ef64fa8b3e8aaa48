namespace HotModel.Fit;

/// <summary>What llama.cpp computes with, beside weights and cache: an approximation.</summary>
/// <remarks>
/// llama.cpp lays out the largest graph that it will run, a micro-batch of tokens over the whole context, and a buffer
/// in which one result takes the place of another that is not needed any more. How well they fit into each other hangs
/// on the order of the graph's nodes, which differs between architectures. What was measured on llama-server 0.7.0, in
/// 32-bit values for each token of a micro-batch, with E the embedding, Q the query, F the feed-forward network and K,
/// V one token in a layer's cache:
///   the feed-forward network: 5 E + 3 F, or 5 E + F without a gate, beside the mask of the attention. Of experts F is
///   that of all that one token uses, and where 2 F of one is less than E, each used one takes E more: its result finds
///   no room in what is free;
///   a layer with a recurrent state: 5 E + 5 I, with I its inner size;
///   attention: 4 E + 2 Q + K + V, beside the mask and, without flash attention, the scores of all heads: one value for
///   each head and cell of the cache;
///   the mask: 16 bits for each cell, without flash attention 32. Layers with a sliding window have a second one;
///   what the graph is given, such as positions: 36 bytes.
/// Logits are not in it: llama-server computes those of the last token of each slot only.
/// </remarks>
internal static class ComputeBuffer
{
    private const int ValueBytes = 4;
    private const int InputBytes = 36;

    /// <param name="tokens">Of a micro-batch.</param>
    /// <param name="flash">Attention in one step, without a matrix of scores.</param>
    public static long Bytes(ModelShape shape, CacheCells cells, long tokens, bool flash)
    {
        checked
        {
            var keysAndValues = shape.Layers.Max(layer => layer.Keys + layer.Values);
            var attention = (4 * shape.Embedding + 2 * shape.QueryWidth + keysAndValues) * ValueBytes;
            if (!flash)
                attention += shape.Heads * Seen(shape, cells, tokens).Max() * ValueBytes;
            var inner = (5 * shape.Embedding + shape.InnerWidth) * ValueBytes;
            return tokens * (Math.Max(attention, inner) + MaskBytes(shape, cells, tokens, flash) + InputBytes);
        }
    }

    /// <summary>Where all layers are on GPUs, the CPU has the graph's inputs only: masks and embeddings.</summary>
    public static long HostBytes(ModelShape shape, CacheCells cells, long tokens, bool flash) =>
        checked(tokens * (shape.Embedding * ValueBytes + MaskBytes(shape, cells, tokens, flash) + InputBytes));

    private static long MaskBytes(ModelShape shape, CacheCells cells, long tokens, bool flash) =>
        checked(Seen(shape, cells, tokens).Sum() * (flash ? 2 : 4));

    /// <summary>How much a token may see, in each kind of layer that the model has.</summary>
    private static long[] Seen(ModelShape shape, CacheCells cells, long tokens) =>
    [
        shape.IsEncoder ? tokens : 0,
        shape.Layers.Any(layer => layer is { Keys: > 0, Slides: false }) ? cells.Full : 0,
        shape.Layers.Any(layer => layer is { Keys: > 0, Slides: true }) ? cells.Sliding : 0,
    ];
}
