using System.Text.Json;

namespace HotModel.Configuration;

/// <summary>One key of the configuration file.</summary>
/// <param name="Section">"server" and so on; "models" for the keys of every [models.NAME], "keys" of every [keys.NAME].</param>
/// <param name="Default">Null: not set. Text: as the value; the reader applies it.</param>
/// <param name="Doc">One line for docs/configuration.md.</param>
/// <param name="Read">The effective value, null where it is not set; NAME is given for the keys of named sections.</param>
internal sealed record ConfigKey(
    string Section, string Name, KeyType Type, object? Default, string Doc,
    Func<HotModelConfig, string?, object?> Read)
{
    public bool Required { get; init; }
    /// <summary>Today's name, where this is an old one.</summary>
    public string? NowCalled { get; init; }
    /// <summary>In words, where the default is not a constant.</summary>
    public string? DefaultDoc { get; init; }
}

/// <summary>
/// All keys: the reader, `hotmodel check` and the test of docs/configuration.md work from this table.
/// </summary>
internal static class ConfigSchema
{
    public const string Models = "models";
    public const string ApiKeys = "keys";

    /// <summary>Sections of which there is one for each name.</summary>
    public static readonly IReadOnlyList<string> Named = [Models, ApiKeys];

    /// <summary>
    /// Eleven days: above it a .NET timer may refuse the span, and no wait here is meant to be so long.
    /// </summary>
    private const double MaxSeconds = 1_000_000;

    // Before the keys, whose initial values need it.
    private static readonly string[] DefaultScopes = ["inference"];

    public static readonly IReadOnlyList<ConfigKey> Keys =
    [
        .. Server(), .. Session(), .. Snapshots(), .. Preset(), .. Llama(), .. Router(), .. Model(),
        .. ApiKey(),
    ];

    /// <summary>In the order of the table.</summary>
    public static readonly IReadOnlyList<string> Sections = [.. Keys.Select(key => key.Section).Distinct()];

    public static ConfigKey? Find(string section, string name) =>
        Keys.FirstOrDefault(key => key.Section == section && key.Name == name);

    /// <summary>As it stands in the file: "models.NAME".</summary>
    public static string HeaderOf(string section) => Named.Contains(section) ? section + ".NAME" : section;

    public static IEnumerable<string> NamesIn(string section) =>
        Keys.Where(key => key.Section == section).Select(key => key.Name);

