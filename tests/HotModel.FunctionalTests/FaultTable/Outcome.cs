using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests.FaultTable;

/// <summary>What became of everybody, in plain words; null where there was no such party.</summary>
internal sealed record Outcome
{
    public string? Running { get; init; }
    public string? Switch { get; init; }
    public string? Waiting { get; init; }
    /// <summary>Of a request that comes when all is over, or of HotModel's end.</summary>
    public string? Next { get; init; }
    public double Seconds { get; init; }
}

/// <summary>Words for reports and errors. Codes stand in the table; the sentences behind them below it.</summary>
internal sealed class Words(FaultServer server)
{
    private readonly SortedSet<(string Code, string Sentence)> sentences = [];

    public IReadOnlyCollection<(string Code, string Sentence)> Sentences => sentences;

    public string Of(Reply report)
    {
        var json = report.Json;
        var active = (string?)json["active_model"];
        if (report.Status == 200)
        {
            var settled = (bool?)json["gpu_settled"] == false ? ", `gpu_settled` false" : "";
            return active == (string?)json["target_model"] ? "done" + settled : $"200, but `{active}` is active";
        }
        var reason = (string?)json["reason"];
        Note(reason, (string?)json["error"]);
        var rest = (string?)json["rolled_back_to"] is { } back ? $"`{back}` is back"
            : active is null ? "nothing is loaded yet"
            : reason == "drain_timed_out" ? "nothing was unloaded"
            : $"`{active}` is active";
        return $"fails, `{reason}`: {rest}";
    }

    public string OfError(int status, JsonNode? error)
    {
        // llama-server's codes are numbers, and its types are words.
        var code = error?["code"] is JsonValue value && value.TryGetValue(out string? text) ? text : (string?)error?["type"];
        Note(code, (string?)error?["message"]);
        return (status == 200 ? "an error event, " : $"{status}, ") + $"`{code}`";
    }

    private void Note(string? code, string? sentence)
    {
        Assert.True(code is { Length: > 0 } && sentence is { Length: > 0 }, $"an error without a word: {code} {sentence}");
        sentences.Add((code, server.Plain(sentence)));
    }
}
