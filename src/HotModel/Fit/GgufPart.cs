using System.Numerics;

namespace HotModel.Fit;

/// <summary>One file of a model: its header, read and checked.</summary>
/// <remarks>
/// As in docs/gguf.md of ggml and gguf.cpp of llama.cpp, whose limits it keeps. Version 1 is not read by llama.cpp either.
/// </remarks>
internal sealed record GgufPart(GgufMetadata Metadata, IReadOnlyList<GgufTensor> Tensors)
{
    // Real models have some dozens of keys and up to some thousands of tensors.
    private const int MostKeys = 1 << 12;
    private const int MostTensors = 1 << 16;
    private const int MostKeyBytes = 256; // the format allows more, the longest known has 60
    private const int MostNameBytes = 256; // llama.cpp refuses more than 63
    private const int MostDimensions = 4; // GGML_MAX_DIMS

    /// <summary>Architectures and the like; templates and licences are longer.</summary>
    private const int MostTextBytes = 1024;

    /// <summary>Values that differ from layer to layer; LLAMA_MAX_LAYERS is 512. Vocabularies are longer.</summary>
    private const int MostNumbers = 1024;

    private const uint DefaultAlignment = 32;

    // Which a file may have: a length of a key, a type and a byte; a length of a name, its dimensions, type and offset.
    private const int LeastKeyBytes = 13;
    private const int LeastTensorBytes = 24;

    private enum Kind : uint
    {
        UInt8, Int8, UInt16, Int16, UInt32, Int32, Float32, Bool, String, Array, UInt64, Int64, Float64,
    }

    public static GgufPart Read(Stream file, long fileBytes)
    {
        var input = new GgufInput(file, fileBytes);
        var version = ReadVersion(input);
        var tensors = input.Count(input.UInt64(), LeastTensorBytes, MostTensors, "tensors");
        var keys = input.Count(input.UInt64(), LeastKeyBytes, MostKeys, "metadata keys");
        var values = new Dictionary<string, GgufValue>(StringComparer.Ordinal);
        for (var i = 0; i < keys; i++)
        {
            var key = input.Text("metadata key", MostKeyBytes);
            if (!values.TryAdd(key, ReadValue(input, key)))
                throw new GgufFault($"has the metadata key {Shown(key)} twice");
        }
        var metadata = new GgufMetadata(values);
        return new GgufPart(metadata, ReadTensors(input, tensors, fileBytes, Alignment(metadata)));

        static uint ReadVersion(GgufInput input)
        {
            const uint magic = 0x46554747; // GGUF
            if (input.UInt32() != magic)
                throw new GgufFault("does not begin with GGUF") { IsNoModel = true };
            var version = input.UInt32();
            if (version != 0 && (version & 0xffff) == 0)
                throw new GgufFault("is for a big-endian machine");
            return version is 2 or 3 ? version : throw new GgufFault($"has version {version}, only 2 and 3 can be read");
        }
    }

    private static uint Alignment(GgufMetadata metadata)
    {
        const string key = "general.alignment";
        if (!metadata.Has(key))
            return DefaultAlignment;
        return metadata.Number(key) is > 0 and <= 1 << 30 and var number && BitOperations.IsPow2(number)
            ? (uint)number : throw new GgufFault($"has a {key} that is no power of two");
    }

    private static GgufValue ReadValue(GgufInput input, string key)
    {
        var kind = (Kind)input.UInt32();
        if (kind == Kind.Array)
            return ReadArray(input, key);
        if (kind == Kind.String)
            return new GgufValue(null, input.TextUpTo(MostTextBytes), false);
        if (Bytes(kind) is not { } bytes)
            throw new GgufFault($"has a value of the unknown type {(uint)kind} at {Shown(key)}");
        if (IsWhole(kind))
            return new GgufValue([input.Integer(bytes, IsSigned(kind))], null, false);
        input.Skip((ulong)bytes);
        return default;
    }

