using System.Runtime.CompilerServices;

namespace HotModel.FunctionalTests.Harness;

/// <summary>Texts that are part of the product, kept as files. HOTMODEL_WRITE_GOLDEN=1 writes them anew for review.</summary>
internal static class Golden
{
    public static void Check(string name, string actual, [CallerFilePath] string caller = "")
    {
        var path = Path.Combine(Path.GetDirectoryName(caller)!, "Golden", name);
        // Wrapped at the width of the terminal and indented by trailing spaces, neither of which is meant.
        CheckFile(path, string.Join('\n', actual.ReplaceLineEndings("\n").Split('\n').Select(l => l.TrimEnd())).Trim() + "\n");
    }

    public static void CheckFile(string path, string actual)
    {
        if (Environment.GetEnvironmentVariable("HOTMODEL_WRITE_GOLDEN") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, actual);
        }
        Assert.Equal(File.ReadAllText(path), actual);
    }
}
