using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using HotModel.Api;
using HotModel.Http;

namespace HotModel.Cli;

/// <summary>hotmodel status: what the running proxy is doing.</summary>
internal static class StatusCommand
{
    public static Command Create()
    {
        var config = ConfigOption.Create();
        var json = new Option<bool>("--json") { Description = "Print the state as JSON." };
        var command = new Command("status", "Show what the running proxy is doing.") { config, json };
        command.SetAction(async (parsed, cancel) =>
        {
            if (ConfigOption.Load(parsed, config) is not { } loaded)
                return ConfigOption.BadConfigStatus;
            var (output, errors) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
            var address = ProxyAddress.OfAdmin(loaded);
            using var proxy = new ProxyClient(address);
            try
            {
                using var reply = await proxy.SendAsync(HttpMethods.Get, "admin/state", cancel);
                var text = await ProxyClient.ReadTextAsync(reply, cancel);
                if (!reply.IsSuccess)
                {
                    await errors.WriteLineAsync($"{address} answered {reply.Status}: {ProxyClient.ErrorMessage(text)}");
                    return 1;
                }
                if (parsed.GetValue(json))
                    await output.WriteLineAsync(text);
                else
                    Show(JsonSerializer.Deserialize(text, AdminJson.Default.AdminState)!, output);
                return 0;
            }
            catch (HttpFailure e)
            {
                await errors.WriteLineAsync(proxy.Explain(e));
                return 1;
            }
        });
        return command;
    }

    private static void Show(AdminState state, TextWriter output)
    {
        output.WriteLine($"active    {state.ActiveModel ?? "none"} ({state.Phase})");
        if (state.GoalModel is not null && state.GoalModel != state.ActiveModel)
            output.WriteLine($"goal      {state.GoalModel}");
        if (state.Loaded.Count > 1)
            output.WriteLine($"loaded    {string.Join(", ", state.Loaded)}");
        output.WriteLine($"models    {string.Join(", ", state.Models)}");
        var waiting = state.WaitingByModel.Count == 0 ? ""
            : $" ({string.Join(", ", state.WaitingByModel.Select(one => $"{one.Value} for {one.Key}"))})";
        output.WriteLine($"requests  {state.InflightChats} running, {state.WaitingChats} waiting{waiting}");
        var snapshots = state.Snapshots;
        if (snapshots.Count > 0 || snapshots.Restored > 0)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"snapshots {snapshots.Count} on disk, {snapshots.Bytes / 1e6:0} of at most {snapshots.MaxBytes / 1e6:0} MB; "
                + $"{snapshots.Saved} saved, {snapshots.Restored} restored since the start, which saved "
                + $"{snapshots.SavedSeconds:0.0} s of evaluating"));
        }
        if (snapshots.Restorable == false)
            output.WriteLine($"          {state.ActiveModel} cannot go on from snapshots, so none are kept of it");
        var ahead = state.PrefillAhead;
        if (ahead.SessionId is not null)
        {
            output.WriteLine($"ahead     {ahead.State}: {ahead.Tokens} of {ahead.TotalTokens} tokens of {ahead.SessionId}"
                + (ahead.Reason is null ? "" : $". {ahead.Reason}"));
        }
        if (state.LastError is not null)
            output.WriteLine($"problem   {state.LastError}");
    }
}