    private static GgufValue ReadArray(GgufInput input, string key)
    {
        var kind = (Kind)input.UInt32();
        var count = input.UInt64();
        if (kind == Kind.Array)
            throw new GgufFault($"has an array of arrays at {Shown(key)}, which llama.cpp does not read");
        if ((kind == Kind.String ? sizeof(ulong) : Bytes(kind)) is not { } bytes)
            throw new GgufFault($"has an array of the unknown type {(uint)kind} at {Shown(key)}");
        if (count > (ulong)(input.Left / bytes))
            throw new GgufFault($"has an array of {count} values at {Shown(key)}, for which it is too short");
        if (kind == Kind.String)
        {
            for (var i = 0UL; i < count; i++)
                input.Skip(input.UInt64());
        }
        else if (IsWhole(kind) && count <= MostNumbers)
        {
            var numbers = new long[count];
            for (var i = 0; i < numbers.Length; i++)
                numbers[i] = input.Integer(bytes, IsSigned(kind));
            return new GgufValue(numbers, null, true);
        }
        else
        {
            input.Skip(count * (ulong)bytes);
        }
        return new GgufValue(null, null, true);
    }

    private static List<GgufTensor> ReadTensors(GgufInput input, int count, long fileBytes, uint alignment)
    {
        // Not for the count that the header says: what it costs is read first.
        var tensors = new List<GgufTensor>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < count; i++)
        {
            var tensor = ReadTensor(input, alignment);
            if (!names.Add(tensor.Name))
                throw new GgufFault($"has the tensor {Shown(tensor.Name)} twice");
            tensors.Add(tensor);
        }
        var data = (input.Position + alignment - 1) / alignment * alignment;
        foreach (var tensor in tensors)
        {
            if (tensor.Bytes > fileBytes - data || tensor.Offset > fileBytes - data - tensor.Bytes)
            {
                throw new GgufFault(
                    $"is cut off: {Shown(tensor.Name)} is {tensor.Bytes} bytes from {data} + {tensor.Offset}, "
                    + $"the file ends at {fileBytes}");
            }
        }
        return tensors;
    }

    private static GgufTensor ReadTensor(GgufInput input, uint alignment)
    {
        var name = input.Text("tensor name", MostNameBytes);
        var count = input.UInt32();
        if (count > MostDimensions)
            throw new GgufFault($"has {count} dimensions at {Shown(name)}, the most is {MostDimensions}");
        var dimensions = new long[count];
        var values = 1L;
        for (var i = 0; i < dimensions.Length; i++)
        {
            var length = input.UInt64();
            // A value takes an eighth of a byte at the least; so far from the limit nothing below overflows.
            if (length > long.MaxValue / 512 || (length > 0 && values > long.MaxValue / 512 / (long)length))
                throw new GgufFault($"has too many values at {Shown(name)}");
            dimensions[i] = (long)length;
            values *= (long)length;
        }
        var number = input.UInt32();
        if (GgmlType.Find(number) is not { } type)
            throw new GgufFault($"has the unknown tensor type {number} at {Shown(name)}");
        if ((count == 0 ? 1 : dimensions[0]) % type.BlockValues != 0)
            throw new GgufFault($"has rows at {Shown(name)} that are no multiple of the blocks of {type.Name}");
        var offset = input.UInt64();
        if (offset > long.MaxValue || offset % alignment != 0)
            throw new GgufFault($"has the offset {offset} at {Shown(name)}, which is no multiple of {alignment}");
        return new GgufTensor(name, type, dimensions, (long)offset, type.Bytes(values));
    }

    private static int? Bytes(Kind kind) => kind switch
    {
        Kind.UInt8 or Kind.Int8 or Kind.Bool => 1,
        Kind.UInt16 or Kind.Int16 => 2,
        Kind.UInt32 or Kind.Int32 or Kind.Float32 => 4,
        Kind.UInt64 or Kind.Int64 or Kind.Float64 => 8,
        _ => null,
    };

    private static bool IsWhole(Kind kind) => kind is not (Kind.Float32 or Kind.Float64);

    private static bool IsSigned(Kind kind) => kind is Kind.Int8 or Kind.Int16 or Kind.Int32 or Kind.Int64;

    /// <summary>A name out of the file, fit for a message in one line.</summary>
    public static string Shown(string name) =>
        new([.. name.Take(80).Select(c => char.IsControl(c) ? '?' : c)]);
}
