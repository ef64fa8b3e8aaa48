using HotModel.Tls;

namespace HotModel.Configuration;

/// <summary>The checked configuration: every default applied, every path absolute, nothing left to validate.</summary>
internal sealed record HotModelConfig
{
    /// <summary>Absolute path of the TOML file.</summary>
    public required string FilePath { get; init; }
    public required ServerConfig Server { get; init; }
    public required SessionConfig Session { get; init; }
    public required SnapshotConfig Snapshots { get; init; }
    public required PresetConfig Preset { get; init; }
    public required LlamaConfig Llama { get; init; }
    public required RouterConfig Router { get; init; }
    /// <summary>By name, in ordinal order of the names; never empty.</summary>
    public required IReadOnlyDictionary<string, ModelConfig> Models { get; init; }
    /// <summary>By name; empty: nobody needs a key.</summary>
    public required IReadOnlyDictionary<string, ApiKeyConfig> Keys { get; init; }
    /// <summary>Where llama-server writes what its slots hold.</summary>
    public string SnapshotDirectory => Path.Join(Server.StateDirectory, "snapshots");
}

internal enum DuringSwitch { Wait, Reject }

/// <summary>What becomes of a request that names another model than the active one.</summary>
internal enum SwitchOnRequest
{
    /// <summary>It waits, and gets that model.</summary>
    Switch,
    /// <summary>The active model answers it.</summary>
    Active,
    Reject,
}

internal enum BackgroundRequests { Wait, Refuse }

internal enum SwitchPolicy
{
    /// <summary>Never two models in memory.</summary>
    ZeroOverlap,
    /// <summary>The next one is loaded while the one before answers; refused where both do not fit.</summary>
    MakeBeforeBreak,
    /// <summary>The second where both are known to fit, else the first.</summary>
    Auto,
}

internal enum LogFormat { Plain, Json }

internal sealed record ServerConfig
{
    public required string Host { get; init; }
    public required int Port { get; init; }
    /// <summary>Of /admin alone, on 127.0.0.1; null: it is served with the rest.</summary>
    public required int? AdminPort { get; init; }
    /// <summary>Names, beside localhost and IP addresses, that a request's Host may have.</summary>
    public required IReadOnlyList<string> AllowedHosts { get; init; }
    /// <summary>Of web pages that may use the server.</summary>
    public required IReadOnlyList<string> CorsOrigins { get; init; }
    public required bool AllowWithoutKeys { get; init; }
    /// <summary>Null: plain HTTP for everybody.</summary>
    public required TlsFiles? Tls { get; init; }
    /// <summary>A state file of the seed, imported once if it exists. Its folder is the state directory.</summary>
    public required string StatePath { get; init; }
    public string StateDirectory => Path.GetDirectoryName(StatePath)!;
    public required string? ActiveModel { get; init; }
    public required SwitchPolicy SwitchPolicy { get; init; }
    /// <summary>Models that stay loaded; more than one only where they are loaded beside each other.</summary>
    public required int ModelsMax { get; init; }
    public required LogFormat LogFormat { get; init; }
    /// <summary>Null: standard error.</summary>
    public required string? LogFile { get; init; }
    public required TimeSpan DrainTimeout { get; init; }
    /// <summary>How long a client may take nothing of its answer while another model is waited for.</summary>
    public required TimeSpan StalledClientTimeout { get; init; }
    /// <summary>Zero: do not wait for the memory to come back.</summary>
    public required TimeSpan GpuSettleTimeout { get; init; }
    public required long? GpuSettleMemoryMb { get; init; }
    public required DuringSwitch DuringSwitch { get; init; }
    /// <summary>Requests that may wait at once for a model.</summary>
    public required int QueueLimit { get; init; }
    public required TimeSpan QueueTimeout { get; init; }
    /// <summary>No request waits longer than this behind requests that came later.</summary>
    public required TimeSpan QueueMaxWait { get; init; }
    /// <summary>Requests that may wait at once for one model that they name.</summary>
    public required int QueueLimitPerModel { get; init; }
    public required SwitchOnRequest SwitchOnRequest { get; init; }
    /// <summary>How long an unused model is kept while others wait; null: as long as going there and back takes.</summary>
    public required TimeSpan? MinResidency { get; init; }
    public required BackgroundRequests BackgroundRequests { get; init; }
    public required TimeSpan LoadTimeout { get; init; }
    /// <summary>How long a graceful stop waits for running answers.</summary>
    public required TimeSpan StopTimeout { get; init; }
    public required long MaxBodyBytes { get; init; }
    /// <summary>Event streams go from socket to socket where the system allows it.</summary>
    public required bool FastRelay { get; init; }
    /// <summary>Between two comments in a stream whose answer has not begun.</summary>
    public required TimeSpan WaitComment { get; init; }
    /// <summary>A switch reads its target into memory while answers drain.</summary>
    public required bool ReadAhead { get; init; }
}

