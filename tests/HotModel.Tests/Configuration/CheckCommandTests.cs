using System.CommandLine;
using HotModel.Cli;
using HotModel.Configuration;

namespace HotModel.Tests.Configuration;

public sealed class CheckCommandTests : IDisposable
{
    private readonly ConfigFolder folder = new();

    public void Dispose() => folder.Dispose();

    private (int Status, string Output, string Error) Run(Command command, string toml)
    {
        var config = new InvocationConfiguration { Output = new StringWriter(), Error = new StringWriter() };
        var root = new RootCommand { command };
        var status = root.Parse([command.Name, "--config", folder.Write("f.toml", toml)]).Invoke(config);
        return (status, Text(config.Output), Text(config.Error));

        string Text(TextWriter writer) => folder.Short(writer.ToString()!.ReplaceLineEndings("\n"));
    }

    [Fact]
    public void Models_are_listed_sorted_one_a_line() => Assert.Equal((0, "B\na\nc d\n", ""),
        Run(ModelsCommand.Create(), "[models.a]\npath='a'\n[models.'c d']\npath='c'\n[models.B]\npath='b'\n"));

    [Fact]
    public void Wrong_configuration_gives_errors_and_status_2()
    {
        const string toml = "[server]\nport = 0\nhots = 1\n[models.a]\npath='a'\n";
        const string errors = "f.toml:2:8: port: 0 is not allowed; allowed is a whole number from 1 to 65535\n"
            + "f.toml:3:1: unknown key \"hots\" in [server] (did you mean \"host\"?)\n";

        Assert.Equal((2, "", errors), Run(ModelsCommand.Create(), toml));
        var (status, output, error) = Run(CheckCommand.Create(), toml);
        Assert.Equal((2, ""), (status, output));
        const string warning = "warning: f.toml:5:1: path: there is no file a\n";
        Assert.StartsWith(errors, error.Replace(warning, "", StringComparison.Ordinal));
    }

    [Fact]
    public void Check_warns_of_a_program_that_is_not_there()
    {
        var (status, _, error) = Run(CheckCommand.Create(), "[llama]\nbinary = 'llama-sevrer'\n[models.a]\npath='a'\n");
        Assert.Equal(0, status);
        Assert.Contains("warning: there is no program llama-sevrer\n", error);
    }

    [Fact]
    public void Check_warns_of_a_key_whose_variable_is_not_set()
    {
        var (status, _, error) = Run(CheckCommand.Create(),
            "[keys.phone]\nenv = 'HOTMODEL_TEST_NO_SUCH_KEY'\nscopes = ['inference']\n[models.a]\npath='a'\n");
        Assert.Equal(0, status);
        Assert.Contains("warning: [keys.phone]: the environment variable HOTMODEL_TEST_NO_SUCH_KEY is not set here\n", error);
    }

    [Fact]
    public void Check_shows_toml_with_command_line_and_preset_as_comments()
    {
        var (status, output, error) = Run(CheckCommand.Create(), "[models.a]\npath='it''s.gguf'\n".Replace("''", ""));

        Assert.Equal(0, status);
        // Whether llama-server is on this machine's PATH is none of this test's business.
        Assert.Equal("warning: f.toml:2:1: path: there is no file its.gguf\n",
            error.Replace("warning: there is no program llama-server\n", "", StringComparison.Ordinal));
        Assert.StartsWith("[server]\nhost = \"127.0.0.1\"\nport = 18080\n", output, StringComparison.Ordinal);
        Assert.Contains("\n# Command line of the router:\n#   llama-server --host 127.0.0.1 --port 28000 ", output);
        Assert.Contains("--models-preset .hotmodel/llama-models.ini --no-models-autoload ", output);
        Assert.Contains("\n#   [a]\n#   model = its.gguf\n#   c = 8192\n", output);
        folder.LoadGood(output);
    }

    [Fact]
    public void Check_quotes_command_lines_for_the_shell()
    {
        var (status, output, _) = Run(CheckCommand.Create(),
            "[llama]\nbackend_mode='process'\n[models.'a b']\npath=\"/it's \\\"me\\\"\"\nport=5\nextra_args=['', "
                + "'$x', 'a=b']\n");

        Assert.Equal(0, status);
        Assert.EndsWith("# Command line for a b:\n#   llama-server -m '/it'\\''s \"me\"' --host 127.0.0.1 --port 5 "
            + "-c 8192 --slot-save-path .hotmodel/snapshots '' '$x' a=b\n", output, StringComparison.Ordinal);
        folder.LoadGood(output);
    }
}
