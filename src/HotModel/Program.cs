using System.CommandLine;
using HotModel.Cli;
using HotModel.Llama;

namespace HotModel;

internal static class Program
{
    private static int Main(string[] args) => args switch
    {
        // The program starts itself again to start llama-server and to guard it: nobody's commands, and they have to be quick.
        [LaunchCommand.Name, ..] => LaunchCommand.Run(args),
        [GuardCommand.Name, ..] => GuardCommand.Run(),
        // No time limit of the parser's own on SIGTERM: the host drains, and bounds that itself.
        _ => Run(Create().Parse(args), new InvocationConfiguration { ProcessTerminationTimeout = null }),
    };

    private static int Run(ParseResult parsed, InvocationConfiguration invocation)
    {
        var status = parsed.Invoke(invocation);
        return parsed.Errors.Count > 0 ? ConfigOption.BadConfigStatus : status;
    }

    internal static RootCommand Create() => new(
        "Stands beside llama-server: keeps conversations, switches models, serves an OpenAI-compatible endpoint.")
    {
        ServeCommand.Create(),
        SwitchCommand.Create(),
        ReloadCommand.Create(),
        ModelsCommand.Create(),
        CheckCommand.Create(),
        SessionsCommand.Create(),
        StatusCommand.Create(),
        NewKeyCommand.Create(),
    };
}
