using System.Globalization;
using System.Text.Json;
using Tomlyn.Syntax;

namespace HotModel.Configuration;

internal enum KeyKind { Text, Path, Binary, Integer, Number, Boolean, Choice, TextList }

/// <summary>What a key may hold. A value is a string, long, double, bool or string[].</summary>
internal sealed record KeyType(KeyKind Kind, double Min, double Max, IReadOnlyList<string> Choices)
{
    public static readonly KeyType Text = new(KeyKind.Text, 0, 0, []);
    /// <summary>Text that may not be empty.</summary>
    public static readonly KeyType Word = new(KeyKind.Text, 1, 0, []);
    public static readonly KeyType Path = new(KeyKind.Path, 1, 0, []);
    public static readonly KeyType Binary = new(KeyKind.Binary, 1, 0, []);
    public static readonly KeyType Boolean = new(KeyKind.Boolean, 0, 0, []);
    public static readonly KeyType TextList = new(KeyKind.TextList, 0, 0, []);

    public static KeyType Integer(long min, long max = int.MaxValue) => new(KeyKind.Integer, min, max, []);
    public static KeyType Number(double min, double max) => new(KeyKind.Number, min, max, []);
    public static KeyType Choice(params string[] choices) => new(KeyKind.Choice, 0, 0, choices);

    /// <summary>Name of the type in the documentation.</summary>
    public string Name => Kind switch
    {
        KeyKind.Text => "text",
        KeyKind.Path => "path",
        KeyKind.Binary => "program",
        KeyKind.Integer => "integer",
        KeyKind.Number => "number",
        KeyKind.Boolean => "boolean",
        KeyKind.Choice => string.Join(" / ", Choices.Select(Quote)),
        KeyKind.TextList => "list of texts",
    };

    /// <summary>What may be written, as the second half of an error message.</summary>
    public string Allowed => Kind switch
    {
        KeyKind.Text or KeyKind.Path or KeyKind.Binary => Min > 0 ? "a text that is not empty" : "a text in quotes",
        KeyKind.Integer => Max >= int.MaxValue
            ? string.Create(CultureInfo.InvariantCulture, $"a whole number, {Min} or more")
            : string.Create(CultureInfo.InvariantCulture, $"a whole number from {Min} to {Max}"),
        KeyKind.Number => string.Create(CultureInfo.InvariantCulture, $"a number from {Min} to {Max}"),
        KeyKind.Boolean => "true or false",
        KeyKind.Choice => string.Join(" or ", Choices.Select(Quote)),
        KeyKind.TextList => "a list of texts, such as [\"--metrics\"]",
    };

    /// <summary>The value, or null and what is wrong with it.</summary>
    public object? FromToml(ValueSyntax syntax, out string wrong)
    {
        wrong = $"{Describe(syntax)} is not allowed here";
        object? value = (Kind, syntax) switch
        {
            (KeyKind.Integer, IntegerValueSyntax integer) => integer.Value,
            (KeyKind.Number, IntegerValueSyntax integer) => (double)integer.Value,
            (KeyKind.Number, FloatValueSyntax number) => number.Value,
            (KeyKind.Boolean, BooleanValueSyntax boolean) => boolean.Value,
            (KeyKind.TextList, ArraySyntax array) => Texts(array),
            (KeyKind.Text or KeyKind.Path or KeyKind.Binary or KeyKind.Choice, StringValueSyntax text) =>
                text.Value ?? "",
            _ => null,
        };
        return value is null ? null : InRange(value, ref wrong);
    }

    /// <summary>
    /// The value of an environment variable: a list is a JSON array of strings, all else as it stands.
    /// </summary>
    public object? FromEnvironment(string text, out string wrong)
    {
        wrong = $"{Quote(text)} is not allowed here";
        object? value = Kind switch
        {
            KeyKind.Integer => long.TryParse(
                text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole) ? whole : null,
            KeyKind.Number => double.TryParse(
                text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : null,
            KeyKind.Boolean => text switch { "true" => true, "false" => false, _ => null },
            KeyKind.TextList => TextsOfJson(text),
            KeyKind.Text or KeyKind.Path or KeyKind.Binary or KeyKind.Choice => text,
        };
        return value is null ? null : InRange(value, ref wrong);
    }

    private object? InRange(object value, ref string wrong)
    {
        var allowed = value switch
        {
            long whole => whole >= Min && whole <= Max,
            double number => number >= Min && number <= Max,
            string text when Kind == KeyKind.Choice => Choices.Contains(text),
            string text => text.Length >= Min && !text.Contains('\0'),
            _ => true,
        };
        if (allowed)
            return value;
        wrong = string.Create(CultureInfo.InvariantCulture, $"{(value is string s ? Quote(s) : value)} is not allowed");
        return null;
    }

    private static string[]? Texts(ArraySyntax array)
    {
        var texts = array.Items.Select(item => (item.Value as StringValueSyntax)?.Value).ToArray();
        return texts.Contains(null) ? null : [.. texts.OfType<string>()];
    }

    private static string[]? TextsOfJson(string text)
    {
        try
        {
            using var json = JsonDocument.Parse(text);
            if (json.RootElement.ValueKind != JsonValueKind.Array)
                return null;
            var items = json.RootElement.EnumerateArray().ToArray();
            return items.Any(item => item.ValueKind != JsonValueKind.String)
                ? null
                : [.. items.Select(item => item.GetString()!)];
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string Describe(ValueSyntax syntax) => syntax switch
    {
        StringValueSyntax text => $"the text {Quote(text.Value ?? "")}",
        IntegerValueSyntax integer => string.Create(CultureInfo.InvariantCulture, $"the number {integer.Value}"),
        FloatValueSyntax number => string.Create(CultureInfo.InvariantCulture, $"the number {number.Value}"),
        BooleanValueSyntax boolean => boolean.Value ? "true" : "false",
        ArraySyntax array when array.Items.Any(item => item.Value is not StringValueSyntax) =>
            "a list with something other than texts in it",
        ArraySyntax => "a list",
        InlineTableSyntax => "a table",
        DateTimeValueSyntax => "a date or time",
        _ => "this value",
    };

    private static string Quote(string text) => TomlText.Quote(text.Length <= 80 ? text : text[..77] + "...");
}
