using System.Buffers;

namespace HotModel.Llama;

/// <summary>Takes out of a child's lines what they quote of requests: broken JSON, grammars, schemas.</summary>
/// <remarks>
/// llama-server names no prompts in its log, but says of a request that it refuses what it has read of it, and prints a
/// grammar that it cannot read. Its other messages stay, for they tell why a model is lost. One for each stream of lines.
/// </remarks>
internal sealed class RequestQuotes
{
    private const string Exception = "exception:";
    private const string Sampler = "unable to match sampler by name";
    private const string Grammar = "error parsing grammar";
    private const string GrammarEnd = "failed to parse grammar";
    private const string LeftOut = "(left out: it may quote a request)";

    private static readonly SearchValues<char> OfTimes = SearchValues.Create("0123456789.");

    /// <summary>A grammar has no bound but that of a request; its end is always announced.</summary>
    private bool isInGrammar;

    /// <summary>Null: all of the line may be a request's.</summary>
    public string? Clean(string line)
    {
        if (isInGrammar)
        {
            isInGrammar = !line.EndsWith(GrammarEnd, StringComparison.Ordinal);
            // What is logged meanwhile has a time; the grammar has none.
            return isInGrammar && !HasTime(line) ? null : line;
        }
        if (CutBehind(Grammar, line) is { } begin)
        {
            isInGrammar = true;
            return begin;
        }
        // "got exception: {…}" of its HTTP server, "got another exception: …".
        return CutBehind(Sampler, line)
            ?? (line.Contains("got ", StringComparison.Ordinal) ? CutBehind(Exception, line) : null) ?? line;
    }

    private static string? CutBehind(string words, string line) =>
        line.IndexOf(words, StringComparison.Ordinal) is >= 0 and var at
            ? $"{line.AsSpan(0, at + words.Length)} {LeftOut}" : null;

    /// <summary>"0.00.001.671 I …", behind the port that a router puts before its children's lines.</summary>
    private static bool HasTime(ReadOnlySpan<char> line)
    {
        if (line.StartsWith("[") && line.IndexOf("] ") is > 0 and var end)
            line = line[(end + 2)..];
        var digits = line.IndexOfAnyExcept(OfTimes);
        return digits > 0 && digits + 2 < line.Length && line[digits] == ' ' && char.IsAsciiLetterUpper(line[digits + 1])
            && line[digits + 2] == ' ';
    }
}
