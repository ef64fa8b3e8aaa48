using HotModel.Configuration;

namespace HotModel.Tests.Configuration;

public sealed class PresetWriterTests : IDisposable
{
    private readonly ConfigFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Preset_holds_a_section_per_model()
    {
        var config = folder.LoadGood("""
            [models.a]
            path = "/m/my model.gguf"
            extra_args = ["--jinja", "--cache-reuse", "256", "--no-mmap", "--temp", "-1", "--chat-template", ""]
            [models.b]
            path = "/m/é日本.gguf"
            router_id = "org/b:Q8 x"
            gpu_layers = -1
            threads = 4
            parallel = 1
            """);

        Assert.Equal("""
            ; Written by HotModel at every start from [models.*] of its configuration; edit that instead.
            version = 1

            [a]
            model = /m/my model.gguf
            c = 8192
            load-on-startup = false
            stop-timeout = 20
            jinja = true
            cache-reuse = 256
            no-mmap = true
            temp = -1
            chat-template = 

            [org/b:Q8 x]
            model = /m/é日本.gguf
            c = 8192
            n-gpu-layers = -1
            threads = 4
            parallel = 1
            load-on-startup = false
            stop-timeout = 20

            """.ReplaceLineEndings("\n"), PresetWriter.Render(config));
    }

    [Fact]
    public void Extra_args_win_over_keys_under_any_of_their_names()
    {
        var config = folder.LoadGood("""
            [models.a]
            path = "/m/a.gguf"
            ctx_size = 100
            gpu_layers = 1
            extra_args = ["-c", "200", "--gpu-layers", "2", "--stop-timeout", "60"]
            """);

        var section = Assert.Single(PresetFile.Read(Written(config)).Sections, found => found.Name == "a");
        Assert.Equal([("model", "/m/a.gguf"), ("load-on-startup", "false"), ("c", "200"), ("gpu-layers", "2"),
            ("stop-timeout", "60")], section.Entries.Select(entry => (entry.Key, entry.Value)));
    }

    [Fact]
    public void What_a_model_sets_differently_moves_from_the_command_line_to_the_preset()
    {
        var config = folder.LoadGood("""
            [router]
            ctx_size = 4096
            [models.a]
            path = "/m/a.gguf"
            ctx_size = 512
            extra_args = ["-fa", "off", "--no-kv-unified"]
            [models.b]
            path = "/m/b.gguf"
            """);

        var preset = PresetFile.Read(Written(config));

        Assert.Equal([("ctx-size", "4096"), ("kv-unified", "true"), ("flash-attn", "auto")],
            preset.Find("*")!.Entries.Select(entry => (entry.Key, entry.Value)));
        Assert.Contains(preset.Find("b")!.Entries, entry => (entry.Key, entry.Value) == ("c", "4096"));
        Assert.Equal("--host 127.0.0.1 --port 28000 --models-max 1 --parallel 1 --cache-type-k q8_0 --cache-type-v "
            + "q8_0 --models-preset p.ini --no-models-autoload --cache-ram 1024 --no-cache-idle-slots --no-ui "
            + $"--slot-save-path {config.SnapshotDirectory}",
            string.Join(' ', LlamaArguments.Router(config, "p.ini")));
    }

    [Theory]
    [InlineData("path = '/m/a;b.gguf'", "2:1: path: ';' in \"/m/a;b.gguf\": llama-server's preset format cuts a "
        + "value there; rename the file or its folder")]
    [InlineData("path = '/m/a#b.gguf'", "2:1: path: '#' in \"/m/a#b.gguf\": llama-server's preset format cuts a "
        + "value there; rename the file or its folder")]
    [InlineData("path = '/m/a '", "2:1: path: a blank at the end of \"/m/a \": llama-server's preset format loses it; "
        + "rename the file or its folder")]
    [InlineData("path = \"/m/a\\nb\"", "2:1: path: a line break or control character in \"/m/a\\nb\": a preset's "
        + "value is one line; rename the file or its folder")]
    [InlineData("path = '/m'\nrouter_id = 'a]'", "3:1: router_id: the name of a preset may not hold ']' or a "
        + "control character")]
    [InlineData("path = '/m'\nrouter_id = '*'", "3:1: router_id: \"*\" is the section of defaults, not a model")]
    [InlineData("path = '/m'\nrouter_id = 'a '",
        "3:1: router_id: the name of a preset may not be empty, or begin or end with a blank")]
    [InlineData("path = '/m'\nextra_args = ['--samplers', 'top_k;temp']", "3:1: extra_args: --samplers: ';' in "
        + "\"top_k;temp\": llama-server's preset format cuts a value there" + Needed)]
    [InlineData("path = '/m'\nextra_args = ['--seed=3']", "3:1: extra_args: \"--seed=3\": llama-server takes the "
        + "value as an argument of its own, \"--name\", \"value\"" + Needed)]
    [InlineData("path = '/m'\nextra_args = ['jinja']",
        "3:1: extra_args: \"jinja\" is no option; write \"--name\", or \"--name\", \"value\"" + Needed)]
    [InlineData("path = '/m'\nextra_args = ['--control-vector-layer-range', '1', '2']", "3:1: extra_args: \"2\" "
        + "would be a second value, and a preset holds one per option; write \"--name\", \"value\"" + Needed)]
    [InlineData("path = '/m'\nextra_args = ['--lora', 'a', '--lora', 'b']", "3:1: extra_args: \"--lora\" is given "
        + "twice, and a preset keeps only the last; join the values with commas" + Needed)]
    [InlineData("path = '/m'\nextra_args = ['--alias', 'a']", "3:1: extra_args: \"--alias\" is set by HotModel or by "
        + "llama-server's router; leave it out" + Needed)]
    public void What_a_preset_cannot_hold_is_refused(string keys, string error)
    {
        Assert.Equal([$"hotmodel.toml:{error}"], folder.Errors($"[models.a]\n{keys}\n"));

        // Without a preset of ours there is nothing to refuse.
        folder.LoadGood($"[models.a]\nport = 1\n{keys}\n[llama]\nbackend_mode = 'process'\n");
    }

    private const string Needed = "; needed for backend_mode = \"router\" without models_preset";

    [Fact]
    public void File_is_replaced_whole_and_for_the_user_alone()
    {
        var config = folder.LoadGood("[models.a]\npath='/a'\n");
        var path = folder.Write("state/p.ini", "old");

        PresetWriter.Write(config, path);

        Assert.Equal(PresetWriter.Render(config), File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFiles(folder.File("state")));
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
    }

    [Fact]
    public void Folder_that_takes_nothing_is_no_error_where_the_file_is_as_it_should_be()
    {
        var config = folder.LoadGood("[models.a]\npath='/a'\n");
        var path = folder.Write("state/p.ini", PresetWriter.Render(config));
        // A folder in the place of the file that it would write first: nobody can do that.
        Directory.CreateDirectory($"{path}.{Environment.ProcessId}.tmp");

        PresetWriter.Write(config, path);

        File.AppendAllText(path, "; an older one");
        Assert.ThrowsAny<Exception>(() => PresetWriter.Write(config, path));
    }

    private string Written(HotModelConfig config)
    {
        var path = folder.File("written.ini");
        PresetWriter.Write(config, path);
        var preset = PresetFile.Read(path);
        Assert.Empty(preset.Errors);
        return path;
    }
}
