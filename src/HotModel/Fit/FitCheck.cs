using System.Collections.Concurrent;
using HotModel.Configuration;
using HotModel.Gpu;
using HotModel.ReadAhead;
using HotModel.Sessions;

namespace HotModel.Fit;

/// <summary>What is loaded at a moment.</summary>
/// <param name="Model">Null: none.</param>
/// <param name="IsMoving">One is being loaded or unloaded: nobody knows how far that has come.</param>
/// <param name="Goal">On its way in.</param>
/// <param name="Pids">Of our processes.</param>
internal sealed record LoadedNow(string? Model, bool IsMoving, string? Goal, IReadOnlyList<int> Pids)
{
    /// <summary>Models that are loaded beside it.</summary>
    public IReadOnlyList<string> Others { get; init; } = [];
    /// <summary>Beside it one is being loaded or unloaded.</summary>
    public bool OthersMove { get; init; }
    /// <summary>The model that makes room once another one has come beside it; null: none has to.</summary>
    public string? Leaves { get; init; }
    /// <summary>
    /// The model that leaves where nothing fits beside, for a request, or for a switch where no model is active; null: the
    /// same one as for a switch.
    /// </summary>
    public (string Model, IReadOnlyList<int> Pids)? Yields { get; init; }
}

/// <summary>What a check reads of the world.</summary>
/// <param name="Gpu">A reading now.</param>
/// <param name="Memory">Of the machine, and of what limits this process in it; empty: unknown.</param>
/// <param name="Loaded">What is loaded.</param>
/// <param name="HasUnreadableGpu">There may be a GPU whose memory nobody tells.</param>
internal sealed record FitSenses(
    Func<GpuReading> Gpu, Func<IReadOnlyList<MemoryState>> Memory, Func<LoadedNow> Loaded, bool HasUnreadableGpu);

