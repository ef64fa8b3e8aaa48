using System.Globalization;
using System.Text;
using System.Text.Json;

namespace HotModel.Cli;

/// <summary>The answers of /admin/sessions for people.</summary>
internal static class SessionsTable
{
    private const int Gap = 2;

    private static readonly string[] Header = ["ID", "UPDATED", "MESSAGES", "MODELS", "SNAPSHOTS", "PREVIEW"];

    /// <param name="page">GET /admin/sessions.</param>
    /// <param name="output">Where to.</param>
    /// <param name="width">Of the terminal; null: lines are as long as they are.</param>
    public static void Write(JsonElement page, TextWriter output, int? width)
    {
        var rows = new List<string[]> { Header };
        foreach (var session in page.GetProperty("sessions").EnumerateArray())
        {
            rows.Add(
            [
                session.GetProperty("id").GetString()!,
                LocalTime(session.GetProperty("updated_at")),
                session.GetProperty("messages").GetInt64().ToString(CultureInfo.InvariantCulture),
                string.Join(", ", session.GetProperty("models").EnumerateArray().Select(model => model.GetString())),
                string.Join(", ", session.GetProperty("snapshots").EnumerateArray()
                    .GroupBy(snapshot => snapshot.GetProperty("model").GetString())
                    .Select(model => model.Key + AgeOf([.. model]))),
                Printable(session.GetProperty("preview").GetString()!, keepLines: false),
            ]);
        }
        if (rows.Count == 1)
        {
            output.WriteLine("No sessions.");
            return;
        }
        var widths = Header.Select((_, column) => rows.Max(row => row[column].Length)).ToArray();
        foreach (var row in rows)
        {
            var line = new StringBuilder();
            for (var column = 0; column < row.Length - 1; column++)
                line.Append(row[column].PadRight(widths[column] + Gap));
            line.Append(row[^1]);
            if (width is { } limit && line.Length > limit)
                line.Length = limit;
            output.WriteLine(line.ToString().TrimEnd());
        }
        var shown = rows.Count - 1;
        var total = page.GetProperty("total").GetInt64();
        if (shown < total)
            output.WriteLine($"{shown} of {total} sessions; --limit and --offset show the others.");
    }

    /// <param name="session">GET /admin/sessions/{id}.</param>
    /// <param name="output">Where to.</param>
    /// <param name="width">Not used: texts are wrapped by the terminal.</param>
    public static void WriteMessages(JsonElement session, TextWriter output, int? width)
    {
        output.WriteLine($"Session {session.GetProperty("id").GetString()}, "
            + $"created {LocalTime(session.GetProperty("created_at"))}, "
            + $"updated {LocalTime(session.GetProperty("updated_at"))}");
        foreach (var snapshot in session.GetProperty("snapshots").EnumerateArray())
        {
            var age = !IsUsable(snapshot) ? ", of another file, other options or another build of it: of no use now"
                : IsCurrent(snapshot) ? "" : ", of a part of the conversation";
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"Snapshot of {snapshot.GetProperty("model").GetString()}: {snapshot.GetProperty("tokens").GetInt64()} tokens, "
                + $"{snapshot.GetProperty("bytes").GetInt64() / 1e6:0.0} MB{age}"));
        }
        if (session.GetProperty("reused_tokens").GetInt64() is > 0 and var reused)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"Reused from snapshots: {reused} tokens, which saved {session.GetProperty("saved_seconds").GetDouble():0.0} s"));
        }
        foreach (var message in session.GetProperty("client_system").EnumerateArray())
            WriteMessage(output, message, model: null);
        foreach (var entry in session.GetProperty("history").EnumerateArray())
            WriteMessage(output, entry.GetProperty("message"), entry.GetProperty("model").GetString());
    }

    private static void WriteMessage(TextWriter output, JsonElement message, string? model)
    {
        output.WriteLine();
        var role = message.TryGetProperty("role", out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : "?";
        output.WriteLine(model is null ? $"[{role}]" : $"[{role}, {model}]");
        if (message.TryGetProperty("content", out var content) && content.ValueKind != JsonValueKind.Null)
            output.WriteLine(Printable(TextOf(content), keepLines: true));
        if (message.TryGetProperty("tool_calls", out var calls) && calls.ValueKind == JsonValueKind.Array)
        {
            foreach (var call in calls.EnumerateArray())
                output.WriteLine("call " + Printable(call.GetRawText(), keepLines: false));
        }
    }

    private static string AgeOf(IReadOnlyList<JsonElement> snapshots)
    {
        var usable = snapshots.Where(IsUsable).ToList();
        return usable.Count == 0 ? " (unusable)" : usable.Exists(IsCurrent) ? "" : " (older)";
    }

    /// <summary>It covers all that was said.</summary>
    private static bool IsCurrent(JsonElement snapshot) => snapshot.GetProperty("current").GetBoolean();

    /// <summary>As far as is known.</summary>
    private static bool IsUsable(JsonElement snapshot) => snapshot.GetProperty("usable").ValueKind != JsonValueKind.False;

    private static string TextOf(JsonElement content) => content.ValueKind switch
    {
        JsonValueKind.String => content.GetString()!,
        JsonValueKind.Array => string.Join('\n', content.EnumerateArray().Select(PartOf)),
        _ => content.GetRawText(),
    };

    private static string PartOf(JsonElement part)
    {
        if (part.ValueKind != JsonValueKind.Object)
            return TextOf(part);
        if (part.TryGetProperty("text", out var text) && text.ValueKind == JsonValueKind.String)
            return text.GetString()!;
        // An image is a megabyte of base64: its kind says enough here, the export has it whole.
        return part.TryGetProperty("type", out var type) ? $"<{type}>" : "<part>";
    }

    /// <summary>Without control characters: what a model wrote must not steer the terminal.</summary>
    private static string Printable(string text, bool keepLines)
    {
        var line = new StringBuilder(text.Length);
        foreach (var c in text)
        {
            if (keepLines && c is '\n' or '\t')
                line.Append(c);
            else if (c is '\n' or '\t')
                line.Append(' ');
            else if (!char.IsControl(c))
                line.Append(c);
        }
        return line.ToString();
    }

    private static string LocalTime(JsonElement time) =>
        time.GetDateTimeOffset().ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
}
