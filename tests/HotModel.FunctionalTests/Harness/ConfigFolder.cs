namespace HotModel.FunctionalTests.Harness;

/// <summary>A folder with one configuration file, for commands that need no server.</summary>
internal sealed class ConfigFolder : IDisposable
{
    public ConfigFolder(string toml) => File.WriteAllText(ConfigPath, toml);

    public string Path { get; } = Directory.CreateTempSubdirectory("hotmodel-test-").FullName;
    public string ConfigPath => System.IO.Path.Combine(Path, "hotmodel.toml");

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
