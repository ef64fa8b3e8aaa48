using System.Globalization;

namespace HotModel.Configuration;

/// <summary>An option of the router's command line that a preset may set for one model too.</summary>
/// <param name="ConfigKey">Its key in [router].</param>
/// <param name="Key">Its key in a preset.</param>
/// <param name="Value">Its value in a preset.</param>
/// <param name="Arguments">The same on the command line.</param>
internal sealed record RouterOption(string ConfigKey, string Key, string Value, IReadOnlyList<string> Arguments)
{
    public static IReadOnlyList<RouterOption> Of(RouterConfig router)
    {
        var options = new List<RouterOption>
        {
            Valued("ctx_size", "ctx-size", Text(router.CtxSize)),
            Valued("parallel", "parallel", Text(router.Parallel)),
            Valued("cache_type_k", "cache-type-k", router.CacheTypeK),
            Valued("cache_type_v", "cache-type-v", router.CacheTypeV),
            Switch("kv_unified", "kv-unified", router.KvUnified),
            Switch("cache_idle_slots", "cache-idle-slots", router.CacheIdleSlots),
        };
        if (router.CacheRamMb is { } cache)
            options.Add(Valued("cache_ram_mb", "cache-ram", Text(cache)));
        if (router.FlashAttn is { } flash)
            options.Add(Valued("flash_attn", "flash-attn", flash));
        return options;
    }

    /// <summary>
    /// True where a preset's entry says otherwise: llama-server lets its command line win over a preset.
    /// </summary>
    public bool IsOverriddenBy(string presetKey, string presetValue)
    {
        var key = PresetSyntax.Canonical(presetKey);
        if (key == $"no-{Key}")
            return IsTrue(presetValue) == IsTrue(Value);
        return key == Key && (Arguments.Count == 1 ? IsTrue(presetValue) != IsTrue(Value) : presetValue != Value);
    }

    /// <summary>llama-server takes anything that is not one of these for true.</summary>
    private static bool IsTrue(string value) => value is not ("false" or "off" or "0" or "disabled");

    private static RouterOption Valued(string configKey, string key, string value) =>
        new(configKey, key, value, [$"--{key}", value]);

    private static RouterOption Switch(string configKey, string key, bool on) =>
        new(configKey, key, on ? "true" : "false", [on ? $"--{key}" : $"--no-{key}"]);

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
