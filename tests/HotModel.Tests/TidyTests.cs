using System.Text.RegularExpressions;

namespace HotModel.Tests;

/// <summary>The rules of the code's style that a machine can check.</summary>
public partial class TidyTests
{
    private const int MaxFileLines = 400;
    private const int MaxLineLength = 130;

    private static IEnumerable<(string Path, string[] Lines)> Sources(params string[] folders) =>
        from folder in folders
        from path in Directory.EnumerateFiles(Repository.File(folder), "*.cs", SearchOption.AllDirectories)
        where !path.Contains("/obj/", StringComparison.Ordinal) && !path.Contains("/bin/", StringComparison.Ordinal)
        select (Path.GetRelativePath(Repository.File(), path).Replace('\\', '/'), File.ReadAllLines(path));

    [Fact]
    public void Files_and_lines_are_short() => AssertNone(
        from source in Sources("src")
        from problem in source.Lines.Length > MaxFileLines
            ? [$"{source.Path}: {source.Lines.Length} lines"]
            : source.Lines.Select((line, i) => (line, i)).Where(l => l.line.Length > MaxLineLength)
                .Select(l => $"{source.Path}:{l.i + 1}: {l.line.Length} characters")
        select problem);

    [Fact]
    public void Time_comes_from_a_time_provider() =>
        AssertNone(Matches(TimeOutsideProvider(), "src"));

    [Fact]
    public void Processes_are_started_in_one_folder() =>
        AssertNone(Matches(ProcessStart(), "src").Where(m => !m.StartsWith("src/HotModel/Llama/", StringComparison.Ordinal)));

    [Fact]
    public void Native_code_is_called_in_few_places() => AssertNone(
        Matches(NativeCall(), "src").Where(m => !m.StartsWith("src/HotModel/Llama/", StringComparison.Ordinal)
            && !m.StartsWith("src/HotModel/Gpu/", StringComparison.Ordinal)
            && !m.StartsWith("src/HotModel/ReadAhead/PageCalls.cs", StringComparison.Ordinal)
            && !m.StartsWith("src/HotModel/Http/Epoll.cs", StringComparison.Ordinal)
            && !m.StartsWith("src/HotModel/Tls/OpenSsl.cs", StringComparison.Ordinal)
            && !m.StartsWith("src/HotModel/Sessions/SqliteLibrary.cs", StringComparison.Ordinal)));

    [Fact]
    public void The_control_plane_knows_no_files_sockets_or_processes() =>
        AssertNone(Matches(Outside(), "src/HotModel/Switching"));

    [Fact]
    public void Types_are_named_by_what_they_do() => AssertNone(Matches(EmptyName(), "src", "tests"));

    [Fact]
    public void Nothing_is_left_for_later() =>
        AssertNone(Matches(Leftover(), "src", "tests").Where(m => !m.Contains("TidyTests.cs", StringComparison.Ordinal)));

    private static IEnumerable<string> Matches(Regex pattern, params string[] folders) =>
        from source in Sources(folders)
        from found in source.Lines.Select((line, i) => (line, i)).Where(l => pattern.IsMatch(l.line))
        select $"{source.Path}:{found.i + 1}: {found.line.Trim()}";

    private static void AssertNone(IEnumerable<string> problems)
    {
        var all = problems.ToList();
        Assert.True(all.Count == 0, string.Join('\n', all));
    }

    [GeneratedRegex(@"DateTime(Offset)?\.(Now|UtcNow|Today)|Thread\.Sleep|Task\.Delay\((?!.*\btime\b)|Stopwatch")]
    private static partial Regex TimeOutsideProvider();

    [GeneratedRegex(@"Process\.Start\(")]
    private static partial Regex ProcessStart();

    [GeneratedRegex(@"\[(LibraryImport|DllImport)\b|NativeLibrary\.")]
    private static partial Regex NativeCall();

    [GeneratedRegex(@"using System\.(IO|Net|Diagnostics;)|using Microsoft\.AspNetCore|\bProcess\.|\bFile\.|\bHttpContext\b")]
    private static partial Regex Outside();

    [GeneratedRegex(@"\b(class|record|struct|interface) \w*(Manager|Helper|Helpers|Utils|Util)\b")]
    private static partial Regex EmptyName();

    [GeneratedRegex(@"\b(TODO|FIXME|HACK|XXX)\b|NotImplementedException")]
    private static partial Regex Leftover();
}
