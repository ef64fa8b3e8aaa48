namespace HotModel.Fit;

/// <summary>What one layer keeps.</summary>
/// <param name="Keys">Values of a token's key in the cache; 0 for a layer without attention, or with that of another.</param>
/// <param name="Values">Values of a token's value there.</param>
/// <param name="Slides">It keeps the last tokens only.</param>
/// <param name="State">Values that it keeps of each slot, however long the context is.</param>
internal readonly record struct LayerShape(long Keys, long Values, bool Slides, long State);

/// <summary>A model as far as its memory hangs on it.</summary>
internal sealed record ModelShape
{
    public required IReadOnlyList<LayerShape> Layers { get; init; }
    public required IReadOnlyList<GgufTensor> Tensors { get; init; }
    public required long TrainedContext { get; init; }
    public required long Embedding { get; init; }
    public required long Vocabulary { get; init; }
    public required long WindowTokens { get; init; }

    /// <summary>Heads of the query, at most.</summary>
    public required long Heads { get; init; }

    /// <summary>Values of one head's key, the same in all layers that keep any; null: they differ, or there are none.</summary>
    public long? HeadKeys { get; init; }

    /// <summary>The same of its value.</summary>
    public long? HeadValues { get; init; }

    /// <summary>Values of a token's query, at most.</summary>
    public required long QueryWidth { get; init; }

    /// <summary>Values that a token has at once in a feed-forward network, mixer or recurrent layer, beside the stream
    /// of embeddings itself, at most.</summary>
    public required long InnerWidth { get; init; }

    /// <summary>It sees a text as a whole, such as those that embed and rank, and so has no cache and no output.</summary>
    public required bool IsEncoder { get; init; }

    /// <summary>It has the matrix of the embeddings for its output too, and so a second time on the output's device.</summary>
    public required bool SharesEmbedding { get; init; }

    /// <returns>The shape, or what the file lacks.</returns>
    public static (ModelShape? Shape, string? Error) Of(GgufModel model)
    {
        var reader = new ShapeReader(model);
        try
        {
            return reader.Fault is { } fault ? (null, fault) : (reader.Read(), null);
        }
        catch (OverflowException)
        {
            return (null, "its metadata has numbers beyond reason");
        }
    }
}
