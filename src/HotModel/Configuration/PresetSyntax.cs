namespace HotModel.Configuration;

/// <summary>
/// llama-server's preset format as llama-server 0.7.0 reads it, which is narrower than INI in general.
/// </summary>
/// <remarks>
/// Tried out on it: a value ends at the first ';' or '#', with no way to escape them; blanks around it are lost; quotes
/// are part of it; a line may not be indented; a section's name is all between '[' and the first ']', its last blanks
/// included; of two sections of one name only the last is kept; options with two values are refused; and one key that
/// it does not know makes the router refuse to start, whichever model it belongs to.
/// </remarks>
internal static class PresetSyntax
{
    public const string Defaults = "*";
    public const string Comment = ";#";

    /// <summary>
    /// One name for the spellings of an option that HotModel sets itself, and for those worth comparing.
    /// </summary>
    public static string Canonical(string key) => key switch
    {
        "c" => "ctx-size",
        "np" => "parallel",
        "ctk" => "cache-type-k",
        "ctv" => "cache-type-v",
        "kvu" => "kv-unified",
        "no-kvu" => "no-kv-unified",
        "cram" => "cache-ram",
        "fa" => "flash-attn",
        "m" => "model",
        "ngl" or "gpu-layers" => "n-gpu-layers",
        "t" => "threads",
        "a" => "alias",
        "hf" or "hfr" => "hf-repo",
        "mu" => "model-url",
        "dr" => "docker-repo",
        _ => key,
    };

    /// <summary>Keys that tell llama-server which model it is.</summary>
    public static bool NamesModel(string key) => Canonical(key) is "model" or "hf-repo" or "model-url" or "docker-repo";

    public static bool IsKey(string key) =>
        key.Length > 0 && (char.IsAsciiLetter(key[0]) || key[0] == '_')
        && key.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-');

    /// <summary>Why the text cannot stand as a value, or null.</summary>
    public static string? FaultOfValue(string text)
    {
        if (text.AsSpan().IndexOfAny(Comment) is >= 0 and var at)
            return $"'{text[at]}' in {TomlText.Quote(text)}: llama-server's preset format cuts a value there";
        if (text.Any(char.IsControl))
            return $"a line break or control character in {TomlText.Quote(text)}: a preset's value is one line";
        return text.Trim() != text
            ? $"a blank at the end of {TomlText.Quote(text)}: llama-server's preset format loses it"
            : null;
    }

    /// <summary>Why the text cannot stand as a section's name, or null.</summary>
    public static string? FaultOfName(string name)
    {
        if (name == Defaults)
            return "\"*\" is the section of defaults, not a model";
        if (name.Trim() != name || name.Length == 0)
            return "the name of a preset may not be empty, or begin or end with a blank";
        return name.Any(c => c == ']' || char.IsControl(c))
            ? "the name of a preset may not hold ']' or a control character"
            : null;
    }
}
