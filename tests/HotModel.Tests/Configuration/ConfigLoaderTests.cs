using HotModel.Configuration;

namespace HotModel.Tests.Configuration;

public sealed class ConfigLoaderTests : IDisposable
{
    private const string Model = "[models.a]\npath = \"a.gguf\"\n";
    private readonly ConfigFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Defaults_of_smallest_file_are_those_of_the_seed()
    {
        var config = folder.LoadGood(Model);

        Assert.Equal(folder.File("hotmodel.toml"), config.FilePath);
        Assert.Equal(("127.0.0.1", 18080), (config.Server.Host, config.Server.Port));
        Assert.Equal(folder.File(".hotmodel/state.json"), config.Server.StatePath);
        Assert.Equal(folder.File(".hotmodel"), config.Server.StateDirectory);
        Assert.Null(config.Server.ActiveModel);
        Assert.Equal((SwitchPolicy.ZeroOverlap, 1), (config.Server.SwitchPolicy, config.Server.ModelsMax));
        Assert.Equal(TimeSpan.FromSeconds(300), config.Server.DrainTimeout);
        Assert.Equal(TimeSpan.Zero, config.Server.GpuSettleTimeout);
        Assert.Null(config.Server.GpuSettleMemoryMb);
        Assert.Equal((DuringSwitch.Wait, 64), (config.Server.DuringSwitch, config.Server.QueueLimit));
        Assert.Equal(TimeSpan.FromSeconds(300), config.Server.QueueTimeout);
        Assert.Equal((SwitchOnRequest.Switch, BackgroundRequests.Wait),
            (config.Server.SwitchOnRequest, config.Server.BackgroundRequests));
        Assert.Equal((TimeSpan.FromSeconds(60), 32, null),
            (config.Server.QueueMaxWait, config.Server.QueueLimitPerModel, config.Server.MinResidency));
        Assert.Equal(TimeSpan.FromSeconds(600), config.Server.LoadTimeout);
        Assert.Equal(TimeSpan.FromSeconds(20), config.Server.StopTimeout);
        Assert.Equal(64L << 20, config.Server.MaxBodyBytes);
        Assert.True(config.Server.FastRelay);
        Assert.True(config.Server.ReadAhead);
        Assert.Equal(new SessionConfig
        {
            MaxSessionMessages = null,
            MaxPromptChars = null,
            MaxPromptTokens = null,
            TokenBudgetMode = TokenBudgetMode.Auto,
            CharsPerToken = 4,
            MaxSessions = 10000,
            ExpireDays = null,
        }, config.Session);
        Assert.Equal(new SnapshotConfig
        {
            Enabled = true,
            MinTokens = 512,
            MaxBytes = null,
            PrefillAhead = TimeSpan.FromSeconds(300),
        }, config.Snapshots);
        Assert.Equal(new PresetConfig { SystemPrompt = "", ClientSystem = ClientSystem.Merge }, config.Preset);
        Assert.Equal((BackendMode.Router, "llama-server", "127.0.0.1"),
            (config.Llama.BackendMode, config.Llama.Binary, config.Llama.Host));
        var router = config.Router;
        Assert.Equal(("llama-server", "127.0.0.1", 28000), (router.Binary, router.Host, router.Port));
        Assert.Equal((null, null), (router.ModelsDir, router.ModelsPreset));
        Assert.Equal((1, false), (router.ModelsMax, router.ModelsAutoload));
        Assert.Equal((8192, 1), (router.CtxSize, router.Parallel));
        Assert.Equal(("q8_0", "q8_0"), (router.CacheTypeK, router.CacheTypeV));
        Assert.Equal((true, 1024, false, "auto", true),
            (router.KvUnified, router.CacheRamMb, router.CacheIdleSlots, router.FlashAttn, router.NoUi));
        Assert.Empty(router.ExtraArgs);
        var model = Assert.Single(config.Models).Value;
        Assert.Equal(("a", folder.File("a.gguf"), "a"), (model.Name, model.Path, model.RouterId));
        Assert.Equal((null, 8192, null, null, null),
            (model.Port, model.CtxSize, model.GpuLayers, model.Threads, model.Parallel));
        Assert.Empty(model.ExtraArgs);
        Assert.Equal(("127.0.0.1", "llama-server"), (model.Host, model.Binary));
        Assert.Empty(model.Aliases);
        Assert.Equal((null, false), (model.IdleUnload, model.Pin));
    }

