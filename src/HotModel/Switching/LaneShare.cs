using System.Collections.Immutable;
using System.Threading.Channels;
using HotModel.Llama;
using HotModel.Scheduling;

namespace HotModel.Switching;

/// <summary>What is a lane's own, and stays when another model comes into it.</summary>
/// <param name="Number">From 0; also of the leases that it gives out.</param>
/// <param name="Backend">Makes a backend, given what it calls when a loaded model is lost.</param>
/// <param name="Warmth">Saves and restores what slots hold.</param>
/// <param name="ReadAhead">Null: nothing is read ahead.</param>
internal sealed record LaneSeat(
    int Number, Func<Action<ModelLost>, IBackend> Backend, SwitchWarmth Warmth, TargetReadAhead? ReadAhead);

/// <summary>What the lanes know from earlier starts, and what the next one is to know.</summary>
/// <param name="ActiveModel">The model to load first; null: none.</param>
/// <param name="Times">Measured, by model.</param>
/// <param name="KeepActive">Called whenever another model has become the active one.</param>
/// <param name="KeepTimes">Called when a model has come or gone.</param>
internal sealed record LaneMemory(
    string? ActiveModel, IReadOnlyDictionary<string, ModelTimes> Times, Action<string> KeepActive,
    Action<string, ModelTimes> KeepTimes);

/// <summary>What all lanes have in common: one thread handles what reaches them, one input after another.</summary>
/// <remarks>Only that thread is in here, where nothing else is said.</remarks>
internal sealed class LaneShare(LaneMemory memory, TimeProvider time)
{
    // Unbounded: every input is owed to a connection, a lease, a ticket or an operation, and each of those is bounded.
    private readonly Channel<(SwitchLoop? Lane, LoopInput Input)> inputs =
        Channel.CreateUnbounded<(SwitchLoop?, LoopInput)>(
            new UnboundedChannelOptions { SingleReader = true, AllowSynchronousContinuations = false });
    private readonly List<Action> answers = [];
    private readonly long origin = time.GetTimestamp();
    private volatile ImmutableDictionary<string, ModelHistory> models =
        memory.Times.ToImmutableDictionary(entry => entry.Key, entry => ModelHistory.Of(entry.Value));
    private long requests;
    private long tickets;

    public TimeProvider Time => time;

    public SwitchTotals Totals { get; } = new();

    /// <summary>
    /// Given a lane and the model that it is about to load, the end of another lane that still ends with that model: in
    /// process mode both would need the same port.
    /// </summary>
    public Func<SwitchLoop, string, Task> Gone { get; set; } = (_, _) => Task.CompletedTask;

    /// <summary>The schedulers' clock. From any thread.</summary>
    public TimeSpan Now => time.GetElapsedTime(origin);

    /// <summary>To be read from any thread.</summary>
    public ImmutableDictionary<string, ModelHistory> Models
    {
        get => models;
        set => models = value;
    }

    /// <summary>Something new was measured of the model.</summary>
    public void Keep(string model)
    {
        if (models.TryGetValue(model, out var known))
            memory.KeepTimes(model, known.Times);
    }

    public ChannelReader<(SwitchLoop? Lane, LoopInput Input)> Inputs => inputs.Reader;

    /// <summary>From any thread. False: nothing is handled any more.</summary>
    /// <param name="lane">Null: it is for all of them.</param>
    /// <param name="input">What happened.</param>
    public bool Post(SwitchLoop? lane, LoopInput input) => inputs.Writer.TryWrite((lane, input));

    public void Close() => inputs.Writer.Complete();

    public long NextRequest() => ++requests;

    /// <summary>From any thread.</summary>
    public long NextTicket() => Interlocked.Increment(ref tickets);

    /// <summary>Puts an answer off until the state that it tells of can be seen by who gets it.</summary>
    public void Answer(Action answer) => answers.Add(answer);

    public void GiveAnswers()
    {
        foreach (var answer in answers)
            answer();
        answers.Clear();
    }
}
