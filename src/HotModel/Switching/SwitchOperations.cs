using HotModel.Configuration;
using HotModel.Gpu;
using HotModel.Llama;
using HotModel.Snapshots;

namespace HotModel.Switching;

/// <summary>What a switch reads of the devices.</summary>
/// <param name="Read">A reading now.</param>
/// <param name="Settle">Waits until the memory of the processes is back. Given: the reading before the
/// model was loaded and the one before it was unloaded, where there were such; the pids that held it.</param>
/// <param name="SamplePeak">Starts sampling the most used during a switch.</param>
internal sealed record SwitchGpu(
    Func<GpuReading> Read,
    Func<GpuReading?, GpuReading?, IReadOnlyList<int>, CancellationToken, Task<SettleResult>> Settle,
    Func<PeakSampler> SamplePeak)
{
    /// <summary>After each load, from its thread.</summary>
    public Action<ModelConfig, LoadReadings> Measure { get; init; } = (_, _) => { };
}

/// <param name="Before">The load, when the model before was gone.</param>
/// <param name="Pids">Of our processes after it.</param>
/// <param name="Failure">Null: it succeeded.</param>
internal sealed record LoadReadings(GpuReading Before, GpuReading After, IReadOnlyList<int> Pids, LoadFailure? Failure);

/// <summary>What is done for conversations around loading and unloading. Neither makes a switch fail.</summary>
/// <param name="Leaving">Before an unload or a stop, when no request runs.</param>
/// <param name="Loaded">After a load, before anybody is let in.</param>
internal sealed record SwitchWarmth(
    Func<CancellationToken, Task<SavedSlots?>> Leaving,
    Func<ModelConfig, Upstream, CancellationToken, Task<RestoredSlot?>> Loaded)
{
    public static readonly SwitchWarmth None =
        new(_ => Task.FromResult<SavedSlots?>(null), (_, _, _) => Task.FromResult<RestoredSlot?>(null));
}

/// <summary>Runs the slow parts of a switch, one after another; a new one cancels the one before and waits for its end.</summary>
internal sealed class SwitchOperations(
    Func<string, ModelConfig> models, IBackend backend, SwitchGpu gpu, SwitchWarmth warmth, SwitchFeed feed,
    Action<LoopInput> post, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    /// <summary>
    /// Of all slots together. Some GB on any disk; and who supervises services is told of twice as much for the end.
    /// </summary>
    private static readonly TimeSpan StopSaveLimit = TimeSpan.FromSeconds(60);

    /// <summary>A router without work ends in well under a second; with a stuck model it is killed after this.</summary>
    private static readonly TimeSpan StopGrace = TimeSpan.FromSeconds(5);

    private Task running = Task.CompletedTask;
    private CancellationTokenSource cancel = new();
    private GpuReading? beforeLoad;
    private GpuReading? beforeUnload;
    private IReadOnlyList<int> leaving = [];
    private ModelConfig? loaded;

    public bool BackendIsRunning => backend.IsRunning;

    public IReadOnlyList<int> BackendPids => backend.ProcessIds;

    public IReadOnlyList<string> LogTail() => backend.LogTail();

    public void Nudge() => backend.Nudge();

    public void Unload(long generation, string model) => Run(async token =>
    {
        // As it was loaded: by now it may be configured otherwise.
        var leaver = loaded is { } known && known.Name == model ? known : models(model);
        var saved = await warmth.Leaving(token);
        var before = beforeUnload = gpu.Read();
        var running = backend.ProcessIds;
        await backend.UnloadAsync(leaver, token);
        // What runs on, such as the router, holds what it held before.
        leaving = [.. running.Except(backend.ProcessIds)];
        return new LoopInput.Unloaded(generation, before, gpu.Read(), saved);
    });

    public void Settle(long generation) => Run(async token =>
    {
        var result = await gpu.Settle(beforeLoad, beforeUnload, leaving, token);
        return new LoopInput.Settled(generation, result.Settled, result.Last);
    });

    public void Load(long generation, string model, Task gone) => Run(async token =>
    {
        await gone.WaitAsync(token);
        beforeLoad = gpu.Read();
        var comer = loaded = models(model);
        var result = await backend.LoadAsync(comer, generation,
            progress => feed.Publish(new ProgressNews(model, progress.Stage, progress.Fraction)), token);
        var reading = gpu.Read();
        gpu.Measure(comer, new LoadReadings(beforeLoad, reading, backend.ProcessIds, result.Failure));
        if (result.Upstream is not { } upstream)
            return new LoopInput.LoadEnded(generation, result, reading, null);
        post(new LoopInput.Answers(generation));
        var restored = await warmth.Loaded(comer, upstream, token);
        return new LoopInput.LoadEnded(generation, result, reading, restored);
    });

    /// <summary>As a load that fails at once.</summary>
    public void Refuse(long generation, LoadFailure failure) => Run(_ => Task.FromResult<LoopInput>(
        new LoopInput.LoadEnded(generation, new LoadResult(null, failure), gpu.Read(), null)));

    public void Stop(long generation) => Run(async token =>
    {
        using (var limit = new CancellationTokenSource(StopSaveLimit, time))
        using (var either = CancellationTokenSource.CreateLinkedTokenSource(token, limit.Token))
        {
            try
            {
                await warmth.Leaving(either.Token);
            }
            catch (OperationCanceledException) when (!token.IsCancellationRequested)
            {
                SwitchLog.StopSaveTimedOut(logger, StopSaveLimit.TotalSeconds);
            }
        }
        await backend.StopAsync(StopGrace);
        return new LoopInput.BackendStopped(generation);
    });

    public async ValueTask DisposeAsync()
    {
        await cancel.CancelAsync();
        await running;
        cancel.Dispose();
        await backend.DisposeAsync();
    }

    private void Run(Func<CancellationToken, Task<LoopInput>> operation)
    {
        var earlier = running;
        var earlierCancel = cancel;
        cancel = new CancellationTokenSource();
        running = RunAfterAsync(earlier, earlierCancel, operation, cancel.Token);
    }

    private async Task RunAfterAsync(Task earlier, CancellationTokenSource earlierCancel,
        Func<CancellationToken, Task<LoopInput>> operation, CancellationToken token)
    {
        // Not CancelAsync: the order of what follows must not depend on the thread pool (simulated tests).
        earlierCancel.Cancel();
        await earlier;
        earlierCancel.Dispose();
        try
        {
            post(await operation(token));
        }
        catch (OperationCanceledException) when (token.IsCancellationRequested)
        {
            // Its successor has taken over.
        }
        catch (Exception cause)
        {
            post(new LoopInput.Broken(cause));
        }
    }
}
