using Tomlyn.Parsing;
using Tomlyn.Syntax;

namespace HotModel.Configuration;

/// <summary>
/// Reads the TOML file into <see cref="ConfigValues"/>, by the syntax tree: it alone knows every position.
/// </summary>
internal sealed class TomlReader
{
    private readonly string source;
    private readonly List<ConfigError> errors;
    private readonly ConfigValues values;

    private TomlReader(string source, List<ConfigError> errors)
    {
        this.source = source;
        this.errors = errors;
        values = new ConfigValues(new ConfigOrigin(source, 1, 1));
    }

    /// <summary>Null where the text is no TOML at all: then nothing more can be said about it.</summary>
    public static ConfigValues? Read(string text, string source, List<ConfigError> errors)
    {
        DocumentSyntax document;
        try
        {
            document = SyntaxParser.Parse(text, source);
        }
        catch (ArgumentOutOfRangeException)
        {
            // The parser's own fault: it looks for a character behind the end of the file.
            errors.Add(EndsInEscape(text, source));
            return null;
        }
        var reader = new TomlReader(source, errors);
        if (!reader.AddDiagnostics(document))
            return null;
        reader.ReadItems([], document.KeyValues);
        foreach (var table in document.Tables)
        {
            if (table.Name is null)
                continue;
            if (table is TableArraySyntax)
                reader.Add(table, $"[[{table.Name}]] makes a list of tables; write [{table.Name}]");
            else if (reader.Header([.. Parts(table.Name)]) is { } path)
                reader.ReadItems(path, table.Items);
        }
        return reader.values;
    }

    private static ConfigError EndsInEscape(string text, string source) => new(
        source, text.Count(c => c == '\n') + 1, text.Length - text.LastIndexOf('\n'),
        "the file ends within an escape; a text that has one ends with its quote");

    /// <summary>False after a syntax error. One per line: what follows on the same line is its echo.</summary>
    private bool AddDiagnostics(DocumentSyntax document)
    {
        // Duplicates are only looked for in a tree without syntax errors, and reading goes on past them.
        const string duplicate = "is already defined at";
        var readable = true;
        foreach (var line in document.Diagnostics.GroupBy(diagnostic => diagnostic.Span.Start.Line))
        {
            var first = line.First();
            var message = first.Message.ReplaceLineEndings(" ");
            if (message.IndexOf(duplicate, StringComparison.Ordinal) is > 0 and var at)
            {
                var where = message[(at + duplicate.Length)..].Split('(', ')', ',');
                message = $"{message[..at].Replace("The key ", "", StringComparison.Ordinal).Replace('`', '"')}"
                    + $"is already given in line {where.ElementAtOrDefault(1)}; each may be given once";
            }
            else
            {
                readable = false;
            }
            Add(first.Span, message);
        }
        return readable;
    }

    /// <summary>The path of a [header] whose section is known and opened, else null.</summary>
    private Part[]? Header(Part[] path)
    {
        var first = path[0];
        if (!ConfigSchema.Sections.Contains(first.Name))
            return Unknown();
        if (ConfigSchema.Named.Contains(first.Name))
        {
            if (path.Length > 2)
                return Refuse(path[2], $"[{first.Name}.NAME] has no sections in it; a name with a dot needs quotes: "
                    + $"[{first.Name}.{TomlText.Quote(string.Join('.', path.Skip(1).Select(part => part.Name)))}]");
            if (path.Length == 2)
                values.Open(first.Name, path[1].Name, Origin(path[1].Node));
            return path;
        }
        if (path.Length > 1)
            return Refuse(path[1], $"[{first.Name}] has no sections in it");
        values.Open(first.Name, Origin(first.Node));
        return path;

        Part[]? Unknown() => Refuse(first, $"unknown section {TomlText.Quote(first.Name)}"
            + NearestName.Hint(first.Name, ConfigSchema.Sections)
            + $"; known are {string.Join(", ", ConfigSchema.Sections)}");
    }

