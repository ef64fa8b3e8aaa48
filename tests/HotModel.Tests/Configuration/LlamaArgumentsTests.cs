using HotModel.Configuration;

namespace HotModel.Tests.Configuration;

public sealed class LlamaArgumentsTests : IDisposable
{
    private const string IdleSlots = "LLAMA_ARG_CACHE_IDLE_SLOTS";
    private static readonly Dictionary<string, string> NoEnvironment = [];

    private readonly ConfigFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Router_of_defaults_is_as_in_the_seed() => Assert.Equal(
        "--host 127.0.0.1 --port 28000 --models-max 1 --ctx-size 8192 --parallel 1 --cache-type-k q8_0 "
            + "--cache-type-v q8_0 "
            + "--no-models-autoload --kv-unified --cache-ram 1024 --no-cache-idle-slots --flash-attn auto --no-ui "
            + $"--slot-save-path {folder.File(".hotmodel/snapshots")}",
        string.Join(' ', LlamaArguments.Router(folder.LoadGood("[models.a]\npath='/a'\n"), null)));

    [Fact]
    public void Router_with_every_key_is_as_in_the_seed()
    {
        folder.Write("p.ini", "[a]\nmodel = /a\nc = 3\n");
        folder.Write("dir/x", "");
        var config = folder.LoadGood("""
            [snapshots]
            enabled = false
            [router]
            host = "::1"
            port = 0
            models_dir = "dir"
            models_preset = "p.ini"
            models_autoload = true
            ctx_size = 1
            parallel = 2
            cache_type_k = "f16"
            cache_type_v = "q4_0"
            kv_unified = false
            cache_ram_mb = -1
            cache_idle_slots = false
            flash_attn = "on"
            no_ui = false
            extra_args = ["--metrics", "--timeout", "60"]
            [models.a]
            path = "/a"
            ctx_size = 77
            """);

        Assert.Equal($"--host ::1 --port 4711 --models-max 1 --ctx-size 1 --parallel 2 --cache-type-k f16 "
            + $"--cache-type-v q4_0 --models-dir "
            + $"{folder.File("dir")} --models-preset {folder.File("p.ini")} --models-autoload --no-kv-unified "
            + "--cache-ram -1 --no-cache-idle-slots --flash-attn on --metrics --timeout 60",
            string.Join(' ', LlamaArguments.Router(config, config.Router.ModelsPreset, 4711)));
    }

    [Fact]
    public void Process_is_as_in_the_seed()
    {
        var config = folder.LoadGood("""
            [llama]
            backend_mode = "process"
            binary = "some-server"
            [models.a]
            path = "/a"
            port = 1234
            [models.b]
            path = "/b c"
            port = 1234
            host = "::1"
            ctx_size = 1
            gpu_layers = 99
            threads = 2
            parallel = 3
            extra_args = ["--jinja", "-x=1"]
            """);

        Assert.Equal(["-m", "/a", "--host", "127.0.0.1", "--port", "1234", "-c", "8192"],
            LlamaArguments.Process(config, config.Models["a"]));
        Assert.Equal(["-m", "/b c", "--host", "::1", "--port", "1234", "-c", "1", "-ngl", "99", "--threads", "2",
            "--parallel", "3", "--jinja", "-x=1"], LlamaArguments.Process(config, config.Models["b"]));
    }

    [Fact]
    public void Process_that_is_llama_server_gets_the_folder_for_slots()
    {
        const string toml = """
            [llama]
            backend_mode = "process"
            [models.a]
            path = "/a"
            port = 1234
            """;
        var config = folder.LoadGood(toml);

        Assert.Equal(["-c", "8192", "--slot-save-path", folder.File(".hotmodel/snapshots")],
            LlamaArguments.Process(config, config.Models["a"]).Skip(6));
        config = folder.LoadGood(toml, ("HOTMODEL_SNAPSHOTS__ENABLED", "false"));
        Assert.Equal(["-c", "8192"], LlamaArguments.Process(config, config.Models["a"]).Skip(6));
    }

