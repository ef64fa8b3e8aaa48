using System.Text;

namespace HotModel.Tests.Fit;

/// <summary>Writes a GGUF of any shape, valid or not: a header, and zeros where the weights would be.</summary>
internal sealed class GgufBytes
{
    public const int Alignment = 32;

    private readonly List<Action<BinaryWriter>> keys = [];
    private readonly List<(string Name, uint Type, long[] Shape, long Bytes)> tensors = [];

    public uint Version { get; init; } = 3;

    public GgufBytes With(string key, string value) => Add(key, 8, writer => Text(writer, value));

    public GgufBytes With(string key, uint value) => Add(key, 4, writer => writer.Write(value));

    public GgufBytes With(string key, int value) => Add(key, 5, writer => writer.Write(value));

    public GgufBytes With(string key, float value) => Add(key, 6, writer => writer.Write(value));

    public GgufBytes With(string key, bool value) => Add(key, 7, writer => writer.Write(value));

    public GgufBytes With(string key, ushort value) => Add(key, 2, writer => writer.Write(value));

    public GgufBytes With(string key, ulong value) => Add(key, 10, writer => writer.Write(value));

    public GgufBytes WithArray(string key, uint kind, int count, Action<BinaryWriter> values) => Add(key, 9, writer =>
    {
        writer.Write(kind);
        writer.Write((ulong)count);
        values(writer);
    });

    public GgufBytes WithTexts(string key, params IReadOnlyCollection<string> values) => WithArray(key, 8, values.Count, writer =>
    {
        foreach (var value in values)
            Text(writer, value);
    });

    public GgufBytes WithInts(string key, params IReadOnlyCollection<int> values) => WithArray(key, 5, values.Count, writer =>
    {
        foreach (var value in values)
            writer.Write(value);
    });

    public GgufBytes WithFloats(string key, params IReadOnlyCollection<float> values) => WithArray(key, 6, values.Count, writer =>
    {
        foreach (var value in values)
            writer.Write(value);
    });

    public GgufBytes WithBools(string key, params IReadOnlyCollection<bool> values) => WithArray(key, 7, values.Count, writer =>
    {
        foreach (var value in values)
            writer.Write(value);
    });

    public GgufBytes Add(string key, uint kind, Action<BinaryWriter> value)
    {
        keys.Add(writer =>
        {
            Text(writer, key);
            writer.Write(kind);
            value(writer);
        });
        return this;
    }

    /// <summary>Of 16-bit floats.</summary>
    public GgufBytes Matrix(string name, params long[] shape) => Tensor(name, 1, shape.Aggregate(2L, (a, b) => a * b), shape);

    /// <summary>Of 32-bit floats.</summary>
    public GgufBytes Vector(string name, params long[] shape) => Tensor(name, 0, shape.Aggregate(4L, (a, b) => a * b), shape);

    public GgufBytes Tensor(string name, uint type, long bytes, params long[] shape)
    {
        tensors.Add((name, type, shape, bytes));
        return this;
    }

    public byte[] Header()
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write("GGUF"u8);
        writer.Write(Version);
        writer.Write((ulong)tensors.Count);
        writer.Write((ulong)keys.Count);
        foreach (var key in keys)
            key(writer);
        var offset = 0L;
        foreach (var (name, type, shape, bytes) in tensors)
        {
            Text(writer, name);
            writer.Write((uint)shape.Length);
            foreach (var length in shape)
                writer.Write(length);
            writer.Write(type);
            writer.Write(offset);
            offset += Padded(bytes);
        }
        writer.Write(new byte[Padded(stream.Length) - stream.Length]);
        return stream.ToArray();
    }

    /// <summary>The zeros are a hole in the file.</summary>
    public string Write(string path)
    {
        using var file = File.Create(path);
        file.Write(Header());
        file.SetLength(file.Length + tensors.Sum(tensor => Padded(tensor.Bytes)));
        return path;
    }

    public static void Text(BinaryWriter writer, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }

    private static long Padded(long bytes) => (bytes + Alignment - 1) / Alignment * Alignment;
}
