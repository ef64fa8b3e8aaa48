namespace HotModel.Configuration;

/// <summary>What a changed configuration means for a program that runs. Pure.</summary>
internal sealed record ConfigDifference
{
    /// <summary>The new configuration, but for what only a start can change.</summary>
    public required HotModelConfig Effective { get; init; }
    /// <summary>Models that are there now, in the order of their names; so are the following.</summary>
    public required IReadOnlyList<string> Added { get; init; }
    public required IReadOnlyList<string> Removed { get; init; }
    /// <summary>Models whose server is told something else: they are loaded again.</summary>
    public required IReadOnlyList<string> Changed { get; init; }
    /// <summary>Keys whose new values hold at once, such as "server.queue_limit", "models.a.pin", "keys.bob".</summary>
    public required IReadOnlyList<string> Settings { get; init; }
    /// <summary>Keys whose new values hold from the next start on.</summary>
    public required IReadOnlyList<string> NeedRestart { get; init; }

    public static ConfigDifference Between(HotModelConfig current, HotModelConfig wanted)
    {
        var effective = Keep(current, wanted);
        var (before, after) = (current.Models, effective.Models);
        var (settings, restart) = (new List<string>(), new List<string>());
        foreach (var key in Keys(current, wanted))
        {
            if (key.Of(current) != key.Of(wanted))
                (key.Of(effective) == key.Of(wanted) ? settings : restart).Add(key.Name);
        }
        return new ConfigDifference
        {
            Effective = effective,
            Added = [.. after.Keys.Except(before.Keys)],
            Removed = [.. before.Keys.Except(after.Keys)],
            Changed = [.. after.Values.Where(model => before.TryGetValue(model.Name, out var old)
                && LlamaArguments.Identity(current, old) != LlamaArguments.Identity(effective, model))
                .Select(model => model.Name)],
            Settings = settings,
            NeedRestart = restart,
        };
    }

    /// <summary>
    /// What the program has opened, started or counted with stays. Where the way of running llama-server changes, so do its
    /// settings and all models.
    /// </summary>
    private static HotModelConfig Keep(HotModelConfig current, HotModelConfig wanted)
    {
        var server = current.Server;
        var kept = wanted with
        {
            Server = wanted.Server with
            {
                Host = server.Host,
                Port = server.Port,
                AdminPort = server.AdminPort,
                // Other files are read; whether there is TLS is the listener's.
                Tls = (server.Tls is null) == (wanted.Server.Tls is null) ? wanted.Server.Tls : server.Tls,
                LogFormat = server.LogFormat,
                LogFile = server.LogFile,
                StatePath = server.StatePath,
                ActiveModel = server.ActiveModel,
                SwitchPolicy = server.SwitchPolicy,
                ModelsMax = server.ModelsMax,
                StopTimeout = server.StopTimeout,
                MaxBodyBytes = server.MaxBodyBytes,
                FastRelay = server.FastRelay,
                ReadAhead = server.ReadAhead,
            },
            Snapshots = current.Snapshots,
            // llama-server would empty slots before they are saved.
            Router = wanted.Snapshots.Enabled == current.Snapshots.Enabled ? wanted.Router
                : wanted.Router with { CacheIdleSlots = wanted.Router.CacheIdleSlots && !current.Snapshots.Enabled },
        };
        return wanted.Llama.BackendMode == current.Llama.BackendMode ? kept
            : kept with { Llama = current.Llama, Router = current.Router, Models = current.Models };
    }

    /// <summary>Something to compare, and how its difference is reported.</summary>
    private sealed record Item(string Name, Func<HotModelConfig, string?> Of);

    private static IEnumerable<Item> Keys(HotModelConfig current, HotModelConfig wanted)
    {
        foreach (var key in ConfigSchema.Keys.Where(key => !ConfigSchema.Named.Contains(key.Section)))
            yield return new Item($"{key.Section}.{key.Name}", config => Text(key, config, null));
        foreach (var name in Names(current.Models.Keys, wanted.Models.Keys))
        {
            var isNew = current.Models.ContainsKey(name) != wanted.Models.ContainsKey(name);
            if (isNew)
                yield return new Item($"models.{name}", config => config.Models.ContainsKey(name) ? "" : null);
            foreach (var key in isNew ? [] : Section(ConfigSchema.Models))
                yield return new Item($"models.{name}.{key.Name}", config => Text(key, config, name));
        }
        foreach (var name in Names(current.Keys.Keys, wanted.Keys.Keys))
        {
            yield return new Item($"keys.{name}", config => !config.Keys.ContainsKey(name) ? null
                : string.Join('\n', Section(ConfigSchema.ApiKeys).Select(key => $"{key.Name}={Text(key, config, name)}")));
        }
    }

    private static IEnumerable<ConfigKey> Section(string section) => ConfigSchema.Keys.Where(key => key.Section == section);

    private static IEnumerable<string> Names(IEnumerable<string> one, IEnumerable<string> other) =>
        one.Union(other).Order(StringComparer.Ordinal);

    private static string? Text(ConfigKey key, HotModelConfig config, string? name) =>
        key.Read(config, name) is { } value ? TomlText.Value(value) : null;
}