    [Fact]
    public void What_becomes_of_requests_that_name_models_is_read()
    {
        var config = folder.LoadGood($"""
            [server]
            switch_on_request = "reject"
            queue_max_wait_seconds = 7.5
            queue_limit_per_model = 3
            min_residency_seconds = 0
            background_requests = "refuse"
            {Model}
            aliases = ["gpt-4o", "x y"]
            idle_unload_seconds = 900
            pin = true
            [models.b]
            path = "b.gguf"
            """, ("HOTMODEL_MODELS__B__ALIASES", """["gpt-4.1"]"""));

        Assert.Equal((SwitchOnRequest.Reject, BackgroundRequests.Refuse),
            (config.Server.SwitchOnRequest, config.Server.BackgroundRequests));
        Assert.Equal((TimeSpan.FromSeconds(7.5), 3, TimeSpan.Zero),
            (config.Server.QueueMaxWait, config.Server.QueueLimitPerModel, config.Server.MinResidency));
        Assert.Equal(["gpt-4o", "x y"], config.Models["a"].Aliases);
        Assert.Equal((TimeSpan.FromMinutes(15), true), (config.Models["a"].IdleUnload, config.Models["a"].Pin));
        Assert.Equal(["gpt-4.1"], config.Models["b"].Aliases);
    }

    [Fact]
    public void Binary_and_host_of_router_and_model_follow_llama()
    {
        var config = folder.LoadGood($"""
            [llama]
            binary = "bin/llama-server"
            host = "::1"
            [router]
            host = "127.0.0.2"
            [models.b]
            path = "/m/b.gguf"
            binary = "other-server"
            {Model}
            """);

        Assert.Equal((folder.File("bin/llama-server"), "127.0.0.2"), (config.Router.Binary, config.Router.Host));
        Assert.Equal((folder.File("bin/llama-server"), "::1"), (config.Models["a"].Binary, config.Models["a"].Host));
        Assert.Equal(("other-server", "/m/b.gguf"), (config.Models["b"].Binary, config.Models["b"].Path));
    }

    [Fact]
    public void Models_are_in_ordinal_order()
    {
        var config = folder.LoadGood("[models.b]\npath='b'\n[models.\"a.x\"]\npath='a'\n[models.B]\npath='B'\n");

        Assert.Equal(["B", "a.x", "b"], config.Models.Keys);
    }

    [Fact]
    public void Dotted_keys_and_inline_tables_say_the_same_as_headers()
    {
        var config = folder.LoadGood("""
            server.port = 5
            llama = { backend_mode = "process" }
            [models]
            x.path = "x.gguf"
            x.port = 9
            y = { path = "y.gguf", port = 9 }
            """);

        Assert.Equal(5, config.Server.Port);
        Assert.Equal(BackendMode.Process, config.Llama.BackendMode);
        Assert.Equal([9, 9], config.Models.Values.Select(model => model.Port));
    }

    [Theory]
    [InlineData("[llama]\nbackend_mode = 'process'\n" + Model + "port = 18080\nhost = '127.0.0.2'\n")]
    [InlineData("[server]\nadmin_port = 9000\n[router]\nport = 9000\nhost = '::1'\n" + Model)]
    public void Same_port_of_another_address_is_none_of_ours(string toml) => Assert.NotNull(folder.LoadGood(toml));

