using System.Globalization;
using System.Text;

namespace HotModel.Api;

/// <param name="Type">"counter": it only grows, until the program ends; else "gauge".</param>
/// <param name="Help">One sentence.</param>
/// <param name="Label">What tells its values apart; null: there is one.</param>
/// <param name="Write">Calls with each value, and what its label says; "" where there is none.</param>
internal sealed record Metric(
    string Name, string Type, string Help, string? Label, Action<AdminState, Action<string, double>> Write);

/// <summary>The state as Prometheus reads it: its text format, version 0.0.4.</summary>
internal static class MetricsText
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private const string Counter = "counter", Gauge = "gauge";

    /// <summary>In the order in which they are written.</summary>
    public static readonly IReadOnlyList<Metric> All =
    [
        new("hotmodel_info", Gauge, "1; the label says which version.", "version", (state, add) => add(state.Version, 1)),
        One("hotmodel_ready", Gauge, "1 while a model answers.", state => state.Phase == "ready" ? 1 : 0),
        new("hotmodel_model_loaded", Gauge, "1 for models in memory, 0 for the others.", "model", (state, add) =>
        {
            foreach (var model in state.Models.Union(state.Loaded))
                add(model, state.Loaded.Contains(model) ? 1 : 0);
        }),
        new("hotmodel_switches_total", Counter, "Switches, by how they ended.", "outcome", (state, add) =>
        {
            foreach (var (outcome, count) in state.Switches.Outcomes)
                add(outcome, count);
        }),
        new("hotmodel_switch_seconds_total", Counter, "What switches took, by phase.", "phase", (state, add) =>
        {
            foreach (var phase in state.Switches.Phases)
                add(phase.Name, phase.Seconds);
        }),
        One("hotmodel_lost_models_total", Counter, "Loaded models whose process ended by itself.",
            state => state.Switches.LostModels),
        One("hotmodel_requests_total", Counter, "Requests for models.", state => state.Requests.Total),
        One("hotmodel_requests_running", Gauge, "Requests that are being answered.", state => state.InflightChats),
        new("hotmodel_requests_waiting", Gauge, "Requests that wait, by the model that they wait for.", "model", (state, add) =>
        {
            foreach (var model in state.Models.Union(state.WaitingByModel.Keys))
                add(model, state.WaitingByModel.TryGetValue(model, out var count) ? count : 0);
        }),
        One("hotmodel_request_wait_seconds_total", Counter, "What requests waited for their model.",
            state => state.Requests.WaitSeconds),
        One("hotmodel_streams_total", Counter, "Answers that were streamed.", state => state.Requests.Streams),
        One("hotmodel_cut_streams_total", Counter, "Answers that a lost model or a switch cut.",
            state => state.Requests.CutStreams),
        One("hotmodel_store_failures_total", Counter, "Answers that could not be stored.",
            state => state.Requests.StoreFailures),
        One("hotmodel_relayed_bytes_total", Counter, "Bytes of answers.", state => state.Requests.RelayedBytes),
        One("hotmodel_snapshots", Gauge, "Snapshots on disk.", state => state.Snapshots.Count),
        One("hotmodel_snapshot_bytes", Gauge, "Their size.", state => state.Snapshots.Bytes),
        One("hotmodel_snapshot_max_bytes", Gauge, "The size they may have.", state => state.Snapshots.MaxBytes),
        One("hotmodel_snapshots_saved_total", Counter, "Snapshots written.", state => state.Snapshots.Saved),
        One("hotmodel_snapshots_restored_total", Counter, "Snapshots read back.", state => state.Snapshots.Restored),
        One("hotmodel_snapshots_failed_total", Counter, "Snapshots that could not be written or read back.",
            state => state.Snapshots.Failed),
        One("hotmodel_snapshots_evicted_total", Counter, "Snapshots deleted to make room.", state => state.Snapshots.Evicted),
        new("hotmodel_reused_tokens_total", Counter, "Tokens that answers did not have to evaluate, by where they came from.",
            "source", (state, add) =>
            {
                add("snapshot", state.Snapshots.ReusedTokens);
                add("ahead", state.PrefillAhead.UsedTokens);
            }),
        new("hotmodel_saved_seconds", Gauge, "What clients did not wait for thanks to them.", "source", (state, add) =>
        {
            add("snapshot", state.Snapshots.SavedSeconds);
            add("ahead", state.PrefillAhead.SavedSeconds);
        }),
        new("hotmodel_read_ahead_bytes_total", Counter, "Of models, before their load: read, or found in memory.", "source",
            (state, add) =>
            {
                if (state.ReadAhead is not { } ahead)
                    return;
                add("disk", Bytes(ahead.Mb));
                add("memory", Bytes(ahead.AlreadyMb));
            }),
        One("hotmodel_allocated_bytes_total", Counter, "What the program took from its garbage collector.",
            state => state.AllocatedBytes),
    ];

    public static string Of(AdminState state)
    {
        var text = new StringBuilder();
        foreach (var metric in All)
        {
            text.Append(CultureInfo.InvariantCulture, $"# HELP {metric.Name} {metric.Help}\n");
            text.Append(CultureInfo.InvariantCulture, $"# TYPE {metric.Name} {metric.Type}\n");
            metric.Write(state, (label, value) =>
            {
                text.Append(metric.Name);
                if (metric.Label is not null)
                    text.Append('{').Append(metric.Label).Append("=\"").Append(Escape(label)).Append("\"}");
                text.Append(CultureInfo.InvariantCulture, $" {value:R}\n");
            });
        }
        return text.ToString();
    }

    private static Metric One(string name, string type, string help, Func<AdminState, double> value) =>
        new(name, type, help, null, (state, add) => add("", value(state)));

    private static double Bytes(long mebibytes) => mebibytes * (double)(1 << 20);

    private static string Escape(string label) => label
        .Replace("\\", "\\\\", StringComparison.Ordinal)
        .Replace("\"", "\\\"", StringComparison.Ordinal)
        .Replace("\n", "\\n", StringComparison.Ordinal);
}
