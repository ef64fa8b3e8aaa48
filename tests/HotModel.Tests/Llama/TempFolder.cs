namespace HotModel.Tests.Llama;

internal sealed class TempFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("hotmodel-llama-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
