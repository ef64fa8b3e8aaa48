using System.Globalization;

namespace FakeLlamaServer;

/// <summary>
/// What goes wrong, as a list: NAME[=VALUE][@MODEL][#TIMES] with commas between. Without @MODEL a fault concerns every
/// model, without #TIMES it never wears off.
/// </summary>
/// <remarks>
/// load-hangs · load-slow=MS · load-fails=STDERR · dies-while-loading (the model's process) ·
/// router-dies-while-loading · unload-hangs · dies-while-unloading (the router) · reports-failed-after-clean-unload ·
/// no-sse · sse-stalls · sse-old-shape · stream-stalls · stream-reset-after=CHUNKS · proxy-error-in-stream ·
/// stream-delay=MS · die-on-chat (the model's process) · ignore-sigterm · build=NAME (what /props says) ·
/// save-slow=MS · save-hangs · save-fails · restore-hangs · restore-fails (of a slot's file)
/// </remarks>
internal sealed class Faults(string? list)
{
    private sealed class Fault(string name, string? value, string? model, int times)
    {
        private readonly bool wearsOff = times >= 0;
        private int left = times;

        public string? Value { get; } = value;

        public bool Concerns(string name2, string? model2) => name == name2 && (model is null || model == model2);

        public bool Take() => !wearsOff || Interlocked.Decrement(ref left) >= 0;
    }

    private readonly Fault[] faults = [.. (list ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries).Select(Parse)];

    /// <summary>True, and one use less, if the fault is due.</summary>
    public bool Take(string name, string? model = null) => Find(name, model)?.Take() ?? false;

    /// <summary>The fault's value if it is due, else null.</summary>
    public string? TakeValue(string name, string? model = null) =>
        Find(name, model) is { } fault && fault.Take() ? fault.Value ?? "" : null;

    public int? TakeNumber(string name, string? model = null) =>
        TakeValue(name, model) is { } value ? int.Parse(value, CultureInfo.InvariantCulture) : null;

    private Fault? Find(string name, string? model) => Array.Find(faults, f => f.Concerns(name, model));

    private static Fault Parse(string text)
    {
        var (rest, times) = Cut(text.Trim(), '#');
        (rest, var model) = Cut(rest, '@');
        var (name, value) = rest.Split('=', 2) is [var left, var right] ? (left, right) : (rest, (string?)null);
        return new Fault(name, value, model, times is null ? -1 : int.Parse(times, CultureInfo.InvariantCulture));
    }

    private static (string Before, string? After) Cut(string text, char separator) =>
        text.LastIndexOf(separator) is >= 0 and var at ? (text[..at], text[(at + 1)..]) : (text, null);
}
