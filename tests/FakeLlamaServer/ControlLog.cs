using System.Globalization;

namespace FakeLlamaServer;

/// <summary>"MILLISECONDS WORD MODEL" for each step of a model's life, so that a test can tell order and overlap.</summary>
internal sealed class ControlLog(string? path)
{
    private readonly Lock gate = new();

    public void Write(string word, string model)
    {
        if (path is null)
            return;
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        lock (gate)
            File.AppendAllText(path, string.Create(CultureInfo.InvariantCulture, $"{now} {word} {model}\n"));
    }
}
