using HotModel.Configuration;

namespace HotModel.Tests;

/// <summary>A whole configuration with the product's defaults, to be changed with <c>with</c>.</summary>
internal static class TestConfig
{
    public static HotModelConfig Create(params string[] models) => new()
    {
        FilePath = "/nowhere/hotmodel.toml",
        Server = new ServerConfig
        {
            Host = "127.0.0.1",
            Port = 18080,
            AdminPort = null,
            AllowedHosts = [],
            CorsOrigins = [],
            AllowWithoutKeys = false,
            Tls = null,
            StatePath = "/nowhere/.hotmodel/state.json",
            ActiveModel = null,
            SwitchPolicy = SwitchPolicy.ZeroOverlap,
            ModelsMax = 1,
            LogFormat = LogFormat.Plain,
            LogFile = null,
            DrainTimeout = TimeSpan.FromSeconds(300),
            StalledClientTimeout = TimeSpan.FromSeconds(60),
            GpuSettleTimeout = TimeSpan.Zero,
            GpuSettleMemoryMb = null,
            DuringSwitch = DuringSwitch.Wait,
            QueueLimit = 64,
            QueueTimeout = TimeSpan.FromSeconds(300),
            QueueMaxWait = TimeSpan.FromSeconds(60),
            QueueLimitPerModel = 32,
            SwitchOnRequest = SwitchOnRequest.Switch,
            MinResidency = null,
            BackgroundRequests = BackgroundRequests.Wait,
            LoadTimeout = TimeSpan.FromSeconds(600),
            StopTimeout = TimeSpan.FromSeconds(20),
            MaxBodyBytes = 64 << 20,
            FastRelay = true,
            WaitComment = TimeSpan.FromSeconds(5),
            ReadAhead = true,
        },
        Session = new SessionConfig
        {
            MaxSessionMessages = null,
            MaxPromptChars = null,
            MaxPromptTokens = null,
            TokenBudgetMode = TokenBudgetMode.Auto,
            CharsPerToken = 4,
            MaxSessions = 10_000,
            ExpireDays = null,
        },
        Snapshots = new SnapshotConfig { Enabled = true, MinTokens = 512, MaxBytes = null, PrefillAhead = TimeSpan.Zero },
        Preset = new PresetConfig { SystemPrompt = "", ClientSystem = ClientSystem.Merge },
        Llama = new LlamaConfig { BackendMode = BackendMode.Router, Binary = "llama-server", Host = "127.0.0.1" },
        Router = new RouterConfig
        {
            Binary = "llama-server",
            Host = "127.0.0.1",
            Port = 0,
            ModelsDir = null,
            ModelsPreset = null,
            ModelsMax = 1,
            ModelsAutoload = false,
            CtxSize = 8192,
            Parallel = 1,
            CacheTypeK = "q8_0",
            CacheTypeV = "q8_0",
            KvUnified = true,
            CacheRamMb = 1024,
            CacheIdleSlots = true,
            FlashAttn = "auto",
            NoUi = true,
            ExtraArgs = [],
        },
        Keys = new Dictionary<string, ApiKeyConfig>(),
        Models = models.Order(StringComparer.Ordinal).ToDictionary(name => name, Model),
    };

    private static ModelConfig Model(string name) => new()
    {
        Name = name,
        Aliases = [],
        IdleUnload = null,
        Pin = false,
        Path = $"/nowhere/{name}.gguf",
        RouterId = name,
        Port = null,
        CtxSize = 8192,
        GpuLayers = null,
        Threads = null,
        Parallel = null,
        ExtraArgs = [],
        Host = "127.0.0.1",
        Binary = "llama-server",
    };

    public static HotModelConfig Without(this HotModelConfig config, string name) =>
        config with { Models = config.Models.Where(model => model.Key != name).ToDictionary() };
}