    private static ConfigKey[] Server() =>
    [
        new("server", "host", KeyType.Word, "127.0.0.1", "Address that HotModel listens on.", (c, _) => c.Server.Host),
        new("server", "port", KeyType.Integer(1, 65535), 18080L, "Port that HotModel listens on.",
            (c, _) => c.Server.Port),
        new("server", "admin_port", KeyType.Integer(1, 65535), null,
            "A port of its own for `/admin`, on 127.0.0.1; then the other one does not serve it. Not set: both on one.",
            (c, _) => c.Server.AdminPort),
        new("server", "allowed_hosts", KeyType.TextList, Array.Empty<string>(),
            "More names by which clients may address HotModel, beside localhost and IP addresses.",
            (c, _) => c.Server.AllowedHosts),
        new("server", "cors_origins", KeyType.TextList, Array.Empty<string>(),
            "Origins of web pages that may use HotModel from a browser, such as `https://chat.example`.",
            (c, _) => c.Server.CorsOrigins),
        new("server", "tls_certificate", KeyType.Path, null,
            "PEM file with the server's certificate, and behind it those that lead to one that clients know: then other machines "
                + "speak TLS with HotModel (Linux; see security.md).", (c, _) => c.Server.Tls?.Certificate),
        new("server", "tls_key", KeyType.Path, null, "PEM file with the certificate's private key, without a passphrase.",
            (c, _) => c.Server.Tls?.Key),
        new("server", "allow_without_keys", KeyType.Boolean, false,
            "Listen on an address that other machines reach although there is no `[keys.NAME]`.",
            (c, _) => c.Server.AllowWithoutKeys),
        new("server", "state_path", KeyType.Path, ".hotmodel/state.json",
            "A state file of the older HotModelReplacement, imported once if it exists. Its folder is the state "
                + "folder.",
            (c, _) => c.Server.StatePath),
        new("server", "active_model", KeyType.Word, null,
            "Model loaded at the first start; later starts load the last active one. Not set: start without a model.",
            (c, _) => c.Server.ActiveModel),
        new("server", "switch_policy", KeyType.Choice("zero_overlap", "make_before_break", "auto"), "zero_overlap",
            "Never two models in memory; or the next one is loaded while the one before still answers, and refused where both "
                + "do not fit; or the second where both are known to fit, else the first (see scheduling.md).",
            (c, _) => Snake(c.Server.SwitchPolicy)),
        new("server", "models_max", KeyType.Integer(1, 16), 1L,
            "Models that stay loaded, the least recently used leaves first. `zero_overlap` needs 1.",
            (c, _) => c.Server.ModelsMax),
        new("server", "switch_drain_timeout_seconds", KeyType.Number(0.001, MaxSeconds), 300.0,
            "How long an explicit switch waits for running answers; then it fails and nothing was unloaded. "
            + "One for requests that wait has no limit.",
            (c, _) => c.Server.DrainTimeout.TotalSeconds),
        new("server", "stalled_client_timeout_seconds", KeyType.Number(0.001, MaxSeconds), 60.0,
            "A client that has taken nothing of its answer for so long is cut off if another model is waited for.",
            (c, _) => c.Server.StalledClientTimeout.TotalSeconds),
        new("server", "gpu_settle_timeout_seconds", KeyType.Number(0, MaxSeconds), 0.0,
            "How long a switch waits for the unloaded model's video memory to come back. 0: it does not wait.",
            (c, _) => c.Server.GpuSettleTimeout.TotalSeconds),
        new("server", "gpu_settle_memory_mb", KeyType.Integer(1), null,
            "Settled means: no more than this is used on all devices together. Not set: the unloaded model's own "
                + "memory is back.",
            (c, _) => c.Server.GpuSettleMemoryMb),
        new("server", "during_switch", KeyType.Choice("wait", "reject"), "wait",
            "What a request meets while a model is switched or loaded (again): its turn in a queue, or 503 with Retry-After.",
            (c, _) => Lower(c.Server.DuringSwitch)),
        new("server", "switch_on_request", KeyType.Choice("switch", "active", "reject"), "switch",
            "A request that names another model than the active one: waits and gets it, is answered by the active one, or is "
                + "refused with 409.",
            (c, _) => Lower(c.Server.SwitchOnRequest)),
        new("server", "queue_limit", KeyType.Integer(1), 64L, "Requests that may wait at once, for all models.",
            (c, _) => c.Server.QueueLimit),
        new("server", "queue_limit_per_model", KeyType.Integer(1), 32L,
            "Requests that may wait at once for one model that they name.", (c, _) => c.Server.QueueLimitPerModel),
        new("server", "queue_timeout_seconds", KeyType.Number(0.001, MaxSeconds), 300.0,
            "How long a request waits for a model, then 503. A request's own `Prefer: wait=N` may be shorter.",
            (c, _) => c.Server.QueueTimeout.TotalSeconds),
        new("server", "queue_max_wait_seconds", KeyType.Number(0.001, MaxSeconds), 60.0,
            "No request waits longer than this behind requests for another model that came later.",
            (c, _) => c.Server.QueueMaxWait.TotalSeconds),
        new("server", "min_residency_seconds", KeyType.Number(0, MaxSeconds), null,
            "How long a model that nobody uses is kept while others wait for another one.",
            (c, _) => c.Server.MinResidency?.TotalSeconds)
        { DefaultDoc = "as long as switching there and back takes, as measured" },
        new("server", "background_requests", KeyType.Choice("wait", "refuse"), "wait",
            "A request with `X-HotModel-Intent: background` whose model is not loaded: waits until nobody else needs the "
                + "place, or gets 503.",
            (c, _) => Lower(c.Server.BackgroundRequests)),
        new("server", "load_timeout_seconds", KeyType.Number(0.001, MaxSeconds), 600.0,
            "How long a model may take to load; then the switch goes back to the model before.",
            (c, _) => c.Server.LoadTimeout.TotalSeconds),
        new("server", "stop_timeout_seconds", KeyType.Number(0, MaxSeconds), 20.0,
            "How long a stop waits for running answers.", (c, _) => c.Server.StopTimeout.TotalSeconds),
        new("server", "log_format", KeyType.Choice("plain", "json"), "plain",
            "A line of the log: for people, or a JSON object.", (c, _) => Lower(c.Server.LogFormat)),
        new("server", "log_file", KeyType.Path, null,
            "Where the log goes; a full file of 10 MB is kept as `NAME.1` to `NAME.4`. Not set: to standard error.",
            (c, _) => c.Server.LogFile),
        new("server", "max_body_mb", KeyType.Integer(1, 1024), 64L, "Largest request body, in MiB.",
            (c, _) => c.Server.MaxBodyBytes / (1024 * 1024)),
        new("server", "fast_relay", KeyType.Boolean, true,
            "On Linux, relay event streams from socket to socket. Off, and elsewhere: through the web server's buffers.",
            (c, _) => c.Server.FastRelay),
        new("server", "wait_comment_seconds", KeyType.Number(0.1, MaxSeconds), 5.0,
            "How often a client that waits for its stream is sent a comment (see scheduling.md).",
            (c, _) => c.Server.WaitComment.TotalSeconds),
        new("server", "read_ahead", KeyType.Boolean, true,
            "Read the next model's file into memory while answers drain.", (c, _) => c.Server.ReadAhead),
    ];

