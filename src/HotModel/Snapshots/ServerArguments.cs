using System.Globalization;

namespace HotModel.Snapshots;

/// <summary>The command line of a model's llama-server, as far as the meaning of a KV cache hangs on it.</summary>
internal static class ServerArguments
{
    /// <summary>
    /// Differ from start to start, or decide only who may ask, what is logged and how many threads compute. All else
    /// counts, known here or not: an option too many costs one snapshot, one too few a wrong answer.
    /// </summary>
    private static readonly HashSet<string> Meaningless =
    [
        "--host", "--port", "--api-key", "--api-key-file", "-a", "--alias", "--slot-save-path",
        "-t", "--threads", "-tb", "--threads-batch", "--threads-http",
        "--log-disable", "--log-file", "--log-colors", "--log-prefix", "--no-log-prefix", "--log-timestamps",
        "--no-log-timestamps", "-v", "--verbose", "--log-verbose", "-lv", "--verbosity", "--log-verbosity",
    ];

    private static readonly HashSet<string> NamingFiles =
    [
        "--lora", "--lora-scaled", "--control-vector", "--control-vector-scaled", "-mm", "--mmproj",
    ];

    /// <summary>In their order, because of two that contradict each other the last wins.</summary>
    public static IReadOnlyList<string> Canonical(IReadOnlyList<string> arguments)
    {
        var kept = new List<string>(arguments.Count);
        // The router's list begins with the program, ours does not.
        for (var i = arguments is [{ } first, ..] && !IsOption(first) ? 1 : 0; i < arguments.Count; i++)
        {
            if (!Meaningless.Contains(arguments[i]))
                kept.Add(arguments[i]);
            else if (i + 1 < arguments.Count && !IsOption(arguments[i + 1]))
                i++;
        }
        return kept;
    }

    /// <summary>Adapters and the like: what they hold changes what the model computes.</summary>
    public static IReadOnlyList<string> Files(IReadOnlyList<string> arguments)
    {
        var files = new List<string>();
        for (var i = 0; i + 1 < arguments.Count; i++)
        {
            if (!NamingFiles.Contains(arguments[i]))
                continue;
            // FILE, or FILE:SCALE, and several of them with commas between; a name that holds a comma is one file.
            var value = arguments[i + 1];
            files.AddRange(File.Exists(value) ? [value] : value.Split(',').Select(WithoutScale));
        }
        return files;
    }

    public static string? Model(IReadOnlyList<string> arguments)
    {
        var at = arguments.ToList().FindLastIndex(argument => argument is "-m" or "--model");
        return at >= 0 && at + 1 < arguments.Count ? arguments[at + 1] : null;
    }

    /// <summary>All files of a model of which the first one is given.</summary>
    public static IReadOnlyList<string> Shards(string path)
    {
        // Written by llama.cpp's own splitter, which its loader expects: the number and the count have five digits each.
        const int suffix = 20; // -00001-of-00003.gguf
        var name = path.Length > suffix ? path.AsSpan(path.Length - suffix) : default;
        if (!name.StartsWith("-") || !name[6..].StartsWith("-of-") || !name.EndsWith(".gguf")
            || !IsNumber(name[1..6], out _) || !IsNumber(name[10..15], out var count))
            return [path];
        return [.. Enumerable.Range(1, count).Select(number => string.Create(
            CultureInfo.InvariantCulture, $"{path.AsSpan(0, path.Length - suffix)}-{number:D5}-of-{count:D5}.gguf"))];
    }

    private static bool IsNumber(ReadOnlySpan<char> text, out int number) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    private static string WithoutScale(string part)
    {
        var colon = part.LastIndexOf(':');
        return colon > 0 && double.TryParse(
            part.AsSpan(colon + 1), NumberStyles.Float, CultureInfo.InvariantCulture, out _) ? part[..colon] : part;
    }

    /// <summary>"-1" is a value: no option of llama-server begins with a digit.</summary>
    private static bool IsOption(string argument) =>
        argument.Length > 1 && argument[0] == '-' && !char.IsAsciiDigit(argument[1]) && argument[1] != '.';
}
