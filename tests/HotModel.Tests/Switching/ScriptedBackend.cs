using HotModel.Configuration;
using HotModel.Llama;

namespace HotModel.Tests.Switching;

/// <summary>A backend whose operations end when the test says so, on the test's thread. Counts what must never happen.</summary>
internal sealed class ScriptedBackend(Action<ModelLost> onLost) : IBackend
{
    private TaskCompletionSource<LoadResult>? load;
    private TaskCompletionSource? other;
    private string? loading;
    private long instance;

    public string? Loaded { get; private set; }
    public bool IsRunning => !Stopped;
    public bool Stopped { get; private set; }
    public bool IsBusy => load is not null || other is not null;
    public bool IsLoading => load is not null;
    /// <summary>Counts what it was told to do.</summary>
    public int Operation { get; private set; }
    /// <summary>What is loaded, on its way in or on its way out.</summary>
    public string? Holds => Loaded ?? (IsLoading ? loading : null);
    public IReadOnlyList<int> ProcessIds => [];
    public List<string> Violations { get; } = [];
    /// <summary>The end throws what no backend should.</summary>
    public bool BreaksAtEnd { get; set; }

    public IReadOnlyList<string> LogTail() => ["scripted"];

    public async Task<LoadResult> LoadAsync(
        ModelConfig model, long instance, Action<LoadProgress> progress, CancellationToken cancel)
    {
        if (Loaded is not null || IsBusy)
            Violations.Add($"load of {model.Name} while {Loaded} is loaded, busy {IsBusy}");
        Operation++;
        this.instance = instance;
        loading = model.Name;
        var mine = load = new TaskCompletionSource<LoadResult>();
        await using var registration = cancel.Register(() => mine.TrySetCanceled(cancel));
        try
        {
            return await mine.Task;
        }
        finally
        {
            load = null;
        }
    }

    public async Task UnloadAsync(ModelConfig model, CancellationToken cancel)
    {
        await Work(cancel);
        Loaded = null;
    }

    public async Task StopAsync(TimeSpan grace)
    {
        await Work(CancellationToken.None);
        Loaded = null;
        Stopped = true;
    }

    public void Nudge()
    {
    }

    public ValueTask DisposeAsync() =>
        BreaksAtEnd ? ValueTask.FromException(new InvalidOperationException("scripted bug")) : ValueTask.CompletedTask;

    public void Finish(bool succeed, bool permanent = false)
    {
        if (load is { } ending && succeed)
        {
            Loaded = loading;
            ending.TrySetResult(new LoadResult(new Upstream(new Uri("http://127.0.0.1:1/"), loading!, null), null));
        }
        else if (load is { } failing)
        {
            failing.TrySetResult(new LoadResult(null, new LoadFailure(
                permanent ? LoadFailureReason.MissingFile : LoadFailureReason.Exited, "scripted failure", ["last line"])));
        }
        else
        {
            other?.TrySetResult();
        }
    }

    /// <summary>The running load throws what no backend should.</summary>
    public void Break() => load!.SetException(new InvalidOperationException("scripted bug"));

    public void Lose()
    {
        Loaded = null;
        onLost(new ModelLost(instance, new LoadFailure(LoadFailureReason.Killed, "scripted loss", [])));
    }

    private async Task Work(CancellationToken cancel)
    {
        if (IsBusy)
            Violations.Add("two operations at once");
        Operation++;
        var mine = other = new TaskCompletionSource();
        await using var registration = cancel.Register(() => mine.TrySetCanceled(cancel));
        try
        {
            await mine.Task;
        }
        finally
        {
            other = null;
        }
    }
}