    private static ConfigKey[] Session() =>
    [
        new("session", "max_session_messages", KeyType.Integer(1), null,
            "Stored messages of a session that go into a prompt, at most.", (c, _) => c.Session.MaxSessionMessages),
        new("session", "max_prompt_chars", KeyType.Integer(1), null, "Longest prompt, in characters.",
            (c, _) => c.Session.MaxPromptChars),
        new("session", "max_prompt_tokens", KeyType.Integer(1), null, "Longest prompt, in tokens.",
            (c, _) => c.Session.MaxPromptTokens),
        new("session", "token_budget_mode", KeyType.Choice("auto", "llama", "estimate"), "auto",
            "Who counts tokens: an estimate that asks the model's tokenizer when it matters, always the tokenizer, "
                + "or never.",
            (c, _) => Lower(c.Session.TokenBudgetMode)),
        new("session", "token_budget_chars_per_token", KeyType.Number(0.1, 100), 4.0,
            "Characters that the estimate counts as one token.", (c, _) => c.Session.CharsPerToken),
        new("session", "max_sessions", KeyType.Integer(1), 10000L,
            "Sessions kept; beyond this the least recently used is deleted.", (c, _) => c.Session.MaxSessions),
        new("session", "expire_days", KeyType.Integer(1, 36500), null,
            "Days after which an unused session is deleted. Not set: never.", (c, _) => c.Session.ExpireDays),
    ];

    private static ConfigKey[] Snapshots() =>
    [
        new("snapshots", "enabled", KeyType.Boolean, true,
            "Keep what a model has evaluated (its KV cache) on disk, so that coming back to it costs reading a file.",
            (c, _) => c.Snapshots.Enabled),
        new("snapshots", "min_tokens", KeyType.Integer(1), 512L,
            "Conversations with fewer tokens are not kept so: evaluating them again takes no longer.",
            (c, _) => c.Snapshots.MinTokens),
        new("snapshots", "max_bytes", KeyType.Integer(1, long.MaxValue), null,
            "Disk space for it; beyond this the least recently used is deleted.", (c, _) => c.Snapshots.MaxBytes)
        { DefaultDoc = "8 GiB, or a tenth of the free disk if that is less" },
        new("snapshots", "prefill_ahead_seconds", KeyType.Number(0, MaxSeconds), 300.0,
            "After a load, a conversation that the model has not evaluated yet is evaluated before its next question comes, "
            + "for at most so long, while no request is there. 0: never.", (c, _) => c.Snapshots.PrefillAhead.TotalSeconds),
    ];

