using System.Text;

namespace FakeLlamaServer;

/// <summary>Processes that stand for those of loaded models.</summary>
internal static class StandIns
{
    public const string Name = "fake-model";

    /// <summary>True while one of a model of the same folder runs, whoever started it.</summary>
    public static bool Alive(string modelPath)
    {
        var mark = $"\0{Name}\0--model\0{Path.GetDirectoryName(modelPath)}/";
        return Directory.EnumerateDirectories("/proc").Any(folder => CommandLine(folder).Contains(mark, StringComparison.Ordinal));
    }

    private static string CommandLine(string folder)
    {
        try
        {
            // Of a process that has ended and was not waited for it is empty.
            return char.IsAsciiDigit(Path.GetFileName(folder)[0])
                ? Encoding.UTF8.GetString(File.ReadAllBytes(folder + "/cmdline")) : "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
