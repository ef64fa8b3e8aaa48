using HotModel.Fit;
using HotModel.Tests.Llama;
using TinyGguf;

namespace HotModel.Tests.Fit;

public sealed class GgufReaderTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(TensorType.F16)]
    [InlineData(TensorType.Q8)]
    public void A_tiny_model_is_read(TensorType type)
    {
        var path = File("tiny.gguf");
        new TinyModel { Layers = 3, Type = type, Vocabulary = 2048 }.Write(path);

        var model = Read(path);

        Assert.Equal("llama", model.Metadata.Architecture);
        Assert.Equal(3, model.Metadata.Number("llama.block_count"));
        Assert.Equal("tiny", model.Metadata.Text("general.name"));
        Assert.True(model.Metadata.Has("tokenizer.ggml.tokens"));
        Assert.Null(model.Metadata.Numbers("tokenizer.ggml.tokens"));
        Assert.Equal(3 * 9 + 3, model.Tensors.Count);
        var output = model.Tensors.Single(tensor => tensor.Name == "output.weight");
        Assert.Equal([64, 2048], output.Dimensions);
        Assert.Equal(type == TensorType.F16 ? 64 * 2048 * 2 : 64 * 2048 / 32 * 34, output.Bytes);
        var whole = new FileInfo(path).Length;
        var last = model.Tensors.MaxBy(tensor => tensor.Offset)!;
        Assert.InRange(last.Offset + last.Bytes, whole / 2, whole);
    }

    [Fact]
    public void An_encoder_an_adapter_and_a_projector_are_read()
    {
        new TinyEncoder().Write(File("encoder.gguf"));
        new TinyAdapter().Write(File("adapter.gguf"));
        new TinyHearing().Write(File("hearing.gguf"));

        Assert.All(Directory.GetFiles(folder.Path), path => Assert.NotEmpty(Read(path).Tensors));
    }

    [Theory]
    [InlineData(2u)]
    [InlineData(3u)]
    public void Values_of_every_type_are_read_and_what_nobody_needs_is_skipped(uint version)
    {
        var path = new GgufBytes { Version = version }
            .Add("u8", 0, w => w.Write((byte)200)).Add("i8", 1, w => w.Write((sbyte)-2)).With("u16", (ushort)65535)
            .Add("i16", 3, w => w.Write((short)-3)).With("u32", uint.MaxValue).With("i32", -4).With("f32", 1.5f)
            .With("yes", true).With("text", "word").With("u64", 1UL << 40).Add("i64", 11, w => w.Write(-5L))
            .Add("f64", 12, w => w.Write(2.5)).WithInts("ints", 1, -2, 3).WithBools("bools", true, false)
            .WithTexts("texts", "a", new string('b', 100_000)).With("long text", new string('c', 100_000))
            .WithInts("many", Enumerable.Range(0, 100_000).ToArray()).WithFloats("floats", 1f, 2f).With("end", 7u)
            .Matrix("t", 4, 4).Write(File("all.gguf"));

        var metadata = Read(path).Metadata;

        Assert.Equal(
            [200, -2, 65535, -3, uint.MaxValue, -4, 1, 1L << 40, -5, 7],
            new[] { "u8", "i8", "u16", "i16", "u32", "i32", "yes", "u64", "i64", "end" }
                .Select(key => metadata.Number(key)!.Value));
        Assert.Equal("word", metadata.Text("text"));
        Assert.Equal([1, -2, 3], metadata.Numbers("ints"));
        Assert.Equal([1, 0], metadata.Numbers("bools"));
        Assert.All(["f32", "f64", "floats", "many", "texts"], key => Assert.Null(metadata.Numbers(key)));
        Assert.All(["f32", "f64", "floats", "many", "texts", "long text"], key => Assert.True(metadata.Has(key)));
        Assert.Null(metadata.Text("long text"));
        Assert.False(metadata.Has("absent"));
    }

    [Fact]
    public void All_parts_of_a_model_are_read_together()
    {
        Part(0, 3).With("general.architecture", "llama").Matrix("a", 32).Write(File("m-00001-of-00003.gguf"));
        Part(1, 3).Matrix("b", 32).Write(File("m-00002-of-00003.gguf"));
        Part(2, 3).Matrix("c", 32).Matrix("d", 32).Write(File("m-00003-of-00003.gguf"));

        var model = Read(File("m-00001-of-00003.gguf"));

        Assert.Equal("llama", model.Metadata.Architecture);
        Assert.Equal(["a", "b", "c", "d"], model.Tensors.Select(tensor => tensor.Name));
    }

    [Fact]
    public void Parts_that_do_not_belong_together_are_refused()
    {
        var first = File("m-00001-of-00002.gguf");
        var second = File("m-00002-of-00002.gguf");
        Part(0, 2).Matrix("a", 32).Write(first);
        Assert.Equal($"{second} does not exist", Error(first));
        Assert.True(GgufReader.Read(first).IsNoModel);
        // As --merge leaves it: llama.cpp goes by the number and asks for no second one.
        new GgufBytes().With("split.count", (ushort)0).Matrix("a", 32).Write(first);
        Assert.Equal(($"{second} does not exist", false), (Error(first), GgufReader.Read(first).IsNoModel));
        Part(0, 2).Matrix("a", 32).Write(first);
        Part(1, 2).Matrix("a", 32).Write(second);
        Assert.Equal($"{second} has the tensor a, as a file before it has", Error(first));
        Part(0, 2).Matrix("b", 32).Write(second);
        Assert.Equal($"{second} is file 1 of its model, its name says 2", Error(first));
        Part(1, 3).Matrix("b", 32).Write(second);
        Assert.Equal($"{second} is one of 3 files, its name says one of 2", Error(first));
        new GgufBytes().Matrix("b", 32).Write(second);
        Assert.Equal($"{second} is no part of a model in several files", Error(first));
        Part(0, 2).Matrix("a", 32).Write(File("renamed.gguf"));
        Assert.Equal($"{File("renamed.gguf")} is one of 2 files, its name says one of 1", Error(File("renamed.gguf")));
    }

    [Fact]
    public void What_is_wrong_with_a_file_is_said()
    {
        Assert.Equal("does not exist", Fault(null));
        Assert.Equal("is too short for a GGUF", Fault("GGUF"u8.ToArray()));
        Assert.Equal("does not begin with GGUF", Fault(new byte[64]));
        Assert.Equal("has version 1, only 2 and 3 can be read", Fault(new GgufBytes { Version = 1 }.Header()));
        Assert.Equal("has version 4, only 2 and 3 can be read", Fault(new GgufBytes { Version = 4 }.Header()));
        Assert.Equal("is for a big-endian machine", Fault(new GgufBytes { Version = 3 << 24 }.Header()));
        Assert.Equal("has the metadata key a twice", Fault(new GgufBytes().With("a", 1u).With("a", 2u).Header()));
        Assert.Equal("has a value of the unknown type 13 at a", Fault(new GgufBytes().Add("a", 13, _ => { }).Header()));
        Assert.Equal("has a general.alignment that is no power of two",
            Fault(new GgufBytes().With("general.alignment", 24u).Header()));
        Assert.Equal("has an array of arrays at a, which llama.cpp does not read",
            Fault(new GgufBytes().WithArray("a", 9, 1, w => w.Write(0L)).Header()));
        Assert.Equal("has an array of 1000 values at a, for which it is too short",
            Fault(new GgufBytes().WithArray("a", 4, 1000, _ => { }).Header()));
        Assert.Equal("has the unknown tensor type 4 at t", Fault(new GgufBytes().Tensor("t", 4, 0, 32).Header()));
        Assert.Equal("has rows at t that are no multiple of the blocks of q8_0",
            Fault(new GgufBytes().Tensor("t", 8, 34, 33).Header()));
        Assert.Equal("has too many values at t", Fault(new GgufBytes().Tensor("t", 0, 0, 1L << 40, 1L << 40).Header()));
        Assert.Equal("has 5 dimensions at t, the most is 4", Fault(new GgufBytes().Tensor("t", 0, 0, 1, 1, 1, 1, 1).Header()));
        Assert.Equal("has the tensor t twice", Fault(new GgufBytes().Tensor("t", 0, 0, 0).Tensor("t", 0, 0, 0).Header()));
        Assert.Equal("is cut off: t is 128 bytes from 64 + 0, the file ends at 64",
            Fault(new GgufBytes().Vector("t", 32).Header()));
    }

    [Fact]
    public void Only_a_file_that_is_missing_or_no_gguf_is_certain_to_be_no_model()
    {
        var path = File("bad.gguf");
        Assert.True(GgufReader.Read(path).IsNoModel);
        foreach (var (bytes, isNoModel) in new[]
            {
                ("GGUF"u8.ToArray(), true), (new byte[64], true), (new GgufBytes { Version = 4 }.Header(), false),
                (new GgufBytes().Vector("t", 32).Header(), false),
            })
        {
            System.IO.File.WriteAllBytes(path, bytes);
            Assert.Equal(isNoModel, GgufReader.Read(path).IsNoModel);
        }
    }

    [Fact]
    public void A_count_that_the_file_has_no_bytes_for_is_refused_at_once()
    {
        foreach (var at in new[] { 8, 16 })
        {
            var bytes = new GgufBytes().Matrix("t", 32).Header();
            BitConverter.TryWriteBytes(bytes.AsSpan(at), ulong.MaxValue / 2);
            Assert.EndsWith("for which it is too short", Fault(bytes), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_header_without_an_end_is_given_up()
    {
        var path = File("endless.gguf");
        var header = new GgufBytes().WithArray("texts", 8, 100_000_000, _ => { }).Header();
        using (var file = System.IO.File.Create(path))
        {
            file.Write(header);
            file.SetLength(1L << 30); // empty strings, as a hole in the file
        }

        Assert.Equal($"{path} has a header of more than 256 MiB", Error(path));
    }

    [Fact]
    public void A_folder_is_no_model() => Assert.EndsWith(" does not exist", Error(folder.Path), StringComparison.Ordinal);

    private static GgufBytes Part(int index, int count) =>
        new GgufBytes().With("split.no", (ushort)index).With("split.count", (ushort)count);

    private string Fault(byte[]? bytes)
    {
        var path = File("bad.gguf");
        if (bytes is not null)
            System.IO.File.WriteAllBytes(path, bytes);
        var error = Error(path);
        Assert.StartsWith(path + " ", error, StringComparison.Ordinal);
        return error[(path.Length + 1)..];
    }

    private static GgufModel Read(string path)
    {
        var result = GgufReader.Read(path);
        Assert.Null(result.Error);
        return result.Model!;
    }

    private static string Error(string path)
    {
        var result = GgufReader.Read(path);
        Assert.Null(result.Model);
        return result.Error!;
    }

    private string File(string name) => System.IO.Path.Combine(folder.Path, name);
}
