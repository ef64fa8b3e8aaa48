namespace HotModel.Llama;

/// <summary>
/// Wakes everybody who waits. Take <see cref="Next"/> before looking at what may change, then wait on it.
/// </summary>
internal sealed class Pulse
{
    private volatile TaskCompletionSource source = New();

    public Task Next => source.Task;

    public void Set() => Interlocked.Exchange(ref source, New()).TrySetResult();

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