    private static ConfigKey[] Preset() =>
    [
        new("preset", "system_prompt", KeyType.Text, "", "System prompt that every conversation starts with.",
            (c, _) => c.Preset.SystemPrompt),
        new("preset", "client_system", KeyType.Choice("merge", "drop", "replace"), "merge",
            "A client's own system message: follows the system prompt, is left out, or takes its place.",
            (c, _) => Lower(c.Preset.ClientSystem)),
    ];

    private static ConfigKey[] Llama() =>
    [
        new("llama", "backend_mode", KeyType.Choice("router", "process"), "router",
            "One llama-server in router mode that loads and unloads models, or one process per model.",
            (c, _) => Lower(c.Llama.BackendMode)),
        new("llama", "binary", KeyType.Binary, "llama-server",
            "Program to run: a name looked up on PATH, or a path.", (c, _) => c.Llama.Binary),
        new("llama", "host", KeyType.Word, "127.0.0.1", "Address that the program listens on.",
            (c, _) => c.Llama.Host),
    ];

    private static ConfigKey[] Router() =>
    [
        new("router", "binary", KeyType.Binary, null, "The router's program.", (c, _) => c.Router.Binary)
        { DefaultDoc = "`[llama].binary`" },
        new("router", "host", KeyType.Word, null, "The router's address.", (c, _) => c.Router.Host)
        { DefaultDoc = "`[llama].host`" },
        new("router", "port", KeyType.Integer(0, 65535), 28000L, "The router's port. 0: a free one at every start.",
            (c, _) => c.Router.Port),
        new("router", "models_dir", KeyType.Path, null, "Folder of GGUF files that the router offers too.",
            (c, _) => c.Router.ModelsDir),
        new("router", "models_preset", KeyType.Path, null,
            "llama-server's preset INI, handed to it as it is. Not set: HotModel writes one from `[models.*]`.",
            (c, _) => c.Router.ModelsPreset),
        new("router", "models_max", KeyType.Integer(1), 1L, "Models that one router loads at once: 1. See `[server].models_max`.",
            (c, _) => c.Router.ModelsMax),
        new("router", "models_autoload", KeyType.Boolean, false,
            "Let llama-server load models on its own account. Leave it off: HotModel decides what is loaded.",
            (c, _) => c.Router.ModelsAutoload),
        new("router", "ctx_size", KeyType.Integer(1), 8192L, "Context size, in tokens.", (c, _) => c.Router.CtxSize),
        new("router", "parallel", KeyType.Integer(1), 1L, "Answers that a model generates at once.",
            (c, _) => c.Router.Parallel),
        new("router", "cache_type_k", KeyType.Word, "q8_0", "Type of the K cache.", (c, _) => c.Router.CacheTypeK),
        new("router", "cache_type_v", KeyType.Word, "q8_0", "Type of the V cache.", (c, _) => c.Router.CacheTypeV),
        new("router", "kv_unified", KeyType.Boolean, true, "One KV buffer for all slots.",
            (c, _) => c.Router.KvUnified),
        new("router", "cache_ram_mb", KeyType.Integer(-1), 1024L,
            "Memory for llama-server's prompt cache, in MiB. 0: no cache, -1: no limit.",
            (c, _) => c.Router.CacheRamMb),
        new("router", "cache_idle_slots", KeyType.Boolean, true,
            "Keep the prompts of idle slots in that cache, and empty the slots. Always off while snapshots are enabled.",
            (c, _) => c.Router.CacheIdleSlots),
        new("router", "flash_attn", KeyType.Choice("auto", "on", "off"), "auto", "Flash attention.",
            (c, _) => c.Router.FlashAttn),
        new("router", "no_ui", KeyType.Boolean, true, "Start llama-server without its web page.",
            (c, _) => c.Router.NoUi),
        new("router", "no_webui", KeyType.Boolean, null, "Old name of `no_ui`.", (_, _) => null)
        { NowCalled = "no_ui" },
        new("router", "extra_args", KeyType.TextList, Array.Empty<string>(),
            "More arguments for the router, after all others. What stands here applies to every model.",
            (c, _) => c.Router.ExtraArgs),
    ];

