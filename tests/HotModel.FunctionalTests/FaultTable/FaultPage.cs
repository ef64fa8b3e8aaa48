using System.Globalization;
using System.Text;

namespace HotModel.FunctionalTests.FaultTable;

/// <summary>docs/faults.md.</summary>
internal static class FaultPage
{
    private static readonly (Phase Phase, string Name, string What)[] Phases =
    [
        (Phase.Starting, "starting", "HotModel has just been started and loads its first model, `a`"),
        (Phase.Idle, "idle", "`a` is loaded, and there is no request; then one comes"),
        (Phase.Answering, "answering", "`a` is giving an answer"),
        (Phase.Draining, "draining", "a switch to `b` waits for that answer to end"),
        (Phase.Unloading, "unloading", "`a` is being unloaded for `b`"),
        (Phase.Settling, "settling", "`a` is gone, and its video memory is waited for (`gpu_settle_timeout_seconds`)"),
        (Phase.Loading, "loading", "`b` is being loaded"),
        (Phase.RollingBack, "rolling back", "`b` did not load, and `a` is being loaded again"),
        (Phase.BringingBack, "bringing back", "the process of `a` died, and `a` is being loaded again"),
        (Phase.FirstAnswer, "first answer", "`b` has loaded and answers the request that waited for it"),
        (Phase.Stopping, "stopping", "HotModel was told to end, and waits for the answer that `a` is giving"),
    ];

    public static string Print(
        IReadOnlyList<FaultGroup> groups, IReadOnlyDictionary<Cell, Outcome> outcomes,
        IEnumerable<(string Code, string Sentence)> sentences)
    {
        var page = new StringBuilder();
        page.Append(Introduction(outcomes.Count));
        foreach (var (_, name, what) in Phases)
            page.Append(CultureInfo.InvariantCulture, $"| {name} | {what} |\n");
        page.Append(Legend);
        foreach (var group in groups)
        {
            page.Append(CultureInfo.InvariantCulture, $"\n## {group.Title}\n");
            Print(page, group.Faults, outcomes);
        }
        page.Append(ErrorsHead);
        foreach (var code in sentences.GroupBy(s => s.Code).OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            var all = code.Select(s => s.Sentence).Distinct().Order(StringComparer.Ordinal);
            page.Append(CultureInfo.InvariantCulture, $"| `{code.Key}` | {string.Join("<br>", all.Select(Escape))} |\n");
        }
        return page.ToString();
    }

    private static void Print(
        StringBuilder page, IReadOnlyList<Fault> faults, IReadOnlyDictionary<Cell, Outcome> outcomes)
    {
        var printed = new Dictionary<string, Fault>();
        foreach (var fault in faults)
        {
            page.Append(CultureInfo.InvariantCulture, $"\n### {fault.Title}\n\n{fault.What}\n\n");
            var table = Table(fault, outcomes);
            if (printed.TryAdd(table, fault))
                page.Append(table);
            else
                page.Append(CultureInfo.InvariantCulture, $"In every phase the outcome is that of {Link(printed[table])}.\n");
        }
    }

    private static string Table(Fault fault, IReadOnlyDictionary<Cell, Outcome> outcomes)
    {
        var page = new StringBuilder();
        page.Append("| when | the running answer | the switch to `b` | who waits | the next request | within |\n");
        page.Append("|---|---|---|---|---|---|\n");
        foreach (var (phase, name, _) in Phases)
        {
            if (fault.Cells.SingleOrDefault(cell => cell.Phase == phase) is not { } cell)
                continue;
            var outcome = outcomes[cell];
            string?[] fields =
                [name, outcome.Running, outcome.Switch, outcome.Waiting, outcome.Next, cell.Bound.Text];
            page.Append("| ").AppendJoin(" | ", fields.Select(field => field ?? "–")).Append(" |\n");
        }
        foreach (var (reason, without) in fault.Reasons)
            page.Append(CultureInfo.InvariantCulture, $"\nNot {Names(without)}: {reason}.\n");
        if (fault.Rest is { } rest)
            page.Append(CultureInfo.InvariantCulture, $"\nNot in the other phases: {rest.Reason}.\n");
        return page.ToString();
    }

    // As GitHub makes them of headings.
    private static string Link(Fault fault) => $"[{fault.Title}](#" + string.Concat(fault.Title
        .Where(c => c is ' ' or '-' || char.IsLetterOrDigit(c)).Select(c => c == ' ' ? '-' : char.ToLowerInvariant(c))) + ")";

    private static string Names(Phase[] phases) =>
        string.Join(", ", Phases.Where(p => phases.Contains(p.Phase)).Select(p => p.Name));

    private static string Escape(string sentence) => sentence.Replace("|", "\\|", StringComparison.Ordinal);

    private static string Introduction(int cells) => $"""
        # When something breaks

        What HotModel does when llama-server, a model's process, or a connection to them fails: {cells} cases, each a fault that
        strikes in one phase of a switch. A test plays every case with the built executable and a llama-server that misbehaves on
        command, and prints this page; what it printed last is checked against the file.

        In every case these hold, too, and are checked: two models are never in memory at once. Nothing is left of a request, so
        that none holds up a switch. A turn is stored if its client has the whole answer, once; else nothing of it is. When
        HotModel ends, no process is left.

        ## When it strikes

        | phase | |
        |---|---|

        """;

    private const string Legend = """

        ## How to read the tables

        - **The running answer**: what the client gets whose answer `a` is giving when the fault strikes.
        - **The switch to `b`**: what `POST /admin/switch` and `hotmodel switch` report.
        - **Who waits**: what a request gets that came during the phase and names no model.
        - **The next request**: who answers one that comes when all that is over, the fault still being there if it lasts.
        - **Within**: by when all of them have their answers. Most cases take a fraction of that.

        *Whole* is a whole answer. An *error event* ends a stream whose beginning the client has; it has no `[DONE]` behind it.
        `a` and `b` are models; words like `this` are codes, and [what they say](#what-the-codes-say) is at the end.

        """;

    private const string ErrorsHead = """

        ## What the codes say

        As they came up above; a switch's report has them as `reason` and `error`, an answer as `code` (where llama-server gave it,
        `type`) and `message`.

        | code | |
        |---|---|

        """;
}

/// <summary>Faults of a kind.</summary>
internal sealed record FaultGroup(string Title, IReadOnlyList<Fault> Faults);
