using TinyGguf;

namespace HotModel.FunctionalTests.Harness;

/// <summary>Models for the real llama-server, written once per version of the generator.</summary>
internal static class TinyModels
{
    private static readonly Lazy<string> Folder = new(Generate);

    /// <summary>"a", "b", "c": thousands of tokens a second. "slow": some hundreds. "caller": calls tools.</summary>
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
        return folder;
    }

    private static void Write(string folder, TinyModel model)
    {
        var path = Path.Combine(folder, model.Name + ".gguf");
        if (!System.IO.File.Exists(path))
            model.Write(path);
    }
}
