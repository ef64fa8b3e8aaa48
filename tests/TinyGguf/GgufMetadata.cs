using System.Text;

namespace TinyGguf;

/// <summary>The key-value part of a GGUF header, in the order of the calls.</summary>
internal sealed class GgufMetadata : IDisposable
{
    private enum Kind : uint { UInt32 = 4, Int32 = 5, Float32 = 6, Bool = 7, String = 8, Array = 9 }

    private readonly MemoryStream bytes = new();
    private readonly BinaryWriter writer;

    public ulong Count { get; private set; }

    public GgufMetadata() => writer = new BinaryWriter(bytes);

    public void Add(string key, uint value)
    {
        Key(key, Kind.UInt32);
        writer.Write(value);
    }

    public void Add(string key, float value)
    {
        Key(key, Kind.Float32);
        writer.Write(value);
    }

    public void Add(string key, bool value)
    {
        Key(key, Kind.Bool);
        writer.Write(value);
    }

    public void Add(string key, string value)
    {
        Key(key, Kind.String);
        WriteText(writer, value);
    }

    public void Add(string key, IReadOnlyList<string> values)
    {
        ArrayKey(key, Kind.String, values.Count);
        foreach (var value in values)
            WriteText(writer, value);
    }

    public void Add(string key, IReadOnlyList<float> values)
    {
        ArrayKey(key, Kind.Float32, values.Count);
        foreach (var value in values)
            writer.Write(value);
    }

    public void Add(string key, IReadOnlyList<int> values)
    {
        ArrayKey(key, Kind.Int32, values.Count);
        foreach (var value in values)
            writer.Write(value);
    }

    public void CopyTo(Stream target)
    {
        writer.Flush();
        bytes.WriteTo(target);
    }

    public static void WriteText(BinaryWriter target, string value)
    {
        var text = Encoding.UTF8.GetBytes(value);
        target.Write((ulong)text.Length);
        target.Write(text);
    }

    public void Dispose() => writer.Dispose();

    private void Key(string key, Kind kind)
    {
        Count++;
        WriteText(writer, key);
        writer.Write((uint)kind);
    }

    private void ArrayKey(string key, Kind element, int count)
    {
        Key(key, Kind.Array);
        writer.Write((uint)element);
        writer.Write((ulong)count);
    }
}