    [Theory]
    [InlineData("", 8192, 8192)]
    [InlineData("[router]\nctx_size = 4096\n", 4096, 4096)]
    [InlineData("[router]\nctx_size = 4096\n[models.a]\nctx_size = 512\npath = 'a'\n", 4096, 512)]
    [InlineData("[router]\nctx_size = 4096\n[llama]\nbackend_mode = 'process'\n[models.a]\nport = 1\npath = "
        + "'a'\n", 4096, 8192)]
    public void Context_of_a_model_follows_the_router_in_router_mode(string toml, int router, int model)
    {
        var config = folder.LoadGood(toml.Contains("[models") ? toml : toml + Model);

        Assert.Equal((router, model), (config.Router.CtxSize, config.Models["a"].CtxSize));
    }

    [Fact]
    public void Old_name_of_no_ui_is_taken() =>
        Assert.False(folder.LoadGood($"[router]\nno_webui = false\n{Model}").Router.NoUi);

    [Fact]
    public void Home_folder_is_expanded() => Assert.Equal("/home/x/m.gguf",
        folder.LoadGood("[models.a]\npath = \"~/m.gguf\"", ("HOME", "/home/x")).Models["a"].Path);

    [Fact]
    public void Missing_model_file_is_a_warning()
    {
        var result = folder.Load(Model);

        Assert.Equal("hotmodel.toml:2:1: path: there is no file a.gguf", folder.Short(Assert.Single(result.Warnings)));
        Assert.NotNull(result.Config);
    }

    [Fact]
    public void All_errors_come_in_one_go_sorted_by_position()
    {
        var errors = folder.Errors("""
            top = 1
            [serverr]
            port = 1
            [server]
            prt = 1
            port = 99999
            host = 5
            switch_policy = "fast"
            active_model = "q"
            during_switch = "Wait"
            [session]
            token_budget_chars_per_token = 0
            max_prompt_chars = -1
            [router]
            models_max = 2
            parallel = 0
            extra_args = ["--x", 1]
            no_ui = true
            no_webui = true
            backend_mode = "router"
            [models.a]
            ctx_size = 1.5
            [[models.b]]
            path = "b"
            """);

        Assert.Equal([
            "hotmodel.toml:1:1: \"top\" stands outside any section",
            "hotmodel.toml:2:2: unknown section \"serverr\" (did you mean \"server\"?); "
                + "known are server, session, snapshots, preset, llama, router, models, keys",
            "hotmodel.toml:5:1: unknown key \"prt\" in [server] (did you mean \"port\"?)",
            "hotmodel.toml:6:8: port: 99999 is not allowed; allowed is a whole number from 1 to 65535",
            "hotmodel.toml:7:8: host: the number 5 is not allowed here; allowed is a text that is not empty",
            "hotmodel.toml:8:17: switch_policy: \"fast\" is not allowed; allowed is \"zero_overlap\" "
                + "or \"make_before_break\" or \"auto\"",
            "hotmodel.toml:9:1: active_model: there is no section [models.q]",
            "hotmodel.toml:10:17: during_switch: \"Wait\" is not allowed; allowed is \"wait\" or \"reject\"",
            "hotmodel.toml:12:32: token_budget_chars_per_token: 0 is not allowed; allowed is a number from 0.1 to 100",
            "hotmodel.toml:13:20: max_prompt_chars: -1 is not allowed; allowed is a whole number, 1 or more",
            "hotmodel.toml:15:1: models_max: must be 1 with switch_policy = \"zero_overlap\": "
                + "the router itself then refuses a second model",
            "hotmodel.toml:16:12: parallel: 0 is not allowed; allowed is a whole number, 1 or more",
            "hotmodel.toml:17:14: extra_args: a list with something other than texts in it is not allowed here; "
                + "allowed is a list of texts, such as [\"--metrics\"]",
            $"hotmodel.toml:19:1: no_webui is the old name of no_ui, which is set in hotmodel.toml:18:1; give one "
                + "of them",
            "hotmodel.toml:20:1: unknown key \"backend_mode\" in [router]; it belongs in [llama]",
            "hotmodel.toml:21:9: [models.a]: path is missing; give the GGUF file",
            "hotmodel.toml:22:12: ctx_size: the number 1.5 is not allowed here; allowed is a whole number, 1 or more",
            "hotmodel.toml:23:1: [[models.b]] makes a list of tables; write [models.b]",
        ], errors);
    }