internal enum TokenBudgetMode { Auto, Llama, Estimate }

internal sealed record SessionConfig
{
    public required int? MaxSessionMessages { get; init; }
    public required int? MaxPromptChars { get; init; }
    public required int? MaxPromptTokens { get; init; }
    public required TokenBudgetMode TokenBudgetMode { get; init; }
    public required double CharsPerToken { get; init; }
    /// <summary>The least recently used session beyond this many is deleted.</summary>
    public required int MaxSessions { get; init; }
    /// <summary>Null: sessions never expire.</summary>
    public required int? ExpireDays { get; init; }
}

internal sealed record SnapshotConfig
{
    /// <summary>Also false where an argument of the user's sends slot files elsewhere.</summary>
    public required bool Enabled { get; init; }
    public required int MinTokens { get; init; }
    /// <summary>Null: decided at the start by the free disk.</summary>
    public required long? MaxBytes { get; init; }
    /// <summary>Zero: nothing is evaluated before it is asked for.</summary>
    public required TimeSpan PrefillAhead { get; init; }
}

internal enum ClientSystem { Merge, Drop, Replace }

internal sealed record PresetConfig
{
    public required string SystemPrompt { get; init; }
    public required ClientSystem ClientSystem { get; init; }
}

internal enum BackendMode { Router, Process }

internal sealed record LlamaConfig
{
    public required BackendMode BackendMode { get; init; }
    /// <summary>A name looked up on PATH, or an absolute path.</summary>
    public required string Binary { get; init; }
    public required string Host { get; init; }
}

internal sealed record RouterConfig
{
    public required string Binary { get; init; }
    public required string Host { get; init; }
    /// <summary>0: a free port chosen at every start.</summary>
    public required int Port { get; init; }
    public required string? ModelsDir { get; init; }
    /// <summary>The user's preset INI; null: one is written from the models into the state directory.</summary>
    public required string? ModelsPreset { get; init; }
    public required int ModelsMax { get; init; }
    public required bool ModelsAutoload { get; init; }
    public required int CtxSize { get; init; }
    public required int Parallel { get; init; }
    public required string CacheTypeK { get; init; }
    public required string CacheTypeV { get; init; }
    public required bool KvUnified { get; init; }
    public required int? CacheRamMb { get; init; }
    public required bool CacheIdleSlots { get; init; }
    public required string? FlashAttn { get; init; }
    public required bool NoUi { get; init; }
    public required IReadOnlyList<string> ExtraArgs { get; init; }
}

internal sealed record ModelConfig
{
    public required string Name { get; init; }
    /// <summary>Other names for it in requests.</summary>
    public required IReadOnlyList<string> Aliases { get; init; }
    /// <summary>Unused for so long it is unloaded; null: never.</summary>
    public required TimeSpan? IdleUnload { get; init; }
    /// <summary>Once loaded it leaves only for an explicit switch.</summary>
    public required bool Pin { get; init; }
    public required string Path { get; init; }
    /// <summary>The id under which llama-server's router knows the model.</summary>
    public required string RouterId { get; init; }
    /// <summary>Set in process mode, else null.</summary>
    public required int? Port { get; init; }
    public required int CtxSize { get; init; }
    public required int? GpuLayers { get; init; }
    public required int? Threads { get; init; }
    public required int? Parallel { get; init; }
    public required IReadOnlyList<string> ExtraArgs { get; init; }
    public required string Host { get; init; }
    public required string Binary { get; init; }
}

/// <summary>What a key's owner may.</summary>
internal enum KeyScope
{
    /// <summary>The models' API.</summary>
    Inference,
    /// <summary>State and metrics.</summary>
    Read,
    /// <summary>Everything, conversations and switches included.</summary>
    Admin,
}

internal enum KeyClass { Interactive, Background }

/// <summary>A key that clients send. Exactly one of the first two is set.</summary>
internal sealed record ApiKeyConfig
{
    /// <summary>64 lower-case hexadecimal digits.</summary>
    public required string? Sha256 { get; init; }
    /// <summary>Name of the environment variable that holds the key.</summary>
    public required string? Env { get; init; }
    public required IReadOnlyList<KeyScope> Scopes { get; init; }
    public required KeyClass Class { get; init; }
}
