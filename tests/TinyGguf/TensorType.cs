namespace TinyGguf;

/// <summary>Values are ggml's own type numbers.</summary>
public enum TensorType { F32 = 0, F16 = 1, Q8 = 8 }

internal static class TensorTypes
{
    /// <summary>Values that share one scale in Q8_0, and the bytes they take with it.</summary>
    public const int BlockValues = 32;
    public const int BlockBytes = 34;

    public static TensorType Parse(string name) => name switch
    {
        "f16" => TensorType.F16,
        "q8_0" => TensorType.Q8,
        _ => throw new ArgumentException($"--type is f16 or q8_0, not {name}"),
    };

    public static long Bytes(TensorType type, long values) => type switch
    {
        TensorType.F32 => values * 4,
        TensorType.F16 => values * 2,
        TensorType.Q8 => values / BlockValues * BlockBytes,
    };

    /// <summary>The value of general.file_type that says "mostly this".</summary>
    public static uint FileType(TensorType type) => type switch
    {
        TensorType.F32 => 0,
        TensorType.F16 => 1,
        TensorType.Q8 => 7,
    };
}
