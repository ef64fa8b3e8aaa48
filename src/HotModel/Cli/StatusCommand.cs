using System.CommandLine;
using System.Text.Json;
using HotModel.Api;

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
            using var proxy = new ProxyClient(ProxyAddress.Of(loaded));
            try
            {
                var text = await proxy.Http.GetStringAsync("admin/state", cancel);
                var output = parsed.InvocationConfiguration.Output;
                if (parsed.GetValue(json))
                    await output.WriteLineAsync(text);
                else
                    Show(JsonSerializer.Deserialize(text, AdminJson.Default.AdminState)!, output);
                return 0;
            }
            catch (HttpRequestException e)
            {
                await parsed.InvocationConfiguration.Error.WriteLineAsync(proxy.Explain(e));
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
        output.WriteLine($"models    {string.Join(", ", state.Models)}");
        output.WriteLine($"requests  {state.InflightChats} running, {state.WaitingChats} waiting");
        if (state.LastError is not null)
            output.WriteLine($"problem   {state.LastError}");
    }
}
