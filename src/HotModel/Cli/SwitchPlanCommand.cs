using System.Globalization;
using System.Text.Json;
using HotModel.Api;
using HotModel.Fit;
using HotModel.Http;

namespace HotModel.Cli;

/// <summary>hotmodel switch MODEL --dry-run: what the switch would do.</summary>
internal static class SwitchPlanCommand
{
    /// <summary>By it a script tells a model that does not fit from a proxy that does not answer (1).</summary>
    private const int DoesNotFitStatus = 3;

    public static async Task<int> RunAsync(
        ProxyClient proxy, string model, bool isJson, TextWriter output, TextWriter error, CancellationToken cancel)
    {
        try
        {
            var json = JsonSerializer.SerializeToUtf8Bytes(
                new SwitchRequestBody(model, null, null, DryRun: true), AdminJson.Default.SwitchRequestBody);
            using var reply = await proxy.SendAsync(HttpMethods.Post, "admin/switch", cancel, json);
            var text = await ProxyClient.ReadTextAsync(reply, cancel);
            if (reply.Status != StatusCodes.Status200OK)
            {
                await (isJson ? output.WriteLineAsync(text) : error.WriteLineAsync(ProxyClient.ErrorMessage(text)));
                return 1;
            }
            var plan = JsonSerializer.Deserialize(text, AdminJson.Default.FitPlan)!;
            if (isJson)
                await output.WriteLineAsync(text);
            else
                Show(plan, output);
            return plan.Fits == false ? DoesNotFitStatus : 0;
        }
        catch (HttpFailure e)
        {
            await error.WriteLineAsync(proxy.Explain(e));
            return 1;
        }
    }

    internal static void Show(FitPlan plan, TextWriter output)
    {
        if (plan.AlreadyActive)
        {
            output.WriteLine($"{plan.Model} is active already.");
            return;
        }
        if (plan.AlreadyLoaded)
        {
            output.WriteLine($"{plan.ActiveModel} -> {plan.Model}: is loaded already.");
            return;
        }
        output.WriteLine($"{plan.ActiveModel ?? "nothing"} -> {plan.Model}: "
            + (plan.Fits switch { true => "fits", false => "does not fit", null => "not known whether it fits" }));
        output.WriteLine(plan.Beside.Count > 0
            ? $"  way              beside {string.Join(", ", plan.Beside)}: all in memory at once, no request waits"
            : "  way              in the place of what leaves: never two in memory");
        output.WriteLine($"  unloads          {(plan.Unloads.Count > 0 ? string.Join(", ", plan.Unloads) : "nothing")}"
            + (plan is { Unloads.Count: > 0, Beside.Count: > 0 } ? ", when the other one answers" : ""));
        foreach (var device in plan.Devices)
        {
            output.WriteLine($"  {device.Name,-16} {Mb(device.FreeMb)} free + {Mb(device.FreedMb)} freed - "
                + $"{Mb(device.MarginMb)} margin, needs {Mb(device.NeededMb)} ({device.Source ?? "not known"}): "
                + (device.Fits ? "fits" : "does not fit"));
        }
        if (plan.Devices.Count > 0)
            output.WriteLine($"  ctx_size         {Context(plan.CtxSize)}, the largest that would fit: {Largest(plan)}");
        output.WriteLine($"  expected         unload {Seconds(plan.Seconds.Unload)}, load {Seconds(plan.Seconds.Load)}");
        output.WriteLine($"  files in memory  {Part(plan.Warm.PageCache)}");
        if (plan.Warm.Snapshot is { } snapshot)
            output.WriteLine($"  snapshot         {snapshot.Tokens} tokens of {snapshot.Session}");
        if (plan.Reason is not null)
            output.WriteLine(plan.Reason);
        foreach (var note in plan.Notes)
            output.WriteLine(note);
    }

    private static string Mb(long? value) => value is { } mb ? string.Create(CultureInfo.InvariantCulture, $"{mb} MiB") : "?";

    private static string Context(long tokens) =>
        tokens > 0 ? tokens.ToString(CultureInfo.InvariantCulture) : "what the model was trained for";

    private static string Largest(FitPlan plan) =>
        plan.LargestCtxSize?.ToString(CultureInfo.InvariantCulture) ?? (plan.Fits is null ? "not known" : "none");

    private static string Seconds(double? value) =>
        value is { } seconds ? seconds.ToString("0.000", CultureInfo.InvariantCulture) + " s" : "not measured yet";

    private static string Part(double? value) =>
        value is { } part ? (part * 100).ToString("0", CultureInfo.InvariantCulture) + " %" : "not known";
}
