using System.CommandLine;
using System.Text;
using HotModel.Access;

namespace HotModel.Cli;

/// <summary>hotmodel new-key: makes an API key. Nothing is stored.</summary>
internal static class NewKeyCommand
{
    public static Command Create()
    {
        var command = new Command("new-key", "Make an API key, and show it with what the configuration needs of it.");
        command.SetAction(parsed =>
        {
            var key = ApiKeys.Create();
            parsed.InvocationConfiguration.Output.Write($"""
                {key}

                # In hotmodel.toml, with a name of your choice:
                [keys.NAME]
                sha256 = "{Convert.ToHexStringLower(Sha256.Hash(Encoding.UTF8.GetBytes(key)))}"
                scopes = ["inference"]  # and "read", or "admin"

                """);
        });
        return command;
    }
}
