using HotModel.Configuration;

namespace HotModel.Tests.Configuration;

public sealed class ConfigDifferenceTests
{
    private static readonly HotModelConfig Config = TestConfig.Create("a", "b");

    private static HotModelConfig With(string name, Func<ModelConfig, ModelConfig> change) => Config with
    {
        Models = Config.Models.ToDictionary(
            model => model.Key, model => model.Key == name ? change(model.Value) : model.Value),
    };

    private static ConfigDifference To(HotModelConfig wanted) => ConfigDifference.Between(Config, wanted);

    [Fact]
    public void Same_file_changes_nothing()
    {
        var difference = To(TestConfig.Create("a", "b"));
        Assert.Empty(difference.Added.Concat(difference.Removed).Concat(difference.Changed).Concat(difference.Settings)
            .Concat(difference.NeedRestart));
    }

    [Fact]
    public void Added_and_removed_models_are_told_and_the_others_are_untouched()
    {
        var difference = To(TestConfig.Create("b", "c"));
        Assert.Equal(["c"], difference.Added);
        Assert.Equal(["a"], difference.Removed);
        Assert.Empty(difference.Changed);
        Assert.Equal(["models.a", "models.c"], difference.Settings);
        Assert.Empty(difference.NeedRestart);
    }

    [Fact]
    public void What_the_server_is_told_makes_a_model_a_changed_one()
    {
        var difference = To(With("a", model => model with { CtxSize = 512, ExtraArgs = ["--no-mmap"] }));
        Assert.Equal(["a"], difference.Changed);
        Assert.Equal(["models.a.ctx_size", "models.a.extra_args"], difference.Settings);
    }

    [Fact]
    public void Hotmodels_own_rules_leave_a_model_loaded()
    {
        var difference = To(With("a", model => model with
        {
            Aliases = ["x"],
            Pin = true,
            IdleUnload = TimeSpan.FromSeconds(3),
        }));
        Assert.Empty(difference.Changed);
        Assert.Equal(["models.a.aliases", "models.a.idle_unload_seconds", "models.a.pin"], difference.Settings.Order());
    }

    [Fact]
    public void Another_models_own_context_changes_no_other_model()
    {
        // With it --ctx-size moves from the router's command line to the presets.
        Assert.Equal(["b"], To(With("b", model => model with { CtxSize = 512 })).Changed);
    }

    [Fact]
    public void Routers_settings_change_all_models()
    {
        var difference = To(Config with { Router = Config.Router with { CacheTypeK = "f16" } });
        Assert.Equal(["a", "b"], difference.Changed);
        Assert.Equal(["router.cache_type_k"], difference.Settings);
    }

    [Fact]
    public void What_only_a_start_can_change_stays_and_is_told()
    {
        var server = Config.Server;
        var difference = To(Config with
        {
            Server = server with
            {
                Host = "0.0.0.0",
                Port = 1,
                AdminPort = 2,
                LogFormat = LogFormat.Json,
                LogFile = "/other/log",
                StatePath = "/other/state.json",
                ActiveModel = "b",
                SwitchPolicy = SwitchPolicy.Auto,
                ModelsMax = 2,
                StopTimeout = TimeSpan.FromSeconds(1),
                MaxBodyBytes = 1 << 20,
                FastRelay = false,
                ReadAhead = false,
                QueueLimit = 3,
            },
            Snapshots = new SnapshotConfig { Enabled = false, MinTokens = 1, MaxBytes = 1, PrefillAhead = TimeSpan.Zero },
        });
        Assert.Equal(["server.queue_limit"], difference.Settings);
        Assert.Equal(
            ["server.active_model", "server.admin_port", "server.fast_relay", "server.host", "server.log_file",
                "server.log_format", "server.max_body_mb", "server.models_max", "server.port",
                "server.read_ahead", "server.state_path", "server.stop_timeout_seconds", "server.switch_policy",
                "snapshots.enabled", "snapshots.max_bytes", "snapshots.min_tokens"],
            difference.NeedRestart.Order());
        Assert.Equal(server with { QueueLimit = 3 }, difference.Effective.Server);
        Assert.Equal(Config.Snapshots, difference.Effective.Snapshots);
    }

    [Fact]
    public void Certificate_may_be_another_but_whether_there_is_one_is_the_starts()
    {
        var with = Config with { Server = Config.Server with { Tls = new("/c", "/k") } };
        Assert.Equal(["server.tls_certificate", "server.tls_key"], To(with).NeedRestart);
        Assert.Null(To(with).Effective.Server.Tls);
        var renewed = with with { Server = with.Server with { Tls = new("/c2", "/k") } };
        var difference = ConfigDifference.Between(with, renewed);
        Assert.Equal(["server.tls_certificate"], difference.Settings);
        Assert.Equal("/c2", difference.Effective.Server.Tls!.Certificate);
    }

    [Fact]
    public void Another_way_of_running_llama_server_keeps_its_settings_and_models()
    {
        var difference = To(TestConfig.Create("b", "c") with
        {
            Llama = Config.Llama with { BackendMode = BackendMode.Process },
        });
        Assert.Equal(["llama.backend_mode", "models.a", "models.c"], difference.NeedRestart);
        Assert.Equal(["a", "b"], difference.Effective.Models.Keys);
        Assert.Empty(difference.Added.Concat(difference.Removed).Concat(difference.Settings));
    }

    [Fact]
    public void Keys_are_told_by_name_only()
    {
        var key = new ApiKeyConfig { Sha256 = new string('a', 64), Env = null, Scopes = [KeyScope.Admin], Class = default };
        var difference = To(Config with { Keys = new Dictionary<string, ApiKeyConfig> { ["bob"] = key } });
        Assert.Equal(["keys.bob"], difference.Settings);
    }

    [Fact]
    public void Reload_after_a_reload_tells_again_what_waits_for_a_restart()
    {
        var wanted = Config with { Server = Config.Server with { Port = 1 } };
        Assert.Equal(["server.port"], ConfigDifference.Between(To(wanted).Effective, wanted).NeedRestart);
    }

    [Fact]
    public void Removed_model_is_known_as_it_was_as_long_as_it_may_be_loaded()
    {
        var live = new LiveConfig(Config);
        live.Replace(TestConfig.Create("b"));
        Assert.False(live.Has("a"));
        Assert.False(live.Names.TryResolve("a", out _));
        Assert.Equal("/nowhere/a.gguf", live.Model("a").Path);
    }
}
