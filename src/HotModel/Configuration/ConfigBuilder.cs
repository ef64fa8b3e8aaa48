using HotModel.Tls;

namespace HotModel.Configuration;

/// <summary>Values to the typed configuration: defaults that depend on other keys, absolute paths.</summary>
internal sealed class ConfigBuilder(
    ConfigValues values, string filePath, IReadOnlyDictionary<string, string> environment)
{
    private const int MegabyteBytes = 1024 * 1024;
    private const int ModelCtxSize = 8192;

    private readonly string folder = Path.GetDirectoryName(filePath)!;

    public HotModelConfig Build()
    {
        var llama = Llama(values["llama"]);
        var snapshots = Snapshots(values["snapshots"]);
        var router = Router(values["router"], llama, snapshots);
        return new HotModelConfig
        {
            FilePath = filePath,
            Server = Server(values["server"]),
            Session = Session(values["session"]),
            Snapshots = snapshots,
            Preset = new PresetConfig
            {
                SystemPrompt = values["preset"].Text("system_prompt"),
                ClientSystem = values["preset"].Choice<ClientSystem>("client_system"),
            },
            Llama = llama,
            Router = router,
            Models = new SortedDictionary<string, ModelConfig>(
                values.Models.ToDictionary(model => model.Key, model => Model(model.Key, model.Value, llama, router)),
                StringComparer.Ordinal),
            Keys = new SortedDictionary<string, ApiKeyConfig>(
                values.Keys.ToDictionary(key => key.Key, key => ApiKey(key.Value)), StringComparer.Ordinal),
        };
    }

    private static ApiKeyConfig ApiKey(ConfigSection section) => new()
    {
        Sha256 = section.TextOrNull("sha256")?.ToLowerInvariant(),
        Env = section.TextOrNull("env"),
        Scopes = [.. section.Texts("scopes").Select(scope => Enum.Parse<KeyScope>(scope, ignoreCase: true))],
        Class = section.Choice<KeyClass>("class"),
    };

    private ServerConfig Server(ConfigSection section) => new()
    {
        Host = section.Text("host"),
        Port = section.Whole("port"),
        AdminPort = section.WholeOrNull("admin_port"),
        AllowedHosts = section.Texts("allowed_hosts"),
        CorsOrigins = section.Texts("cors_origins"),
        AllowWithoutKeys = section.Flag("allow_without_keys"),
        Tls = section.TextOrNull("tls_certificate") is { } certificate && section.TextOrNull("tls_key") is { } key
            ? new TlsFiles(Absolute(certificate), Absolute(key)) : null,
        StatePath = Absolute(section.Text("state_path")),
        ActiveModel = section.TextOrNull("active_model"),
        SwitchPolicy = section.Choice<SwitchPolicy>("switch_policy"),
        ModelsMax = section.Whole("models_max"),
        LogFormat = section.Choice<LogFormat>("log_format"),
        LogFile = section.TextOrNull("log_file") is { } log ? Absolute(log) : null,
        DrainTimeout = section.Seconds("switch_drain_timeout_seconds"),
        StalledClientTimeout = section.Seconds("stalled_client_timeout_seconds"),
        GpuSettleTimeout = section.Seconds("gpu_settle_timeout_seconds"),
        GpuSettleMemoryMb = section.WholeOrNull("gpu_settle_memory_mb"),
        DuringSwitch = section.Choice<DuringSwitch>("during_switch"),
        QueueLimit = section.Whole("queue_limit"),
        QueueTimeout = section.Seconds("queue_timeout_seconds"),
        QueueMaxWait = section.Seconds("queue_max_wait_seconds"),
        QueueLimitPerModel = section.Whole("queue_limit_per_model"),
        SwitchOnRequest = section.Choice<SwitchOnRequest>("switch_on_request"),
        MinResidency = section.SecondsOrNull("min_residency_seconds"),
        BackgroundRequests = section.Choice<BackgroundRequests>("background_requests"),
        LoadTimeout = section.Seconds("load_timeout_seconds"),
        StopTimeout = section.Seconds("stop_timeout_seconds"),
        MaxBodyBytes = (long)section.Whole("max_body_mb") * MegabyteBytes,
        FastRelay = section.Flag("fast_relay"),
        WaitComment = section.Seconds("wait_comment_seconds"),
        ReadAhead = section.Flag("read_ahead"),
    };

    private static SessionConfig Session(ConfigSection section) => new()
    {
        MaxSessionMessages = section.WholeOrNull("max_session_messages"),
        MaxPromptChars = section.WholeOrNull("max_prompt_chars"),
        MaxPromptTokens = section.WholeOrNull("max_prompt_tokens"),
        TokenBudgetMode = section.Choice<TokenBudgetMode>("token_budget_mode"),
        CharsPerToken = section.Number("token_budget_chars_per_token"),
        MaxSessions = section.Whole("max_sessions"),
        ExpireDays = section.WholeOrNull("expire_days"),
    };

    private SnapshotConfig Snapshots(ConfigSection section) => new()
    {
        Enabled = section.Flag("enabled") && !LlamaArguments.WithSlotPath(values).Any(),
        MinTokens = section.Whole("min_tokens"),
        MaxBytes = section.LongOrNull("max_bytes"),
        PrefillAhead = section.Seconds("prefill_ahead_seconds"),
    };

    private LlamaConfig Llama(ConfigSection section) => new()
    {
        BackendMode = section.Choice<BackendMode>("backend_mode"),
        Binary = Binary(section.Text("binary")),
        Host = section.Text("host"),
    };

    private RouterConfig Router(ConfigSection section, LlamaConfig llama, SnapshotConfig snapshots) => new()
    {
        Binary = section.TextOrNull("binary") is { } binary ? Binary(binary) : llama.Binary,
        Host = section.TextOrNull("host") ?? llama.Host,
        Port = section.Whole("port"),
        ModelsDir = section.TextOrNull("models_dir") is { } models ? Absolute(models) : null,
        ModelsPreset = section.TextOrNull("models_preset") is { } preset ? Absolute(preset) : null,
        ModelsMax = section.Whole("models_max"),
        ModelsAutoload = section.Flag("models_autoload"),
        CtxSize = section.Whole("ctx_size"),
        Parallel = section.Whole("parallel"),
        CacheTypeK = section.Text("cache_type_k"),
        CacheTypeV = section.Text("cache_type_v"),
        KvUnified = section.Flag("kv_unified"),
        CacheRamMb = section.WholeOrNull("cache_ram_mb"),
        // llama-server would empty each slot when another conversation begins, before it is saved.
        CacheIdleSlots = section.Flag("cache_idle_slots") && !snapshots.Enabled,
        FlashAttn = section.TextOrNull("flash_attn"),
        NoUi = section.Flag(section.Has("no_webui") ? "no_webui" : "no_ui"),
        ExtraArgs = section.Texts("extra_args"),
    };

    private ModelConfig Model(string name, ConfigSection section, LlamaConfig llama, RouterConfig router)
    {
        var isProcess = llama.BackendMode == BackendMode.Process;
        return new ModelConfig
        {
            Name = name,
            Aliases = section.Texts("aliases"),
            IdleUnload = section.SecondsOrNull("idle_unload_seconds"),
            Pin = section.Flag("pin"),
            Path = Absolute(section.Text("path")),
            RouterId = section.TextOrNull("router_id") ?? name,
            Port = isProcess ? section.WholeOrNull("port") : null,
            CtxSize = section.WholeOrNull("ctx_size") ?? (isProcess ? ModelCtxSize : router.CtxSize),
            GpuLayers = section.WholeOrNull("gpu_layers"),
            Threads = section.WholeOrNull("threads"),
            Parallel = section.WholeOrNull("parallel"),
            ExtraArgs = section.Texts("extra_args"),
            Host = section.TextOrNull("host") ?? llama.Host,
            Binary = section.TextOrNull("binary") is { } binary ? Binary(binary) : llama.Binary,
        };
    }

    /// <summary>A bare name stays one: it is looked up on PATH when it is started.</summary>
    private string Binary(string binary) =>
        binary.Contains('/') || binary.Contains(Path.DirectorySeparatorChar) ? Absolute(binary) : binary;

    private string Absolute(string path)
    {
        if (path.StartsWith("~/", StringComparison.Ordinal) && environment.TryGetValue("HOME", out var home))
            path = Path.Join(home, path[2..]);
        return Path.GetFullPath(path, folder);
    }
}