    private void ReadItems(Part[] path, IEnumerable<KeyValueSyntax> items)
    {
        foreach (var item in items)
        {
            if (item.Key is not null && item.Value is not null)
                ReadItem([.. path, .. Parts(item.Key)], item.Value);
        }
    }

    /// <summary>Dotted keys and inline tables say the same as headers, so all three come down to a full path.</summary>
    private void ReadItem(Part[] path, ValueSyntax value)
    {
        var isNamed = ConfigSchema.Named.Contains(path[0].Name);
        var depth = isNamed ? 3 : 2;
        if (value is InlineTableSyntax table && path.Length < depth)
        {
            if (Header(path) is not null)
                ReadItems(path, table.Items.Select(item => item.KeyValue!));
            return;
        }
        if (path.Length == 1)
        {
            Refuse(path[0], ConfigSchema.Sections.Contains(path[0].Name)
                ? $"{TomlText.Quote(path[0].Name)} is a section; write [{path[0].Name}]"
                : $"{TomlText.Quote(path[0].Name)} stands outside any section" + HintOfSection(path[0].Name));
            return;
        }
        if (Header(path[..^1]) is null)
            return;
        var key = path[^1];
        if (path.Length < depth)
            Refuse(key, $"{TomlText.Quote(key.Name)} stands in [{path[0].Name}] itself; it belongs in [{path[0].Name}.NAME]");
        else
            ReadValue(isNamed ? values.Named(path[0].Name)[path[1].Name] : values[path[0].Name], key, value);
    }

    private void ReadValue(ConfigSection section, Part key, ValueSyntax syntax)
    {
        var header = ConfigSchema.HeaderOf(section.Section);
        if (ConfigSchema.Find(section.Section, key.Name) is not { } schema)
        {
            Refuse(key, $"unknown key {TomlText.Quote(key.Name)} in [{header}]"
                + NearestName.Hint(key.Name, ConfigSchema.NamesIn(section.Section))
                + HintOfSection(key.Name, except: section.Section));
            return;
        }
        if (schema.Type.FromToml(syntax, out var wrong) is { } value)
        {
            section.Set(schema.Name, value, Origin(key.Node));
            return;
        }
        section.MarkRefused(schema.Name);
        Add(syntax.Span, $"{key.Name}: {wrong}; allowed is {schema.Type.Allowed}");
    }

    /// <summary>"; it belongs in [router]" for a key that stands in the wrong section.</summary>
    private static string HintOfSection(string key, string? except = null)
    {
        var homes = ConfigSchema.Keys.Where(known => known.Name == key && known.Section != except)
            .Select(known => $"[{ConfigSchema.HeaderOf(known.Section)}]").ToArray();
        return homes.Length == 0 ? "" : $"; it belongs in {string.Join(" or ", homes)}";
    }

    private Part[]? Refuse(Part part, string message)
    {
        Add(part.Node, message);
        return null;
    }

    private void Add(SyntaxNode node, string message) => Add(node.Span, message);

    private void Add(SourceSpan span, string message) =>
        errors.Add(new ConfigError(source, span.Start.Line + 1, span.Start.Column + 1, message));

    private ConfigOrigin Origin(SyntaxNode node) =>
        new(source, node.Span.Start.Line + 1, node.Span.Start.Column + 1);

    private static IEnumerable<Part> Parts(KeySyntax key)
    {
        yield return new Part(Name(key.Key!), key.Key!);
        foreach (var dotted in key.DotKeys)
            yield return new Part(Name(dotted.Key!), dotted.Key!);
    }

    private static string Name(BareKeyOrStringValueSyntax key) => key switch
    {
        BareKeySyntax bare => bare.Key?.Text ?? "",
        StringValueSyntax text => text.Value ?? "",
        _ => key.ToString(),
    };

    private readonly record struct Part(string Name, SyntaxNode Node);
}
