using System.Globalization;

namespace FakeLlamaServer;

/// <summary>
/// What goes wrong, as a list: NAME[=VALUE][@MODEL][#TIMES] with commas between. Without @MODEL a fault concerns every
/// model, without #TIMES it never wears off.
/// </summary>
/// <remarks>
/// The list of --fault stands; that of --fault-file may be replaced while this runs, and what has worn off stays so when
/// this is started again.
/// <para>Loading: load-slow=MS · load-hangs · load-fails=STDERR · load-ignored (accepted, and then nothing) · load-refused
/// (as while another model leaves) · dies-while-loading (the model's process) · router-dies-while-loading ·
/// answers-503 (loaded, but its process says that it is not).</para>
/// <para>Unloading: unload-hangs · unload-lingers=MS (then killed) · unload-refused · dies-while-unloading (the router) ·
/// reports-failed-after-clean-unload.</para>
/// <para>The router's own answers: models-old-shape, and see <see cref="ControlFaults"/>. Its events: see <see cref="EventHub"/>.</para>
/// <para>Chats: see <see cref="ChatFaults"/> and <see cref="ChatEndpoint"/>.</para>
/// <para>Slots: save-slow=MS · save-hangs · save-fails · restore-hangs · restore-fails.</para>
/// <para>Until they are taken off the list, load-waits, unload-waits, chat-waits (before an answer) and
/// stream-waits (in it) hold that moment.</para>
/// <para>ignore-sigterm · build=NAME (what /props says).</para>
/// </remarks>
internal sealed class Faults
{
    private sealed record Fault(string Text, string Name, string? Value, string? Model, int? Times)
    {
        public bool Concerns(string name, string? model) => name == Name && (Model is null || Model == model);
    }

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(5);

    private readonly Lock gate = new();
    private readonly string? path;
    private readonly Dictionary<string, int> taken = [];
    private readonly Fault[] fixedList;

    public Faults(string? list) => fixedList = Parse(list ?? "");

    private Faults(string list, string path)
        : this(list) => this.path = path;

    /// <summary>A list that a test may replace. Beside it, in ".taken", is what it has cost so far.</summary>
    public static Faults OfFile(string path) => new("", path);

    /// <summary>True, and one use less, if the fault is due.</summary>
    public bool Take(string name, string? model = null) => TakeValue(name, model) is not null;

    /// <summary>The fault's value if it is due, else null.</summary>
    public string? TakeValue(string name, string? model = null)
    {
        lock (gate)
        {
            var due = Array.Find(List(), f => f.Concerns(name, model) && (f.Times is not { } times || TakenOf(f) < times));
            if (due?.Times is not null)
                Count(due);
            return due is null ? null : due.Value ?? "";
        }
    }

    public int? TakeNumber(string name, string? model = null) =>
        TakeValue(name, model) is { } value ? int.Parse(value, CultureInfo.InvariantCulture) : null;

    /// <summary>Returns when the fault is not on the list.</summary>
    public async Task WaitWhileAsync(string name, string model, CancellationToken cancel)
    {
        while (Array.Exists(List(), f => f.Concerns(name, model)))
            await Task.Delay(Look, cancel);
    }

    private Fault[] List() => path is null ? fixedList : Parse(File.ReadAllText(path));

    private int TakenOf(Fault fault) => path is null ? taken.GetValueOrDefault(fault.Text)
        : File.Exists(TakenPath) ? File.ReadLines(TakenPath).Count(line => line == fault.Text) : 0;

    private void Count(Fault fault)
    {
        if (path is null)
            taken[fault.Text] = TakenOf(fault) + 1;
        else
            File.AppendAllText(TakenPath, fault.Text + "\n");
    }

    private string TakenPath => path + ".taken";

    private static Fault[] Parse(string list) =>
        [.. list.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(text => ParseOne(text.Trim()))];

    private static Fault ParseOne(string text)
    {
        var (rest, times) = Cut(text, '#');
        (rest, var model) = Cut(rest, '@');
        var (name, value) = rest.Split('=', 2) is [var left, var right] ? (left, right) : (rest, (string?)null);
        return new Fault(text, name, value, model, times is null ? null : int.Parse(times, CultureInfo.InvariantCulture));
    }

    private static (string Before, string? After) Cut(string text, char separator) =>
        text.LastIndexOf(separator) is >= 0 and var at ? (text[..at], text[(at + 1)..]) : (text, null);
}
