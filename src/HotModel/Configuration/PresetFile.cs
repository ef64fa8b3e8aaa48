using System.Text;
using Microsoft.Extensions.Configuration.Ini;

namespace HotModel.Configuration;

internal readonly record struct PresetEntry(string Key, string Value, int Line);

/// <param name="Name">"*" holds the defaults of all others.</param>
internal sealed record PresetSection(string Name, int Line, IReadOnlyList<PresetEntry> Entries);

/// <summary>A user's preset INI, read for checks; llama-server gets the file itself.</summary>
internal sealed record PresetFile(
    string Path, IReadOnlyList<PresetSection> Sections, IReadOnlyList<ConfigError> Errors,
    IReadOnlyList<string> Warnings)
{
    public PresetSection? Find(string name) => Sections.FirstOrDefault(section => section.Name == name);

    /// <summary>Throws what the file system throws.</summary>
    public static PresetFile Read(string path) =>
        // Not ReadAllText: it would hide the byte order mark that llama-server stumbles over.
        new PresetReader(path).Read(Encoding.UTF8.GetString(File.ReadAllBytes(path)));
}

/// <summary>
/// Values come from Microsoft.Extensions.Configuration.Ini; line numbers, order and what llama-server would refuse come
/// from a look at the lines, for that package knows neither.
/// </summary>
internal sealed class PresetReader(string path)
{
    private readonly List<ConfigError> errors = [];
    private readonly List<string> warnings = [];
    private readonly List<(string Name, int Line, List<(string Key, string Text, int Line)> Keys)> sections = [];

    public PresetFile Read(string text)
    {
        if (text.StartsWith('\uFEFF'))
        {
            errors.Add(new ConfigError(path, 1, 1, "begins with a byte order mark, which llama-server refuses; save "
                + "it without"));
            text = text[1..];
        }
        var number = 0;
        foreach (var line in text.Split('\n'))
            ReadLine(line.TrimEnd('\r'), ++number);
        WarnOfCase();
        return new PresetFile(path, [.. sections.Select(Section)], errors, warnings);
    }

    private void ReadLine(string line, int number)
    {
        var text = line.TrimStart(' ', '\t');
        if (text.Length == 0 || PresetSyntax.Comment.Contains(text[0]))
            return;
        // A carriage return would end the line for the package, and none of them is ever meant.
        if (text.Any(c => char.IsControl(c) && c != '\t'))
        {
            Refuse(number, 1, "holds a control character; remove it");
            return;
        }
        if (text.Length < line.Length)
            Refuse(number, 1, "is indented; llama-server refuses the file, write it from the first column");
        if (text[0] == '[')
            ReadHeader(text, number);
        else
            ReadKey(text, number);
    }

    private void ReadHeader(string text, int number)
    {
        var end = text.IndexOf(']');
        var rest = end < 0 ? "" : text[(end + 1)..].TrimStart(' ', '\t');
        var name = end < 0 ? "" : text[1..end].TrimStart(' ', '\t');
        if (end < 0 || name.Length == 0 || (rest.Length > 0 && !PresetSyntax.Comment.Contains(rest[0])))
            Refuse(number, 1, "is no section header; write [name]");
        else if (sections.FirstOrDefault(section => section.Name == name) is { Name: not null } first)
            Refuse(number, 1, $"section [{name}] is already given in line {first.Line}; llama-server keeps only the "
                + "last, so write all its keys in one");
        else if (name.EndsWith(' '))
            Refuse(number, 1, $"the name of section [{name}] ends with a blank, which llama-server keeps; remove it");
        sections.Add((name, number, []));
    }

    private void ReadKey(string text, int number)
    {
        var equals = text.IndexOf('=');
        var key = equals < 0 ? text : text[..equals].TrimEnd(' ', '\t');
        if (equals < 0 || !PresetSyntax.IsKey(key))
        {
            Refuse(number, 1, "is no setting; write key = value, the key as on llama-server's command line without "
                + "dashes");
            return;
        }
        if (sections.Count == 0)
        {
            if (key != "version")
                Refuse(number, 1, $"{key} stands before the first section; llama-server makes a model \"default\" "
                    + "of it, write [*] above it for a default of all models");
            return;
        }
        var keys = sections[^1].Keys;
        if (keys.FirstOrDefault(known => Same(known.Key, key)) is { Key: not null } first)
            Refuse(number, 1, $"{key} is already given in line {first.Line}; each key may be given once in a section");
        else
            keys.Add((key, text, number));
    }

    private static bool Same(string a, string b) => PresetSyntax.Canonical(a) == PresetSyntax.Canonical(b);

    private PresetSection Section((string Name, int Line, List<(string Key, string Text, int Line)> Keys) section)
    {
        var entries = new List<PresetEntry>();
        // The package folds case (-c is --ctx-size, -C is --cpu-mask) and would take two such keys for one: one by one.
        foreach (var (key, text, line) in section.Keys)
            entries.Add(new PresetEntry(key, Value(section.Name, key, text, line), line));
        return new PresetSection(section.Name, section.Line, entries);
    }

    private string Value(string section, string key, string text, int line)
    {
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes($"[{section}]\n{text}\n"));
        foreach (var (name, value) in IniStreamConfigurationProvider.Read(stream))
        {
            // A section's name may hold ':' (owner/model:Q8_0), a key of llama-server never does.
            if (name[(name.LastIndexOf(':') + 1)..] != key)
                continue;
            var raw = text[(text.IndexOf('=') + 1)..].Trim();
            if (raw.StartsWith('"') && raw.EndsWith('"'))
                warnings.Add($"{path}:{line}:1: {key}: llama-server takes the quotes for a part of the value");
            var comment = (value ?? "").AsSpan().IndexOfAny(PresetSyntax.Comment);
            return (comment < 0 ? value ?? "" : value![..comment]).Trim();
        }
        return "";
    }

    private void WarnOfCase()
    {
        foreach (var names in sections.Select(section => section.Name).Distinct()
            .GroupBy(name => name, StringComparer.OrdinalIgnoreCase).Where(names => names.Count() > 1))
        {
            var list = string.Join(", ", names.Select(name => $"[{name}]"));
            warnings.Add($"{path}: sections {list} differ only in case; "
                + "they are different models");
        }
    }

    private void Refuse(int line, int column, string message) =>
        errors.Add(new ConfigError(path, line, column, message));
}
