using System.Text;
using System.Text.Json.Serialization.Metadata;
using HotModel.Api;
using HotModel.Switching;

namespace HotModel.Tests.Api;

/// <summary>What is shown of the program, and docs/monitoring.md, which says what it means.</summary>
public class MetricsTextTests
{
    [Fact]
    public void Every_metric_has_its_help_its_type_and_its_values()
    {
        var lines = MetricsText.Of(State()).Split('\n');
        Assert.Equal("", lines[^1]);
        foreach (var metric in MetricsText.All)
        {
            var at = Array.IndexOf(lines, $"# HELP {metric.Name} {metric.Help}");
            Assert.True(at >= 0, metric.Name);
            Assert.Equal($"# TYPE {metric.Name} {metric.Type}", lines[at + 1]);
            Assert.Equal(metric.Type == "counter", metric.Name.EndsWith("_total", StringComparison.Ordinal));
        }
        string[] expected =
        [
            "hotmodel_info{version=\"1.2.3\"} 1", "hotmodel_ready 1", "hotmodel_model_loaded{model=\"a\"} 1",
            "hotmodel_model_loaded{model=\"b\\\"\\\\\"} 0", "hotmodel_switches_total{outcome=\"switched\"} 2",
            "hotmodel_switch_seconds_total{phase=\"load\"} 1.5", "hotmodel_lost_models_total 3",
            "hotmodel_requests_running 4", "hotmodel_requests_waiting{model=\"a\"} 0",
            "hotmodel_requests_waiting{model=\"b\\\"\\\\\"} 5", "hotmodel_request_wait_seconds_total 0.25",
            "hotmodel_snapshot_bytes 5000000000", "hotmodel_reused_tokens_total{source=\"snapshot\"} 6500",
            "hotmodel_reused_tokens_total{source=\"ahead\"} 70", "hotmodel_saved_seconds{source=\"snapshot\"} 210.5",
            "hotmodel_saved_seconds{source=\"ahead\"} 2.5", "hotmodel_read_ahead_bytes_total{source=\"disk\"} 1048576",
        ];
        Assert.All(expected, line => Assert.Contains(line, lines));
    }

    [Fact]
    public void What_is_off_has_no_value()
    {
        var text = MetricsText.Of(State() with { ReadAhead = null });
        Assert.Contains("# TYPE hotmodel_read_ahead_bytes_total counter\n#", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Documentation_has_every_metric()
    {
        var table = new StringBuilder("| metric | type | label | |\n|---|---|---|---|\n");
        foreach (var metric in MetricsText.All)
        {
            var label = metric.Label is null ? "" : $" `{metric.Label}`";
            table.Append($"| `{metric.Name}` | {metric.Type} |{label} | {metric.Help} |\n");
        }
        Assert.True(Documentation().Contains(table.ToString(), StringComparison.Ordinal),
            $"docs/monitoring.md should have:\n{table}");
    }

    [Fact]
    public void Documentation_has_every_field_of_the_state()
    {
        var text = Documentation();
        var missing = Fields(AdminJson.Default.AdminState, "").Where(field =>
        {
            var parts = field.Split('.');
            var part = text;
            if (parts.Length > 1)
            {
                var at = text.IndexOf($"| under `{parts[0]}`", StringComparison.Ordinal);
                if (at < 0)
                    return true;
                part = text[at..];
                part = part[..part.IndexOf("\n\n", StringComparison.Ordinal)];
            }
            return !part.Contains($"`{parts[^1]}`", StringComparison.Ordinal);
        });
        Assert.Empty(missing);
    }

    private static IEnumerable<string> Fields(JsonTypeInfo type, string before)
    {
        foreach (var property in type.Properties)
        {
            var inner = AdminJson.Default.GetTypeInfo(property.PropertyType);
            if (before.Length == 0 && inner is { Kind: JsonTypeInfoKind.Object })
            {
                foreach (var field in Fields(inner, property.Name + "."))
                    yield return field;
            }
            else
            {
                yield return before + property.Name;
            }
        }
    }

    private static string Documentation() =>
        File.ReadAllText(Repository.File("docs", "monitoring.md")).ReplaceLineEndings("\n");

    private static AdminState State() => new()
    {
        Version = "1.2.3",
        ActiveModel = "a",
        Switching = false,
        Loaded = ["a"],
        Models = ["a", "b\"\\"],
        BackendMode = "router",
        ProcessRunning = true,
        RouterRunning = true,
        InflightChats = 4,
        Phase = "ready",
        GoalModel = null,
        WaitingChats = 5,
        WaitingByModel = new Dictionary<string, int> { ["b\"\\"] = 5 },
        LastError = null,
        Switches = new SwitchCounts(
            new Dictionary<string, int> { ["switched"] = 2 }, [new PhaseTime("load", 1.5)], 3),
        Requests = new RequestCounts(9, 8, 1, 0, 1000, 0.25),
        ReadAhead = new ReadAheadTotals(2, 1, 3, 0.5),
        AllocatedBytes = 1,
        Snapshots = new SnapshotCounts(1, 5_000_000_000, 8L << 30, 2, 1, 0, 0, 6500, 210.5, true),
        PrefillAhead = new PrefillAheadState("idle", null, 0, 0, 0, 0, null, 70, 2.5),
    };
}
