using HotModel.Configuration;

namespace HotModel.Tests.Configuration;

public sealed class LlamaArgumentsTests : IDisposable
{
    private readonly ConfigFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Router_of_defaults_is_as_in_the_seed() => Assert.Equal(
        "--host 127.0.0.1 --port 28000 --models-max 1 --ctx-size 8192 --parallel 1 --cache-type-k q8_0 "
            + "--cache-type-v q8_0 "
            + "--no-models-autoload --kv-unified --cache-ram 1024 --cache-idle-slots --flash-attn auto --no-ui",
        string.Join(' ', LlamaArguments.Router(folder.LoadGood("[models.a]\npath='/a'\n"), null)));

    [Fact]
    public void Router_with_every_key_is_as_in_the_seed()
    {
        folder.Write("p.ini", "[a]\nmodel = /a\nc = 3\n");
        folder.Write("dir/x", "");
        var config = folder.LoadGood("""
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
}
