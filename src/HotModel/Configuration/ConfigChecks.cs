namespace HotModel.Configuration;

/// <summary>What no single key can tell: how the keys go together, and whether llama-server will take them.</summary>
internal static class ConfigChecks
{
    private static readonly string[] ReservedRouterArgs =
    [
        "--host", "--port", "--models-max", "--models-dir", "--models-preset", "--models-autoload",
        "--no-models-autoload", "--api-key", "--api-key-file", "-m", "--model", "-hf", "-hfr", "--hf-repo",
    ];

    public static void CheckValues(ConfigValues values, List<ConfigError> errors)
    {
        CheckServer(values, errors);
        AccessChecks.Check(values, errors);
        CheckRouter(values["router"], values["server"], errors);
        if (values.Models.Count == 0)
            errors.Add(values.FileStart.Error("no model is defined; write a section [models.NAME] with its path"));
        var isProcess = values["llama"].Text("backend_mode") == "process";
        foreach (var (name, model) in values.Models)
            CheckModel(name, model, isProcess, errors);
        CheckAliases(values, errors);
        if (!isProcess)
            CheckRouterIds(values, errors);
    }

    private static void CheckServer(ConfigValues values, List<ConfigError> errors)
    {
        var server = values["server"];
        if (server.TextOrNull("active_model") is { } active && !values.Models.ContainsKey(active))
        {
            errors.Add(server.OriginOf("active_model").Error(
                $"active_model: there is no section [models.{TomlText.Key(active)}]"
                + NearestName.Hint(active, values.Models.Keys)));
        }
        if (server.Text("switch_policy") == "zero_overlap" && server.Whole("models_max") != 1)
        {
            errors.Add(server.OriginOf("models_max").Error(
                "models_max: must be 1 with switch_policy = \"zero_overlap\"; more need \"make_before_break\" or \"auto\""));
        }
        CheckListeners(values, errors);
        if (server.Text("switch_policy") != "zero_overlap" && values["llama"].Text("backend_mode") == "process")
            CheckPorts(values, errors);
    }

    /// <summary>HotModel and what it starts listen at once.</summary>
    private static void CheckListeners(ConfigValues values, List<ConfigError> errors)
    {
        var (server, router, llama) = (values["server"], values["router"], values["llama"]);
        var others = llama.Text("backend_mode") == "process"
            ? values.Models.Values.Select(model => (Section: model, Host: model.TextOrNull("host") ?? llama.Text("host")))
            : [(router, router.TextOrNull("host") ?? llama.Text("host"))];
        foreach (var (other, host) in others)
        {
            if (other.WholeOrNull("port") is not { } port)
                continue;
            var key = port == server.Whole("port") && Overlap(host, server.Text("host")) ? "port"
                : port == server.WholeOrNull("admin_port") && Overlap(host, "127.0.0.1") ? "admin_port" : null;
            if (key is not null)
            {
                errors.Add((other.Has("port") ? other : server).OriginOf(other.Has("port") ? "port" : key).Error(
                    $"port: {port} is already that of [server] {key}; HotModel and llama-server need ports of their own"));
            }
        }

        static bool Overlap(string one, string other) => one == other || Takes(one, other) || Takes(other, one);

        // Of IPv6 it takes IPv4, too, the other way around not.
        static bool Takes(string any, string host) => any == "::" || (any == "0.0.0.0" && !host.Contains(':'));
    }

    /// <summary>Two models at once need two ports.</summary>
    private static void CheckPorts(ConfigValues values, List<ConfigError> errors)
    {
        var owners = new Dictionary<int, string>();
        foreach (var (name, model) in values.Models)
        {
            if (model.WholeOrNull("port") is { } port && !owners.TryAdd(port, name))
            {
                errors.Add(model.OriginOf("port").Error(
                    $"port: {port} is already that of [models.{TomlText.Key(owners[port])}]; models that are loaded at once "
                    + "need ports of their own"));
            }
        }
    }

    private static void CheckRouter(ConfigSection router, ConfigSection server, List<ConfigError> errors)
    {
        if (router.Whole("models_max") != 1)
        {
            errors.Add(router.OriginOf("models_max").Error(server.Text("switch_policy") == "zero_overlap"
                ? "models_max: must be 1 with switch_policy = \"zero_overlap\": the router itself then refuses a "
                    + "second model"
                : "models_max: must be 1: each loaded model has a router of its own; how many there may be says models_max "
                    + "in [server]"));
        }
        if (router.Has("no_webui") && router.Has("no_ui"))
        {
            errors.Add(router.OriginOf("no_webui").Error(
                $"no_webui is the old name of no_ui, which is set in {router.OriginOf("no_ui")}; give one of them"));
        }
        foreach (var argument in router.Texts("extra_args").Where(ReservedRouterArgs.Contains))
        {
            errors.Add(router.OriginOf("extra_args").Error(
                $"extra_args: {TomlText.Quote(argument)} is HotModel's own to set; use the key of that name, or "
                    + "leave it out"));
        }
    }

