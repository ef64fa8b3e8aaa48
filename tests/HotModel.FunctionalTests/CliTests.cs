namespace HotModel.FunctionalTests;

public sealed class CliTests
{
    public static TheoryData<string> Commands => ["", "serve", "switch", "reload", "models", "check", "sessions", "status"];

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task Help_of_a_command_is_the_reviewed_text(string command)
    {
        var output = await CommandLine.RunAsync([.. command.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--help"]);
        Assert.Equal(0, output.ExitCode);
        Golden.Check($"help-{(command.Length == 0 ? "hotmodel" : command)}.txt", output.Out);
    }

    [Fact]
    public async Task Models_lists_the_names_sorted_one_a_line()
    {
        using var folder = new ConfigFolder("""
            [models.zeta]
            path = "zeta.gguf"
            [models.alpha]
            path = "alpha.gguf"
            """);
        var output = await CommandLine.RunAsync("models", "--config", folder.ConfigPath);
        Assert.Equal((0, "alpha\nzeta\n"), (output.ExitCode, output.Out));
    }

    [Fact]
    public async Task Check_of_a_good_file_shows_all_defaults_and_the_command_line()
    {
        using var folder = new ConfigFolder("""
            [models.a]
            path = "a.gguf"
            """);
        var output = await CommandLine.RunAsync("check", "--config", folder.ConfigPath);
        Assert.Equal(0, output.ExitCode);
        Assert.Contains("port = 18080", output.Out, StringComparison.Ordinal);
        Assert.Contains("switch_drain_timeout_seconds = 300", output.Out, StringComparison.Ordinal);
        Assert.Contains("--models-max 1", output.Out, StringComparison.Ordinal);
        // Relative paths are relative to the file, and this process runs elsewhere.
        Assert.Contains(Path.Combine(folder.Path, "a.gguf"), output.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_of_a_bad_file_names_every_error_with_its_place_and_exits_2()
    {
        using var folder = new ConfigFolder("""
            [server]
            prot = 1
            queue_limit = 0
            [models.a]
            path = 7
            """);
        var output = await CommandLine.RunAsync("check", "--config", folder.ConfigPath);
        Assert.Equal(2, output.ExitCode);
        Assert.Contains($"{folder.ConfigPath}:2:1:", output.Error, StringComparison.Ordinal);
        Assert.Contains("\"port\"", output.Error.Replace('\'', '"').Replace('`', '"'), StringComparison.Ordinal);
        Assert.Contains($"{folder.ConfigPath}:3:", output.Error, StringComparison.Ordinal);
        Assert.Contains($"{folder.ConfigPath}:5:", output.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Serve_with_a_bad_file_exits_2()
    {
        using var folder = new ConfigFolder("[server]\nport = \"x\"\n");
        var output = await CommandLine.RunAsync("serve", "--config", folder.ConfigPath);
        Assert.Equal(2, output.ExitCode);
    }

    [Fact]
    public async Task Environment_variable_overrides_the_file()
    {
        using var folder = new ConfigFolder("[models.a]\npath = \"a.gguf\"\n");
        var output = await CommandLine.RunAsync(
            [("HOTMODEL_SERVER__PORT", "18099")], "check", "--config", folder.ConfigPath);
        Assert.Contains("port = 18099", output.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Switch_without_a_running_proxy_says_so_and_exits_1()
    {
        using var folder = new ConfigFolder($"[server]\nport = {Ports.Next()}\n[models.a]\npath = \"a.gguf\"\n");
        var output = await CommandLine.RunAsync("switch", "a", "--config", folder.ConfigPath);
        Assert.Equal(1, output.ExitCode);
        Assert.Contains("hotmodel serve", output.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Switch_command_prints_the_report_as_json()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var output = await hotmodel.CommandAsync("switch", "b", "--json");
        Assert.Equal(0, output.ExitCode);
        var report = System.Text.Json.Nodes.JsonNode.Parse(output.Out)!;
        Assert.Equal(("a", "b"), ((string?)report["previous_model"], (string?)report["active_model"]));
    }

    [Fact]
    public async Task Switch_command_for_people_names_the_phases()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var output = await hotmodel.CommandAsync("switch", "b");
        Assert.Equal(0, output.ExitCode);
        Assert.Contains("a -> b in ", output.Out, StringComparison.Ordinal);
        Assert.Contains("loading b", output.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Switch_command_to_an_unknown_model_exits_1_and_names_the_known()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var output = await hotmodel.CommandAsync("switch", "nope");
        Assert.Equal(1, output.ExitCode);
        Assert.Contains("a, b", output.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Switch_command_with_a_drain_timeout_that_is_none_says_what_it_must_be_and_exits_2()
    {
        var output = await CommandLine.RunAsync("switch", "b", "--drain-timeout", "x");
        Assert.Equal(2, output.ExitCode);
        Assert.StartsWith(
            "--drain-timeout must be a number of seconds, 0 to 1000000.", output.Error.Trim(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Status_and_sessions_commands_show_what_the_proxy_knows()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var chat = await hotmodel.Api.ChatAsync("hello there", session: "s1");
        var status = await hotmodel.CommandAsync("status");
        var list = await hotmodel.CommandAsync("sessions", "list");
        var show = await hotmodel.CommandAsync("sessions", "show", "s1");
        var export = await hotmodel.CommandAsync("sessions", "export", "s1");
        var delete = await hotmodel.CommandAsync("sessions", "delete", "s1");
        var gone = await hotmodel.CommandAsync("sessions", "show", "s1");
        Assert.Contains("a (ready)", status.Out, StringComparison.Ordinal);
        Assert.Contains("s1", list.Out, StringComparison.Ordinal);
        Assert.Contains("hello there", show.Out, StringComparison.Ordinal);
        Assert.Contains(chat.Content!.Trim(), show.Out, StringComparison.Ordinal);
        Assert.Contains("\"history\"", export.Out, StringComparison.Ordinal);
        Assert.Equal((0, 1), (delete.ExitCode, gone.ExitCode));
        Assert.Contains("\"hotmodel sessions list\"", gone.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Second_serve_on_one_state_folder_is_refused()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var output = await CommandLine.RunAsync(
            [("HOTMODEL_SERVER__PORT", $"{Ports.Next()}")], "serve", "--config", hotmodel.Setup.ConfigPath);
        Assert.Equal(1, output.ExitCode);
        Assert.Contains(hotmodel.Setup.DatabaseFolder, output.Error, StringComparison.Ordinal);
        Assert.Equal(200, (await hotmodel.Api.ChatAsync("still there?")).Status);
    }

    [Fact]
    public async Task Serve_on_a_port_in_use_says_so_and_exits_1()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        using var folder = new ConfigFolder(
            $"[server]\nport = {hotmodel.Setup.Port}\n[llama]\nbinary = '{Programs.FakeLlamaServer}'\n"
            + "[models.a]\npath = \"a.gguf\"\n");
        var output = await CommandLine.RunAsync("serve", "--config", folder.ConfigPath);
        Assert.Equal(1, output.ExitCode);
        Assert.Contains($"{hotmodel.Setup.Port}", output.Error, StringComparison.Ordinal);
    }
}