    [Fact]
    public void Idle_slots_are_emptied_only_without_snapshots()
    {
        const string toml = "[router]\ncache_idle_slots = true\n[models.a]\npath = '/a'\n[models.b]\npath = '/b'\n"
            + "binary = 'some-server'";
        var config = folder.LoadGood(toml);
        Assert.Contains("--no-cache-idle-slots", LlamaArguments.Router(config, null));
        Assert.Equal("0", LlamaArguments.ProcessEnvironment(config, config.Models["a"], NoEnvironment)[IdleSlots]);
        Assert.Empty(LlamaArguments.ProcessEnvironment(config, config.Models["b"], NoEnvironment));
        config = folder.LoadGood(toml, ("HOTMODEL_SNAPSHOTS__ENABLED", "false"));
        Assert.Contains("--cache-idle-slots", LlamaArguments.Router(config, null));
        Assert.DoesNotContain(IdleSlots, LlamaArguments.ProcessEnvironment(config, config.Models["a"], NoEnvironment));
    }

    [Fact]
    public void Threads_for_requests_are_those_of_the_environment_or_enough()
    {
        const string Threads = "LLAMA_ARG_THREADS_HTTP";
        var config = folder.LoadGood("[models.a]\npath = '/a'\n[models.b]\npath = '/b'\nbinary = 'some-server'");
        Assert.Equal("128", LlamaArguments.RouterEnvironment(NoEnvironment)[Threads]);
        Assert.Equal("128", LlamaArguments.ProcessEnvironment(config, config.Models["a"], NoEnvironment)[Threads]);
        Assert.DoesNotContain(Threads, LlamaArguments.ProcessEnvironment(config, config.Models["b"], NoEnvironment));
        Dictionary<string, string> given = new() { [Threads] = "9" };
        Assert.Empty(LlamaArguments.RouterEnvironment(given));
        Assert.DoesNotContain(Threads, LlamaArguments.ProcessEnvironment(config, config.Models["a"], given));
    }

    [Fact]
    public void Folder_for_slots_in_a_preset_of_the_user_has_no_effect_and_is_told()
    {
        folder.Write("p.ini", "[a]\nmodel = /a\nslot-save-path = /mine\n");
        const string toml = "[router]\nmodels_preset = 'p.ini'\n[models.a]\npath = '/a'";

        Assert.Contains(folder.Load(toml).Warnings,
            warning => warning.Contains("slot-save-path has no effect", StringComparison.Ordinal));
        Assert.DoesNotContain(folder.Load(toml, ("HOTMODEL_SNAPSHOTS__ENABLED", "false")).Warnings,
            warning => warning.Contains("slot-save-path", StringComparison.Ordinal));
    }

    [Fact]
    public void Bound_of_snapshots_may_be_larger_than_two_gigabytes() => Assert.Equal(20_000_000_000,
        folder.LoadGood("[snapshots]\nmax_bytes = 20000000000\n[models.a]\npath = '/a'").Snapshots.MaxBytes);

    [Theory]
    [InlineData("[router]\nextra_args = ['--slot-save-path', '/mine']\n[models.a]\npath = '/a'")]
    [InlineData("[models.a]\npath = '/a'\nextra_args = ['--slot-save-path', '/mine']")]
    public void Folder_for_slots_of_the_user_turns_snapshots_off(string toml)
    {
        var result = folder.Load(toml);

        Assert.False(result.Config!.Snapshots.Enabled);
        Assert.DoesNotContain(result.Config.SnapshotDirectory, LlamaArguments.Router(result.Config, null));
        Assert.Contains(result.Warnings, warning => warning.Contains("snapshots are off", StringComparison.Ordinal));
        // Who has switched them off knows.
        Assert.DoesNotContain(folder.Load(toml, ("HOTMODEL_SNAPSHOTS__ENABLED", "false")).Warnings,
            warning => warning.Contains("snapshots", StringComparison.Ordinal));
    }
}