    [Theory]
    [InlineData("", "hotmodel.toml:1:1: no model is defined; write a section [models.NAME] with its path")]
    [InlineData("[server]\nport = 1\nport = 2\n" + Model,
        "hotmodel.toml:3:1: \"server.port\" is already given in line 2; each may be given once")]
    [InlineData("[server]\nport = 1\n[server]\nhost = '::1'\n" + Model,
        "hotmodel.toml:3:1: \"server\" is already given in line 1; each may be given once")]
    [InlineData("server = 5\n" + Model, "hotmodel.toml:1:1: \"server\" is a section; write [server]")]
    [InlineData(Model + "aliases = [\"\\u00",
        "hotmodel.toml:3:17: the file ends within an escape; a text that has one ends with its quote")]
    [InlineData("\"\\", "hotmodel.toml:1:3: the file ends within an escape; a text that has one ends with its quote")]
    [InlineData("a \u007f", "hotmodel.toml:1:3: Expecting `=` after a key instead of \\u007F")]
    [InlineData("port = 5\n" + Model,
        "hotmodel.toml:1:1: \"port\" stands outside any section; it belongs in [server] or [router] or [models.NAME]")]
    [InlineData("[models]\npath = 'x'\n" + Model,
        "hotmodel.toml:2:1: \"path\" stands in [models] itself; it belongs in [models.NAME]")]
    [InlineData("[models.a.b]\npath = 'x'\n" + Model, "hotmodel.toml:1:11: [models.NAME] has no sections in it; "
        + "a name with a dot needs quotes: [models.\"a.b\"]")]
    [InlineData("[server.x]\n" + Model, "hotmodel.toml:1:9: [server] has no sections in it")]
    [InlineData("[models.\" a\"]\npath = 'x'\n", "hotmodel.toml:1:9: [models.\" a\"]: a model's name may not be empty, "
        + "begin or end with a space, or hold control characters")]
    [InlineData("[llama]\nbackend_mode = 'process'\n" + Model, "hotmodel.toml:3:9: [models.a]: port is missing; "
        + "backend_mode = \"process\" needs one, from 1 to 65535, for each model")]
    [InlineData("[router]\nport = 18080\n" + Model, "hotmodel.toml:2:1: port: 18080 is already that of [server] port; "
        + "HotModel and llama-server need ports of their own")]
    [InlineData("[server]\nport = 28000\n" + Model, "hotmodel.toml:2:1: port: 28000 is already that of "
        + "[server] port; HotModel and llama-server need ports of their own")]
    [InlineData("[server]\nadmin_port = 9000\n[llama]\nbackend_mode = 'process'\n" + Model + "port = 9000\n",
        "hotmodel.toml:7:1: port: 9000 is already that of [server] admin_port; HotModel and llama-server need ports of their own")]
    [InlineData("[llama]\nbackend_mode = 'process'\nhost = '127.0.0.2'\n" + Model + "port = 18080\nhost = '127.0.0.1'\n",
        "hotmodel.toml:6:1: port: 18080 is already that of [server] port; HotModel and llama-server need ports of their own")]
    [InlineData(Model + "[models.b]\npath = 'b'\nrouter_id = 'a'\n",
        "hotmodel.toml:5:1: router_id: \"a\" is already that of [models.a]")]
    [InlineData("[models.active]\npath = 'x'\n", "hotmodel.toml:1:9: [models.active]: \"active\" in a request means "
        + "whichever model answers; give the model another name")]
    [InlineData("[server]\nmin_residency_seconds = -1\n" + Model, "hotmodel.toml:2:25: min_residency_seconds: -1 is not "
        + "allowed; allowed is a number from 0 to 1000000")]
    [InlineData(Model + "idle_unload_seconds = 0\n", "hotmodel.toml:3:23: idle_unload_seconds: 0 is not allowed; allowed is "
        + "a number from 0.001 to 1000000")]
    [InlineData(Model + "aliases = ['b']\n[models.b]\npath = 'b'\n",
        "hotmodel.toml:3:1: aliases: \"b\": is the name of a model")]
    [InlineData(Model + "aliases = ['x', 'x']\n", "hotmodel.toml:3:1: aliases: \"x\": is already an alias of [models.a]")]
    [InlineData(Model + "aliases = ['']\n", "hotmodel.toml:3:1: aliases: \"\": a name may not be empty")]
    [InlineData(Model + "aliases = ['active']\n", "hotmodel.toml:3:1: aliases: \"active\": means whichever model answers")]
    [InlineData("[router]\nextra_args = ['--port', '1']\n" + Model, "hotmodel.toml:2:1: extra_args: \"--port\" is "
        + "HotModel's own to set; use the key of that name, or leave it out")]
    [InlineData("[router]\nmodels_preset = 'no.ini'\n" + Model, "hotmodel.toml:2:1: models_preset: there is no file "
        + "no.ini; name llama-server's preset INI, or leave the key out")]
    [InlineData("[models.a]\npath = 5\n", "hotmodel.toml:2:8: path: the number 5 is not allowed here; "
        + "allowed is a text that is not empty")]
    [InlineData("[server]\nport = nan\n" + Model,
        "hotmodel.toml:2:8: port: the number NaN is not allowed here; allowed is a whole number from 1 to 65535")]
    [InlineData("[server]\nload_timeout_seconds = nan\n" + Model,
        "hotmodel.toml:2:24: load_timeout_seconds: NaN is not allowed; allowed is a number from 0.001 to 1000000")]
    public void Wrong_file_gives_one_error(string toml, string error) => Assert.Equal([error], folder.Errors(toml));

