using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text.Json;
using HotModel.Api;
using HotModel.Http;
using HotModel.Llama;
using HotModel.Switching;

namespace HotModel.Cli;

/// <summary>hotmodel switch MODEL: asks the running proxy for a switch and shows how it goes.</summary>
internal static class SwitchCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "A configured name; hotmodel models lists them." };
        var config = ConfigOption.Create();
        var json = new Option<bool>("--json") { Description = "Print the report as JSON and nothing else." };
        var force = new Option<bool>("--force")
        {
            Description = "At the drain's deadline cut running answers instead of giving up; try it though it does not fit.",
        };
        var dry = new Option<bool>("--dry-run")
        {
            Description = "Show what the switch would do and change nothing; exit status 3 where the model does not fit.",
        };
        var drain = new Option<double?>("--drain-timeout")
        {
            Description = "Seconds to wait for running answers, instead of switch_drain_timeout_seconds.",
            HelpName = "SECONDS",
            CustomParser = ReadDrainTimeout,
        };
        var command = new Command("switch", "Make another model the active one.")
        {
            model, config, json, force, drain, dry,
        };
        command.SetAction(async (parsed, cancel) =>
        {
            if (ConfigOption.Load(parsed, config) is not { } loaded)
                return ConfigOption.BadConfigStatus;
            var name = parsed.GetRequiredValue(model);
            using var proxy = new ProxyClient(ProxyAddress.OfAdmin(loaded));
            var output = parsed.InvocationConfiguration.Output;
            var error = parsed.InvocationConfiguration.Error;
            if (parsed.GetValue(dry))
                return await SwitchPlanCommand.RunAsync(proxy, name, parsed.GetValue(json), output, error, cancel);
            var body = new SwitchRequestBody(name, parsed.GetValue(force), parsed.GetValue(drain));
            var progress = parsed.GetValue(json) ? null : new SwitchProgress(error, !Console.IsErrorRedirected);
            return await RunAsync(proxy, body, progress, output, error, cancel);
        });
        return command;
    }

    private static double? ReadDrainTimeout(ArgumentResult result)
    {
        if (double.TryParse(result.Tokens.Single().Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds)
            && SwitchRequest.IsDrainTimeout(seconds))
            return seconds;
        result.AddError($"--drain-timeout {SwitchRequest.DrainTimeoutRule}.");
        return null;
    }

    private static async Task<int> RunAsync(ProxyClient proxy, SwitchRequestBody body, SwitchProgress? progress,
        TextWriter output, TextWriter error, CancellationToken cancel)
    {
        try
        {
            using var listening = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            var watching = progress is null ? Task.CompletedTask : await WatchAsync(proxy, progress, listening.Token);
            var json = JsonSerializer.SerializeToUtf8Bytes(body, AdminJson.Default.SwitchRequestBody);
            using var reply = await proxy.SendAsync(HttpMethods.Post, "admin/switch", cancel, json);
            var text = await ProxyClient.ReadTextAsync(reply, cancel);
            await listening.CancelAsync();
            await watching;
            progress?.End();
            if (progress is null)
                await output.WriteLineAsync(text);
            var report = ReadReport(text);
            if (report is null)
            {
                if (progress is not null)
                    await error.WriteLineAsync(ProxyClient.ErrorMessage(text));
                return 1;
            }
            if (progress is not null)
                Show(report, report.Error is null ? output : error);
            return report.Error is null ? 0 : 1;
        }
        catch (HttpFailure e)
        {
            await error.WriteLineAsync(proxy.Explain(e));
            return 1;
        }
    }

    /// <summary>Returns once the events flow, so that none of the switch is missed.</summary>
    private static async Task<Task> WatchAsync(ProxyClient proxy, SwitchProgress progress, CancellationToken cancel)
    {
        var events = await proxy.SendAsync(HttpMethods.Get, "admin/events", cancel);
        return ReadAsync();

        async Task ReadAsync()
        {
            try
            {
                using (events)
                {
                    using var reader = new StreamReader(events.Body);
                    string? name = null;
                    while (await reader.ReadLineAsync(cancel) is { } line)
                    {
                        if (line.StartsWith("event: ", StringComparison.Ordinal))
                            name = line[7..];
                        else if (line.StartsWith("data: ", StringComparison.Ordinal))
                            progress.Show(name, line[6..]);
                    }
                }
            }
            catch (Exception e) when (e is OperationCanceledException or HttpFailure)
            {
                // The report says how the switch ended; this was only to look at.
            }
        }
    }

    private static SwitchReport? ReadReport(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return document.RootElement.TryGetProperty("phases", out _)
                ? document.Deserialize(AdminJson.Default.SwitchReport)
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static void Show(SwitchReport report, TextWriter output)
    {
        if (report.Error is null && report.Phases.Count == 0)
        {
            output.WriteLine(report.PreviousModel == report.ActiveModel
                ? $"{report.ActiveModel} is active already."
                : $"{report.PreviousModel} -> {report.ActiveModel}: was loaded already.");
            return;
        }
        output.WriteLine(report.Error is null
            ? $"{report.PreviousModel ?? "nothing"} -> {report.ActiveModel} in {Seconds(report.ElapsedSeconds)}"
            : $"The switch failed ({report.Reason}): {report.Error}");
        foreach (var phase in report.Phases)
            output.WriteLine($"  {phase.Name,-16} {Seconds(phase.Seconds),10}");
        if (report.GpuMemory is
            { BeforeUnload.TotalMb: { } before, AfterSettle.TotalMb: { } between, AfterLoad.TotalMb: { } after })
            output.WriteLine($"  device memory    {before} MiB -> {between} MiB -> {after} MiB, at most {report.PeakMb} MiB");
        if (report.Saved is { } saved)
            output.WriteLine($"  saved            {saved.Tokens} tokens of {Sessions(saved.Count)} in {Seconds(saved.Seconds)}");
        if (report.Restored is { } restored)
        {
            output.WriteLine($"  restored         {restored.Tokens} tokens in {Seconds(restored.Seconds)}"
                + (restored.SavedSeconds is { } saves ? $", which saves {Seconds(saves)}" : ""));
        }
        if (report.ReadAhead is { } ahead)
            output.WriteLine($"  read ahead       {ahead.Mb} MiB in {Seconds(ahead.Seconds)}, {ahead.AlreadyMb} MiB were there");
        foreach (var line in report.LogTail ?? [])
            output.WriteLine($"  | {line}");
        if (report.Error is not null)
            output.WriteLine(report.ActiveModel is { } active ? $"{active} answers." : "No model answers.");
    }

    private static string Sessions(int count) => count == 1 ? "1 session" : $"{count} sessions";

    private static string Seconds(double value) => value.ToString("0.000", CultureInfo.InvariantCulture) + " s";
}
