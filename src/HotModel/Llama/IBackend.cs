using HotModel.Configuration;

namespace HotModel.Llama;

/// <summary>
/// Runs one model at a time. The two implementations: llama-server's router, and one process per model.
/// </summary>
/// <remarks>
/// The caller runs one operation after another, never two at once; a cancelled operation has ended when its task has.
/// </remarks>
internal interface IBackend : IAsyncDisposable
{
    /// <summary>True while a server process of ours is alive.</summary>
    bool IsRunning { get; }

    /// <summary>Pids of all processes of ours that may hold device memory, children included.</summary>
    IReadOnlyList<int> ProcessIds { get; }

    /// <summary>The last lines that the current load, or the last one, left in the child's log; oldest first.</summary>
    IReadOnlyList<string> LogTail();

    /// <summary>
    /// Starts what has to run, loads the model and returns when it answers. Expected failures are values.
    /// </summary>
    /// <param name="model">The model to load.</param>
    /// <param name="instance">Comes back in <see cref="ModelLost"/> when this very load is lost later.</param>
    /// <param name="progress">Called from any thread.</param>
    /// <param name="cancel">Ends the wait with an OperationCanceledException; what was started is cleared by the next
    /// unload.</param>
    Task<LoadResult> LoadAsync(
        ModelConfig model, long instance, Action<LoadProgress> progress, CancellationToken cancel);

    /// <summary>
    /// Returns when the model's process is gone, by force where it must be. Nothing loaded is no error. Where not even
    /// force ends it (it hangs in the kernel), it returns too, and no load succeeds while that process lives.
    /// </summary>
    Task UnloadAsync(ModelConfig model, CancellationToken cancel);

    /// <summary>
    /// Ends every process of ours: asks, waits up to <paramref name="grace"/>, then kills. Zero kills at once.
    /// </summary>
    Task StopAsync(TimeSpan grace);

    /// <summary>
    /// The loaded model did not answer somebody: looks now whether it is lost. Returns at once, from any thread.
    /// </summary>
    void Nudge();
}

/// <summary>Where requests for the loaded model go.</summary>
/// <param name="BaseAddress">Such as http://127.0.0.1:28000/.</param>
/// <param name="Model">The value of "model" that the server there expects.</param>
/// <param name="ApiKey">Bearer key of ours, or null.</param>
internal sealed record Upstream(Uri BaseAddress, string Model, string? ApiKey)
{
    /// <summary>The command line of the model's process; empty where it is not known.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];
}

/// <param name="Stage">llama-server's word, such as "text_model".</param>
/// <param name="Fraction">0 to 1.</param>
internal readonly record struct LoadProgress(string Stage, double Fraction);

/// <summary>Exactly one of the two is set.</summary>
internal readonly record struct LoadResult(Upstream? Upstream, LoadFailure? Failure);

/// <param name="Reason">The class of the failure.</param>
/// <param name="Error">One sentence for people, naming the file, flag or device where known.</param>
/// <param name="LogTail">The child's last lines, oldest first.</param>
internal sealed record LoadFailure(LoadFailureReason Reason, string Error, IReadOnlyList<string> LogTail);

internal enum LoadFailureReason
{
    Unknown, OutOfMemory, MissingFile, CorruptFile, UnknownFlag, Killed, TimedOut, PortInUse, BinaryMissing, Exited,
    /// <summary>Not configured any more: nothing was started.</summary>
    Removed,
}

/// <summary>A loaded model's process ended without being asked to.</summary>
internal sealed record ModelLost(long Instance, LoadFailure Failure);