    private static void CheckModel(string name, ConfigSection model, bool isProcess, List<ConfigError> errors)
    {
        var title = $"[models.{TomlText.Key(name)}]";
        if (name.Length == 0 || name.Trim() != name || name.Any(char.IsControl))
        {
            errors.Add(model.Origin.Error(
                $"{title}: a model's name may not be empty, begin or end with a space, or hold control characters"));
        }
        if (name == ModelNames.Active)
        {
            errors.Add(model.Origin.Error(
                $"{title}: \"{ModelNames.Active}\" in a request means whichever model answers; give the model another name"));
        }
        if (model.IsMissing("path"))
            errors.Add(model.Origin.Error($"{title}: path is missing; give the GGUF file"));
        if (isProcess && model.IsMissing("port"))
        {
            errors.Add(model.Origin.Error(
                $"{title}: port is missing; backend_mode = \"process\" needs one, from 1 to 65535, for each model"));
        }
    }

    /// <summary>A name in a request means one model.</summary>
    private static void CheckAliases(ConfigValues values, List<ConfigError> errors)
    {
        var owners = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, model) in values.Models)
        {
            foreach (var alias in model.Texts("aliases"))
            {
                var problem = alias.Length == 0 ? "a name may not be empty"
                    : alias == ModelNames.Active ? "means whichever model answers"
                    : values.Models.ContainsKey(alias) ? "is the name of a model"
                    : !owners.TryAdd(alias, name) ? $"is already an alias of [models.{TomlText.Key(owners[alias])}]"
                    : null;
                if (problem is not null)
                    errors.Add(model.OriginOf("aliases").Error($"aliases: {TomlText.Quote(alias)}: {problem}"));
            }
        }
    }

    /// <summary>Two names for one model of the router would make a switch between them a switch to itself.</summary>
    private static void CheckRouterIds(ConfigValues values, List<ConfigError> errors)
    {
        var owners = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, model) in values.Models)
        {
            var id = model.TextOrNull("router_id") ?? name;
            if (!owners.TryAdd(id, name))
            {
                errors.Add(model.OriginOf("router_id").Error(
                    $"router_id: {TomlText.Quote(id)} is already that of [models.{TomlText.Key(owners[id])}]"));
            }
        }
    }

    public static void CheckLlama(
        HotModelConfig config, ConfigValues values, List<ConfigError> errors, List<string> warnings)
    {
        foreach (var model in config.Models.Values)
        {
            // Not an error: the file may come with a mount; a switch to it fails by itself and goes back.
            if (!File.Exists(model.Path))
                warnings.Add($"{values.Models[model.Name].OriginOf("path")}: path: there is no file {model.Path}");
        }
        foreach (var section in values.Models.Values.Append(values["router"])
            .Where(section => LlamaArguments.LogsRequests(section.Texts("extra_args"))))
        {
            warnings.Add($"{section.OriginOf("extra_args")}: extra_args: so verbose llama-server writes whole requests into its "
                + "log, prompts included");
        }
        if (values["snapshots"].Flag("enabled") && LlamaArguments.WithSlotPath(values).FirstOrDefault() is { } own)
        {
            warnings.Add($"{own.OriginOf("extra_args")}: extra_args: snapshots are off, because --slot-save-path sends "
                + "their files elsewhere; leave it out to have them");
        }
        if (config.Llama.BackendMode == BackendMode.Process)
            return;
        if (config.Router.ModelsAutoload)
        {
            warnings.Add($"{values["router"].OriginOf("models_autoload")}: models_autoload: llama-server may then load "
                + "a model that HotModel has just unloaded");
        }
        if (config.Router.ModelsDir is { } models && !Directory.Exists(models))
            errors.Add(values["router"].OriginOf("models_dir").Error($"models_dir: there is no folder {models}"));
        if (config.Router.ModelsPreset is { } preset)
            PresetChecks.Check(preset, config, values, errors, warnings);
        else
            CheckWritablePreset(config, values, errors);
    }

    private static void CheckWritablePreset(HotModelConfig config, ConfigValues values, List<ConfigError> errors)
    {
        foreach (var fault in PresetWriter.Faults(config))
        {
            var error = values.Models[fault.Model].OriginOf(fault.Key).Error($"{fault.Key}: {fault.Message}");
            // A bad name is a bad router_id too, where that is not set.
            var place = (error.Source, error.Line, error.Column);
            if (!errors.Any(known => (known.Source, known.Line, known.Column) == place))
                errors.Add(error);
        }
    }
}
