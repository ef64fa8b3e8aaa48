namespace TinyGguf;

/// <param name="Name">As llama.cpp knows it.</param>
/// <param name="Type">Of all its values.</param>
/// <param name="Shape">The length of a row first.</param>
internal readonly record struct Tensor(string Name, TensorType Type, params int[] Shape)
{
    public long Values => Shape.Aggregate(1L, (product, length) => product * length);
    public long Bytes => TensorTypes.Bytes(Type, Values);
    public long RowBytes => TensorTypes.Bytes(Type, Shape[0]);
    public int Rows => (int)(Values / Shape[0]);
}

/// <summary>A GGUF file of version 3.</summary>
internal static class GgufFile
{
    public const int Alignment = 32;

    /// <summary>Writes the file under a temporary name first: one with the final name is always whole.</summary>
    public static void Write(string path, GgufMetadata metadata, Tensor[] tensors, Action<Stream, Tensor> writeData)
    {
        var partial = path + ".partial";
        using (var file = new FileStream(partial, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 20))
        {
            WriteHead(file, metadata, tensors);
            foreach (var tensor in tensors)
            {
                writeData(file, tensor);
                Pad(file);
            }
        }
        File.Move(partial, path, overwrite: true);
    }

    private static void WriteHead(Stream file, GgufMetadata metadata, Tensor[] tensors)
    {
        using (var writer = new BinaryWriter(file, System.Text.Encoding.UTF8, leaveOpen: true))
        {
            writer.Write("GGUF"u8);
            writer.Write(3u);
            writer.Write((ulong)tensors.Length);
            writer.Write(metadata.Count);
            metadata.CopyTo(file);
            ulong offset = 0;
            foreach (var tensor in tensors)
            {
                GgufMetadata.WriteText(writer, tensor.Name);
                writer.Write((uint)tensor.Shape.Length);
                foreach (var length in tensor.Shape)
                    writer.Write((ulong)length);
                writer.Write((uint)tensor.Type);
                writer.Write(offset);
                offset += ((ulong)tensor.Bytes + Alignment - 1) / Alignment * Alignment;
            }
        }
        Pad(file);
    }

    private static void Pad(Stream file) => Weights.WriteZeros(file, -file.Position & (Alignment - 1));
}
