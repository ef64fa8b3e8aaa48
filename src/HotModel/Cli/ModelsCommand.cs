using System.CommandLine;

namespace HotModel.Cli;

/// <summary>hotmodel models: the configured names, sorted, one a line.</summary>
internal static class ModelsCommand
{
    public static Command Create()
    {
        var config = ConfigOption.Create();
        var command = new Command("models", "List the configured models.") { config };
        command.SetAction(parsed =>
        {
            if (ConfigOption.Load(parsed, config) is not { } loaded)
                return ConfigOption.BadConfigStatus;
            foreach (var name in loaded.Models.Keys)
                parsed.InvocationConfiguration.Output.WriteLine(name);
            return 0;
        });
        return command;
    }
}
