using TinyGguf;

namespace HotModel.FunctionalTests.Harness;

/// <summary>Models for the real llama-server, written once per version of the generator.</summary>
internal static class TinyModels
{
    private static readonly Lazy<string> Folder = new(Generate);

    /// <summary>
    /// "a", "b", "c": thousands of tokens a second. "slow": some hundreds. "caller": calls tools. "coder", "slow-coder": infill.
    /// "decider": System One. "window": attends to the last 128 tokens in three of four layers.
    /// "recurrent", "hybrid": all or half of their layers have a state instead of a cache.
    /// "narrow": with heads too small for a q8_0 cache.
    /// "embedder", "ranker": for --embeddings and --reranking. "hearing", "adapter": for --mmproj and --lora.
    /// </summary>
    public static string File(string name) => Path.Combine(Folder.Value, name + ".gguf");

    private static string Generate()
    {
        var version = typeof(TinyModel).Module.ModuleVersionId;
        var folder = Path.Combine(Path.GetTempPath(), $"hotmodel-tiny-models-{version:N}");
        Directory.CreateDirectory(folder);
        var slow = new TinyModel
        {
            Name = "slow",
            Seed = 4,
            Layers = 8,
            Embedding = 512,
            FeedForward = 1536,
            Heads = 8,
            KvHeads = 2,
        };
        Write(folder, new TinyModel { Name = "a", Seed = 1 });
        Write(folder, new TinyModel { Name = "b", Seed = 2 });
        Write(folder, new TinyModel { Name = "c", Seed = 3, Layers = 3 });
        Write(folder, slow);
        Write(folder, new TinyModel { Name = "caller", Seed = 5, CallsTools = true });
        Write(folder, new TinyModel { Name = "coder", Seed = 6, Infills = true });
        Write(folder, slow with { Name = "slow-coder", Infills = true });
        Write(folder, new TinyModel { Name = "decider", Seed = 11, Decides = true });
        Write(folder, new TinyModel { Name = "window", Seed = 12, Layers = 4, Window = 128 });
        Write(folder, "recurrent", new TinyRecurrent { Name = "recurrent", Seed = 13 }.Write);
        Write(folder, "hybrid", new TinyRecurrent { Name = "hybrid", Seed = 14, IsHybrid = true }.Write);
        Write(folder, new TinyModel { Name = "narrow", Seed = 15, Heads = 4 });
        Write(folder, "embedder", new TinyEncoder { Name = "embedder", Seed = 7 }.Write);
        Write(folder, "ranker", new TinyEncoder { Name = "ranker", Seed = 8, Ranks = true }.Write);
        Write(folder, "hearing", new TinyHearing { Seed = 9 }.Write);
        Write(folder, "adapter", new TinyAdapter { Seed = 10 }.Write);
        return folder;
    }

    private static void Write(string folder, TinyModel model) => Write(folder, model.Name, model.Write);

    private static void Write(string folder, string name, Action<string> write)
    {
        var path = Path.Combine(folder, name + ".gguf");
        if (!System.IO.File.Exists(path))
            write(path);
    }
}