/// <summary>Whether a model fits, asked before anything is unloaded for it. From any thread.</summary>
/// <param name="live">The models.</param>
/// <param name="facts">Their files and arguments.</param>
/// <param name="ledger">What they took before.</param>
/// <param name="store">What is kept of conversations.</param>
/// <param name="senses">The world.</param>
/// <param name="seconds">How long unloading and loading a model take; null where it was not measured.</param>
/// <param name="time">The clock.</param>
internal sealed class FitCheck(
    LiveConfig live, ModelFacts facts, FootprintLedger ledger, SessionStore store, FitSenses senses,
    Func<string, (TimeSpan? Unload, TimeSpan? Load)> seconds, TimeProvider time)
{
    /// <summary>So long a verdict holds for requests, which may come by the hundred.</summary>
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    // As many as there are models in the configuration.
    private readonly ConcurrentDictionary<string, (long At, Task<FitVerdict> Verdict)> recent = new(StringComparer.Ordinal);

    /// <summary>For a request that names a model which may have to be loaded; about a second old at most.</summary>
    /// <param name="model">A configured name.</param>
    /// <param name="cancel">Ends the wait, not the look.</param>
    public Task<FitVerdict> JudgeAsync(string model, CancellationToken cancel)
    {
        var now = time.GetTimestamp();
        if (!recent.TryGetValue(model, out var last) || last.Verdict.IsFaulted || time.GetElapsedTime(last.At, now) >= Fresh)
            recent[model] = last = (now, Task.Run(() => Judge(model, isRequest: true), CancellationToken.None));
        return last.Verdict.WaitAsync(cancel);
    }

    /// <summary>As things are now.</summary>
    /// <param name="model">A configured name.</param>
    public FitVerdict Judge(string model) => Judge(model, isRequest: false);

    private FitVerdict Judge(string model, bool isRequest)
    {
        var loaded = senses.Loaded();
        var fact = facts.Of(live.Model(model));
        if (IsLoaded(model, loaded))
            return new FitVerdict(true, null, [], fact.Settings.ContextTokens, null, []);
        var policy = live.Current.Server.SwitchPolicy;
        if (policy == SwitchPolicy.ZeroOverlap || loaded.IsMoving || loaded is { Model: null, Others.Count: 0 })
            return Judge(model, fact, loaded, isBeside: false);
        var beside = Judge(model, fact, loaded, isBeside: true);
        if (policy == SwitchPolicy.MakeBeforeBreak || beside.IsProven)
            return beside;
        // Another lane may be the one that makes room: what its model holds is what comes back.
        var leaving = (isRequest || loaded.Model is null) && loaded.Yields is var (name, pids)
            ? loaded with { Model = name, Pids = pids } : loaded;
        return Judge(model, fact, leaving, isBeside: false);
    }

    private static bool IsLoaded(string model, LoadedNow loaded) =>
        (!loaded.IsMoving && loaded.Model == model) || loaded.Others.Contains(model);

    private FitVerdict Judge(string model, ModelFact fact, LoadedNow loaded, bool isBeside)
    {
        var reading = senses.Gpu();
        var visible = facts.Visible(fact, reading.Devices);
        var usesGpu = ledger.UsesGpu(fact.Build);
        return FitJudge.Judge(new FitQuestion
        {
            Model = model,
            Fact = fact,
            IsLlamaServer = LlamaArguments.IsLlamaServer(ModelFacts.ProgramOf(live.Current, live.Model(model))),
            Gpus = visible.Devices,
            Ledger = ledger.Find(fact, visible.Devices),
            BuildUsesGpu = usesGpu,
            GpuProcessBytes = ledger.ProcessBytes(fact.Build, visible.Devices),
            Freed = isBeside ? FreedMemory.Nothing(reading) : Freed(loaded, reading),
            FreeCpuBytes = senses.Memory() is { Count: > 0 } states ? states.Min(state => state.Available) : null,
            HasLoaded = seconds(model).Load is not null,
            Doubt = Doubt(live.Model(model), fact.Settings, loaded, reading) ?? visible.Doubt,
        }) with
        { IsBeside = isBeside };
    }

    /// <summary>What a switch would do now.</summary>
    /// <param name="model">A configured name.</param>
    public FitPlan Plan(string model)
    {
        var loaded = senses.Loaded();
        var isLoaded = IsLoaded(model, loaded);
        var isActive = isLoaded && loaded.Model == model;
        var verdict = Judge(model);
        var leaves = isLoaded ? null : verdict.IsBeside ? loaded.Leaves : loaded.Model ?? loaded.Yields?.Model;
        TimeSpan? nothing = loaded.IsMoving ? null : TimeSpan.Zero;
        var unload = leaves is null ? nothing : seconds(leaves).Unload;
        var load = isLoaded ? TimeSpan.Zero : seconds(model).Load;
        return new FitPlan
        {
            Model = model,
            ActiveModel = loaded.Model,
            AlreadyActive = isActive,
            Fits = verdict.Fits,
            Reason = verdict.Reason,
            AlreadyLoaded = isLoaded,
            Beside = verdict.IsBeside ? [.. loaded.Others.Prepend(loaded.Model).OfType<string>()] : [],
            Unloads = leaves is null || leaves == model ? [] : [leaves],
            CtxSize = verdict.ContextTokens,
            LargestCtxSize = verdict.LargestContext,
            Devices = [.. verdict.Devices.Select(PlannedDevice.Of)],
            Seconds = new PlannedSeconds(Rounded(unload), Rounded(load), Rounded(unload + load)),
            Warm = new PlannedWarmth(CachedPart(live.Model(model)), SnapshotOf(model)),
            Notes = verdict.Notes,
        };
    }

    private string? Doubt(ModelConfig model, FitSettings settings, LoadedNow loaded, GpuReading reading)
    {
        if (loaded.IsMoving && loaded.Goal == model.Name)
            return "it is on its way in";
        if (loaded.OthersMove)
            return "a model is on its way in or out";
        if (live.Current.Llama.BackendMode == BackendMode.Process && !LlamaArguments.IsLlamaServer(model.Binary))
            return "its program is not llama-server";
        var mayUseGpu = settings is not ({ GpuLayers: 0 } or { DeviceNames.Count: 0 });
        return mayUseGpu && reading.Devices.Count == 0 && senses.HasUnreadableGpu
            ? "there may be a GPU whose memory cannot be read" : null;
    }

    private static double? Rounded(TimeSpan? span) => span is { } value ? Math.Round(value.TotalSeconds, 3) : null;

    private PlannedSnapshot? SnapshotOf(string model) =>
        live.Current.Snapshots.Enabled
            && store.LatestSnapshot(model, facts.FingerprintOf(live.Model(model))) is { } snapshot
            ? new PlannedSnapshot(snapshot.SessionId, snapshot.Tokens) : null;

    private Dictionary<string, FreedMemory> Freed(LoadedNow loaded, GpuReading reading)
    {
        if (!loaded.IsMoving && loaded.Model is null)
            return FreedMemory.Nothing(reading);
        IReadOnlyDictionary<string, long>? measured = null, expected = null;
        long? cpu = null;
        if (!loaded.IsMoving)
        {
            var leaving = facts.Of(live.Model(loaded.Model!));
            var gpus = ledger.UsesGpu(leaving.Build) == false ? [] : facts.Visible(leaving, reading.Devices).Devices;
            measured = ledger.Find(leaving, gpus);
            var estimate = FitEstimate.Of(
                leaving, gpus, gpu => gpu.FreeBytes + gpu.UsedBytes, ledger.ProcessBytes(leaving.Build, gpus));
            expected = estimate?.Gpus.Select((gpu, i) => (gpus[i].Id, gpu.TotalBytes)).ToDictionary(StringComparer.Ordinal);
            cpu = estimate is null ? null : FitEstimate.CpuBytes(estimate.Cpu, leaving.Settings);
        }
        var freed = FreedMemory.OfGpus(reading, loaded.Pids, measured, expected);
        if (FreedMemory.OfProcesses(loaded.Pids) is { } held)
            freed[DeviceFit.CpuId] = new FreedMemory(held, FitSource.Processes);
        else if (cpu is { } bytes)
            freed[DeviceFit.CpuId] = new FreedMemory(bytes, FitSource.Estimate);
        return freed;
    }

    /// <summary>Null where the system does not tell.</summary>
    private double? CachedPart(ModelConfig model)
    {
        var (cached, all) = (0L, 0L);
        try
        {
            foreach (var path in ModelFiles.Of(live.Current, model))
            {
                using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                var bytes = RandomAccess.GetLength(file);
                if (new PageResidency(file, path).ResidentBytes(bytes) is not { } resident)
                    return null;
                cached += resident;
                all += bytes;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return null;
        }
        return all > 0 ? Math.Round((double)cached / all, 3) : null;
    }
}
