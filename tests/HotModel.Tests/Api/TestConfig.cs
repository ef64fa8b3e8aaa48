using HotModel.Configuration;

namespace HotModel.Tests.Api;

internal static class TestConfig
{
    public static SessionConfig Session { get; } = new()
    {
        MaxSessionMessages = null,
        MaxPromptChars = null,
        MaxPromptTokens = null,
        TokenBudgetMode = TokenBudgetMode.Auto,
        CharsPerToken = 4,
        MaxSessions = 100,
        ExpireDays = null,
    };

    public static HotModelConfig Create(SessionConfig session, long maxBodyBytes) => new()
    {
        FilePath = "/test.toml",
        Server = new()
        {
            Host = "127.0.0.1",
            Port = 0,
            StatePath = "/none/state.json",
            ActiveModel = null,
            SwitchPolicy = "zero_overlap",
            DrainTimeout = TimeSpan.FromSeconds(300),
            GpuSettleTimeout = TimeSpan.Zero,
            GpuSettleMemoryMb = null,
            DuringSwitch = DuringSwitch.Wait,
            QueueLimit = 10,
            QueueTimeout = TimeSpan.FromSeconds(30),
            LoadTimeout = TimeSpan.FromSeconds(60),
            StopTimeout = TimeSpan.FromSeconds(10),
            MaxBodyBytes = maxBodyBytes,
        },
        Session = session,
        Preset = new() { SystemPrompt = "", ClientSystem = ClientSystem.Merge },
        Llama = new() { BackendMode = BackendMode.Router, Binary = "llama-server", Host = "127.0.0.1" },
        Router = new()
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
            CacheRamMb = null,
            CacheIdleSlots = true,
            FlashAttn = null,
            NoUi = true,
            ExtraArgs = [],
        },
        Models = new Dictionary<string, ModelConfig>(),
    };
}
