using System.CommandLine;
using HotModel.Cli;
using HotModel.Llama;

namespace HotModel;

internal static class Program
{
    private static int Main(string[] args)
    {
        // The program starts itself again to start llama-server; that has to be quick and is nobody's command.
        if (LaunchCommand.TryRun(args, out var status))
            return status;
        return Create().Parse(args).Invoke();
    }

    internal static RootCommand Create() => new(
        "Stands beside llama-server: keeps conversations, switches models, serves an OpenAI-compatible endpoint.")
    {
        ServeCommand.Create(),
        SwitchCommand.Create(),
        ModelsCommand.Create(),
        CheckCommand.Create(),
        SessionsCommand.Create(ProxyAddress.Of),
        StatusCommand.Create(),
    };
}
