using System.CommandLine;
using System.Text.Json;
using HotModel.Api;
using HotModel.Http;

namespace HotModel.Cli;

/// <summary>hotmodel reload: has the running proxy read its configuration file again.</summary>
internal static class ReloadCommand
{
    public static Command Create()
    {
        var config = ConfigOption.Create();
        var json = new Option<bool>("--json") { Description = "Print the report as JSON and nothing else." };
        var dry = new Option<bool>("--dry-run") { Description = "Show what the reload would do and change nothing." };
        var command = new Command("reload", "Have the running proxy read its configuration file again.") { config, json, dry };
        command.SetAction(async (parsed, cancel) =>
        {
            if (ConfigOption.Load(parsed, config) is not { } loaded)
                return ConfigOption.BadConfigStatus;
            using var proxy = new ProxyClient(ProxyAddress.OfAdmin(loaded));
            return await RunAsync(proxy, parsed.GetValue(dry), parsed.GetValue(json),
                parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error, cancel);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        ProxyClient proxy, bool isDryRun, bool isJson, TextWriter output, TextWriter error, CancellationToken cancel)
    {
        try
        {
            var body = JsonSerializer.SerializeToUtf8Bytes(
                new ReloadRequestBody(isDryRun), AdminJson.Default.ReloadRequestBody);
            using var reply = await proxy.SendAsync(HttpMethods.Post, "admin/reload", cancel, body);
            var text = await ProxyClient.ReadTextAsync(reply, cancel);
            if (!reply.IsSuccess)
            {
                await (isJson ? output.WriteLineAsync(text) : error.WriteLineAsync(ProxyClient.ErrorMessage(text)));
                return reply.Status == StatusCodes.Status422UnprocessableEntity ? ConfigOption.BadConfigStatus : 1;
            }
            if (isJson)
                await output.WriteLineAsync(text);
            else
                Show(JsonSerializer.Deserialize(text, AdminJson.Default.ReloadReport)!, output);
            return 0;
        }
        catch (HttpFailure e)
        {
            await error.WriteLineAsync(proxy.Explain(e) + (e.Stage == HttpStage.Connect
                ? " Where its address in [server] is another one now, start it again, or send it SIGHUP." : ""));
            return 1;
        }
    }

    internal static void Show(ReloadReport report, TextWriter output)
    {
        foreach (var warning in report.Warnings)
            output.WriteLine($"warning: {warning}");
        if (report.IsEmpty)
        {
            output.WriteLine("The configuration is the one in force.");
            return;
        }
        output.WriteLine(report.DryRun ? "Nothing was changed. A reload would bring:" : "The new configuration is in force.");
        Line(output, "added", report.Added);
        Line(output, "removed", report.Removed);
        Line(output, "changed", report.Changed);
        Line(output, "settings", report.Settings);
        Line(output, "waits", report.Waiting, ": running answers end first");
        Line(output, "needs a restart", report.NeedsRestart);
    }

    private static void Line(TextWriter output, string title, IReadOnlyList<string> names, string more = "")
    {
        if (names.Count > 0)
            output.WriteLine($"  {title,-16} {string.Join(", ", names)}{more}");
    }
}