    [Fact]
    public void Text_that_is_no_toml_gives_one_error_per_line()
    {
        var errors = folder.Errors("[server\nport = 1\n\n[router]\nport == 2\n" + Model);

        Assert.StartsWith("hotmodel.toml:1:8: ", errors[0], StringComparison.Ordinal);
        Assert.Contains(errors, error => error.StartsWith("hotmodel.toml:5:7: ", StringComparison.Ordinal));
        Assert.Equal(errors.Length, errors.Select(error => error.Split(':')[1]).Distinct().Count());
    }

    [Fact]
    public void Missing_file_and_folder_are_errors()
    {
        var missing = ConfigLoader.Load(folder.File("no.toml"), new Dictionary<string, string>());
        var isFolder = ConfigLoader.Load(folder.Path, new Dictionary<string, string>());

        Assert.Equal("no.toml: no such file; name one with --config FILE or HOTMODEL_CONFIG",
            folder.Short(Assert.Single(missing.Errors).ToString()));
        Assert.EndsWith(": is a folder; name a TOML file", Assert.Single(isFolder.Errors).ToString());
    }

    [Fact]
    public void Effective_toml_loads_to_itself()
    {
        var first = EffectiveToml.Write(folder.LoadGood("""
            [server]
            active_model = "a.1 \"x\""
            gpu_settle_memory_mb = 500
            switch_drain_timeout_seconds = 0.5
            [session]
            expire_days = 30
            max_prompt_tokens = 4096
            [preset]
            system_prompt = "Line one\nline two\ttab \\ \u0001 日本"
            [router]
            extra_args = ["--metrics", "a b"]
            no_webui = false
            [models."a.1 \"x\""]
            path = "a.gguf"
            router_id = "a"
            threads = 4
            extra_args = ["--jinja", "--cache-reuse", "256"]
            """));

        Assert.Equal(first, EffectiveToml.Write(folder.LoadGood(first)));
        Assert.Contains("switch_drain_timeout_seconds = 0.5\n", first, StringComparison.Ordinal);
        Assert.Contains("no_ui = false\n", first, StringComparison.Ordinal);
    }
}
