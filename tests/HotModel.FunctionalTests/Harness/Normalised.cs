using System.Text.RegularExpressions;

namespace HotModel.FunctionalTests.Harness;

/// <summary>Answers without what differs between two answers to one request: ids, times, counts of what was cached.</summary>
internal static partial class Normalised
{
    public static string Of(string text)
    {
        text = Ids().Replace(text, "\"$1\":\"ID\"");
        text = Timings().Replace(text, "\"timings\":{}");
        return Counts().Replace(text, "\"$1\":0");
    }

    [GeneratedRegex("\"(id|item_id)\":\"[^\"]*\"")]
    private static partial Regex Ids();

    [GeneratedRegex("\"timings\":\\{[^}]*\\}")]
    private static partial Regex Timings();

    [GeneratedRegex(
        "\"(created|created_at|completed_at|time_ms|cached_tokens|cache_read_input_tokens|id_task|id_slot)\":-?[0-9]+")]
    private static partial Regex Counts();
}
