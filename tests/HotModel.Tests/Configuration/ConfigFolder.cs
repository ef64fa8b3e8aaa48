using HotModel.Configuration;

namespace HotModel.Tests.Configuration;

/// <summary>A folder of files that goes away with the test.</summary>
internal sealed class ConfigFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("hotmodel-config-").FullName;

    public string File(string name) => System.IO.Path.Join(Path, name);

    public string Write(string name, string text)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(File(name))!);
        System.IO.File.WriteAllText(File(name), text);
        return File(name);
    }

    public ConfigResult Load(string toml, params (string Name, string Value)[] environment) => ConfigLoader.Load(
        Write("hotmodel.toml", toml), environment.ToDictionary(pair => pair.Name, pair => pair.Value));

    public HotModelConfig LoadGood(string toml, params (string Name, string Value)[] environment)
    {
        var result = Load(toml, environment);
        Assert.Equal([], result.Errors.Select(error => error.ToString()));
        return Assert.IsType<HotModelConfig>(result.Config);
    }

    /// <summary>The errors with the folder cut off.</summary>
    public string[] Errors(string toml, params (string Name, string Value)[] environment)
    {
        var result = Load(toml, environment);
        Assert.NotEmpty(result.Errors);
        Assert.Null(result.Config);
        return [.. result.Errors.Select(error => Short(error.ToString()))];
    }

    public string Short(string text) =>
        text.Replace(Path + System.IO.Path.DirectorySeparatorChar, "", StringComparison.Ordinal);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
