namespace HotModel.FunctionalTests.Harness;

/// <summary>Where the programs under test are.</summary>
internal static class Programs
{
    private static readonly Lazy<string> Root = new(FindRoot);

    public static string RepositoryRoot => Root.Value;

    /// <summary>The native executable that scripts/build.sh leaves.</summary>
    public static string HotModel => Existing(
        Environment.GetEnvironmentVariable("HOTMODEL_EXECUTABLE") ?? Path.Combine(RepositoryRoot, "dist", "hotmodel"),
        "run scripts/build.sh first");

    /// <summary>In the order in which scripts/llama-server.sh looks.</summary>
    public static string LlamaServer =>
        Environment.GetEnvironmentVariable("HOTMODEL_LLAMA_SERVER")
        ?? OnPath("llama-server")
        ?? Existing(
            Path.Combine(RepositoryRoot, ".tools", "llama", "bin", "llama-server"),
            "set HOTMODEL_LLAMA_SERVER or run scripts/fetch-llama-server.sh");

    public static string FakeLlamaServer =>
        Existing(Path.Combine(AppContext.BaseDirectory, "fake-llama-server"), "build the solution");

    private static string Existing(string path, string remedy) =>
        File.Exists(path) ? path : throw new FileNotFoundException($"{path} is not there: {remedy}");

    private static string? OnPath(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "HotModel.sln")))
            folder = folder.Parent;
        return folder?.FullName ?? throw new DirectoryNotFoundException("HotModel.sln is in no folder above");
    }
}
