namespace HotModel.Fit;

/// <summary>What a model's GGUF says about itself, all its parts together.</summary>
/// <param name="Metadata">Of the first part, which has all that llama.cpp reads.</param>
/// <param name="Tensors">Of all parts.</param>
internal sealed record GgufModel(GgufMetadata Metadata, IReadOnlyList<GgufTensor> Tensors);

/// <param name="Name">As llama.cpp knows it.</param>
/// <param name="Dimensions">The length of a row first.</param>
/// <param name="Offset">From the beginning of the data of its part.</param>
/// <param name="Bytes">Without the padding behind it.</param>
internal sealed record GgufTensor(
    string Name, GgmlType Type, IReadOnlyList<long> Dimensions, long Offset, long Bytes);

/// <summary>Metadata by key, as far as it was kept.</summary>
internal sealed class GgufMetadata(Dictionary<string, GgufValue> values)
{
    /// <summary>Metadata keys begin with it.</summary>
    public string Architecture => Text("general.architecture") ?? "";

    public bool Has(string key) => values.ContainsKey(key);

    public string? Text(string key) => values.TryGetValue(key, out var value) ? value.Text : null;

    /// <summary>A whole number, or a yes or no.</summary>
    public long? Number(string key) =>
        values.TryGetValue(key, out var value) && value.Numbers is [var one] && !value.IsArray ? one : null;

    /// <summary>One whole number for each layer, or one for all.</summary>
    public IReadOnlyList<long>? Numbers(string key) => values.TryGetValue(key, out var value) ? value.Numbers : null;

    public bool IsArray(string key) => values.TryGetValue(key, out var value) && value.IsArray;
}

/// <summary>A metadata value. Both are null where there is one that nobody needs: a fraction, or a long array.</summary>
internal readonly record struct GgufValue(IReadOnlyList<long>? Numbers, string? Text, bool IsArray);

/// <summary>A GGUF, or why there is none.</summary>
internal readonly record struct GgufResult(GgufModel? Model, string? Error)
{
    /// <summary>A file is missing or no GGUF: no llama-server loads it, whatever else it knows.</summary>
    public bool IsNoModel { get; init; }

    public static implicit operator GgufResult(GgufModel model) => new(model, null);

    public static GgufResult Failed(string error) => new(null, error);
}
