using System.Globalization;
using System.Text;

namespace HotModel.Llama;

/// <summary>Keeps one bad section of the preset file from taking all models down.</summary>
/// <remarks>
/// llama-server 0.7.0 refuses to start as a router when any section has a key that it does not know. The section is
/// left
/// out of a copy in the state directory, and loading that model fails with the reason.
/// </remarks>
/// <param name="stateDirectory">Null: no copy is made.</param>
/// <param name="lane">Routers that run at once have a copy each.</param>
internal sealed class PresetQuarantine(string? stateDirectory, int lane = 0)
{
    private readonly string fileName = lane == 0
        ? "llama-models.checked.ini" : string.Create(CultureInfo.InvariantCulture, $"llama-models.checked-{lane + 1}.ini");
    private readonly Dictionary<string, LoadFailure> failures = new(StringComparer.Ordinal);
    private string? source;
    private (DateTime Written, long Length) stamp;

    public LoadFailure? FailureOf(string routerId) => failures.GetValueOrDefault(routerId);

    /// <summary>The preset file was edited since its sections were judged.</summary>
    public bool IsStale => source is not null && failures.Count > 0 && StampOf(source) != stamp;

    /// <summary>Begins anew with the file of a new start.</summary>
    public void Reset(RouterLaunch launch)
    {
        failures.Clear();
        source = launch.PresetPath;
        stamp = source is null ? default : StampOf(source);
    }

    /// <returns>The launch without the section, or null where leaving it out does not help.</returns>
    public RouterLaunch? Isolate(RouterLaunch launch, string section, LoadFailure failure)
    {
        if (stateDirectory is null || source is null || section == "*" || !failures.TryAdd(section, failure))
            return null;
        try
        {
            var text = File.ReadAllText(source);
            foreach (var bad in failures.Keys)
                text = Without(text, bad);
            var path = Path.Combine(stateDirectory, fileName);
            File.WriteAllText(path, text);
            return launch.WithPreset(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    internal static string Without(string ini, string section)
    {
        var result = new StringBuilder(ini.Length);
        var skipping = false;
        foreach (var line in ini.AsSpan().EnumerateLines())
        {
            var text = line.Trim();
            if (text.StartsWith("[") && text.EndsWith("]"))
                skipping = text[1..^1].Trim().SequenceEqual(section);
            if (!skipping)
                result.Append(line).Append('\n');
        }
        return result.ToString();
    }

    private static (DateTime Written, long Length) StampOf(string path)
    {
        var info = new FileInfo(path);
        return info.Exists ? (info.LastWriteTimeUtc, info.Length) : default;
    }
}