    private static ConfigKey[] Model() =>
    [
        new(Models, "path", KeyType.Path, null, "The GGUF file.", (c, m) => c.Models[m!].Path) { Required = true },
        new(Models, "router_id", KeyType.Word, null, "Name of the model in llama-server's router.",
            (c, m) => c.Models[m!].RouterId)
        { DefaultDoc = "NAME" },
        new(Models, "port", KeyType.Integer(1, 65535), null, "Port of the model's process. Needed in process mode.",
            (c, m) => c.Models[m!].Port),
        new(Models, "ctx_size", KeyType.Integer(1), null, "Context size, in tokens.", (c, m) => c.Models[m!].CtxSize)
        { DefaultDoc = "8192; in router mode `[router].ctx_size`" },
        new(Models, "gpu_layers", KeyType.Integer(-1), null, "Layers in video memory. Not set: llama-server decides.",
            (c, m) => c.Models[m!].GpuLayers),
        new(Models, "threads", KeyType.Integer(1), null, "CPU threads. Not set: llama-server decides.",
            (c, m) => c.Models[m!].Threads),
        new(Models, "parallel", KeyType.Integer(1), null, "Answers generated at once.", (c, m) => c.Models[m!].Parallel)
        { DefaultDoc = "in router mode `[router].parallel`" },
        new(Models, "aliases", KeyType.TextList, Array.Empty<string>(), "Other names for the model in requests.",
            (c, m) => c.Models[m!].Aliases),
        new(Models, "idle_unload_seconds", KeyType.Number(0.001, MaxSeconds), null,
            "The model is unloaded when it was not used for so long; the next request loads it again. Not set: never.",
            (c, m) => c.Models[m!].IdleUnload?.TotalSeconds),
        new(Models, "pin", KeyType.Boolean, false,
            "Once loaded, the model leaves only for an explicit switch: requests for other models are refused.",
            (c, m) => c.Models[m!].Pin),
        new(Models, "extra_args", KeyType.TextList, Array.Empty<string>(), "More arguments for this model.",
            (c, m) => c.Models[m!].ExtraArgs),
        new(Models, "host", KeyType.Word, null, "Address of the model's process.", (c, m) => c.Models[m!].Host)
        { DefaultDoc = "`[llama].host`" },
        new(Models, "binary", KeyType.Binary, null, "Program of the model's process.", (c, m) => c.Models[m!].Binary)
        { DefaultDoc = "`[llama].binary`" },
    ];

    private static ConfigKey[] ApiKey() =>
    [
        new(ApiKeys, "sha256", KeyType.Word, null,
            "The key's SHA-256, 64 hexadecimal digits; `hotmodel new-key` makes a key and prints it. Either this or `env`.",
            (c, k) => c.Keys[k!].Sha256),
        new(ApiKeys, "env", KeyType.Word, null, "Environment variable that holds the key.", (c, k) => c.Keys[k!].Env),
        new(ApiKeys, "scopes", KeyType.TextList, DefaultScopes,
            "What it may: `inference` (the models' API), `read` (state and metrics), `admin` (conversations, switches, and all "
            + "else).", (c, k) => c.Keys[k!].Scopes.Select(Lower).ToArray()),
        new(ApiKeys, "class", KeyType.Choice("interactive", "background"), "interactive",
            "`background`: its requests let all others go first.", (c, k) => Lower(c.Keys[k!].Class)),
    ];

    private static string Snake(SwitchPolicy policy) => JsonNamingPolicy.SnakeCaseLower.ConvertName(policy.ToString());

    private static string Lower<T>(T value) where T : struct, Enum => value.ToString().ToLowerInvariant();
}
