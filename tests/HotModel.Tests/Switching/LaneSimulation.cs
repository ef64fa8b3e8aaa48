using HotModel.Configuration;
using HotModel.Gpu;
using HotModel.Scheduling;
using HotModel.Switching;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace HotModel.Tests.Switching;

/// <summary>Several lanes on virtual time, each with a scripted backend; whether a model fits beside others says the test.</summary>
internal sealed class LaneSimulation
{
    public static readonly LanePlace Beside = new(true, null);
    public static readonly LanePlace InPlace = new(false, null);

    private static readonly GpuReading NoGpu = new(DateTimeOffset.UnixEpoch, null, null, []);

    private readonly FakeTimeProvider time = new();
    private readonly List<ScriptedBackend> backends = [];
    private readonly List<Client> clients = [];

    /// <summary>Of a switch that has ended, or is just about to be told.</summary>
    public static SwitchReport ReportOf(Task<SwitchReport> report)
    {
        Assert.True(SpinWait.SpinUntil(() => report.IsCompleted, TimeSpan.FromSeconds(10)));
        return report.Result;
    }

    /// <param name="live">Its policy is not zero_overlap.</param>
    /// <param name="activeModel">Is loaded when this returns.</param>
    /// <param name="times">That are known from before.</param>
    public LaneSimulation(
        LiveConfig live, string activeModel = "a", IReadOnlyDictionary<string, ModelTimes>? times = null)
    {
        var seats = Enumerable.Range(0, live.Current.Server.ModelsMax + 1).Select(i => new LaneSeat(i, onLost =>
        {
            var backend = new ScriptedBackend(onLost);
            backends.Add(backend);
            return backend;
        }, SwitchWarmth.None, null));
        Lanes = new ModelLanes(live, [.. seats],
            new SwitchGpu(() => NoGpu, (_, _, _, _) => Task.FromResult(new SettleResult(null, NoGpu)),
                () => new PeakSampler(() => NoGpu, time)),
            model => Place(model), Memory(activeModel, Remembered) with
            {
                Times = times ?? new Dictionary<string, ModelTimes>(),
                KeepActive = model =>
                {
                    Remembered.Add(model);
                    Remembering(model);
                },
                KeepTimes = (model, measured) => Kept[model] = measured,
            }, time, NullLogger.Instance);
        Pump();
        Finish();
    }

    public static HotModelConfig Config(
        SwitchPolicy policy = SwitchPolicy.MakeBeforeBreak, int modelsMax = 1, params string[] models)
    {
        var config = TestConfig.Create(models is [] ? ["a", "b", "c", "d"] : models);
        return config with { Server = config.Server with { SwitchPolicy = policy, ModelsMax = modelsMax } };
    }

    public static LaneMemory Memory(string? activeModel, List<string> remembered) =>
        new(activeModel, new Dictionary<string, ModelTimes>(), remembered.Add, (_, _) => { });

    public ModelLanes Lanes { get; }
    public List<string> Remembered { get; } = [];
    /// <summary>Called while it is written down that the model is the active one.</summary>
    public Action<string> Remembering { get; set; } = _ => { };
    public Dictionary<string, ModelTimes> Kept { get; } = [];
    public Func<string, LanePlace> Place { get; set; } = _ => Beside;
    public IReadOnlyList<string> Loaded => Lanes.Picture.Loaded;
    /// <summary>The backends that hold a model or are busy with one, and all others that were ever made.</summary>
    public IReadOnlyList<ScriptedBackend> Backends => backends;
    public int Loads { get; private set; }
    public string? ActiveModel => Lanes.Status.ActiveModel;

    public Client Arrive(string? model = null) => Arrive(model is null ? RequestAsk.Active : new RequestAsk { Model = model });

    public Client Arrive(RequestAsk ask)
    {
        var client = Come(ask);
        Pump();
        return client;
    }

    /// <summary>Also from the pool's thread that looks for a place: what comes then is handled before what it finds.</summary>
    public Client Come(RequestAsk ask)
    {
        var client = new Client(Lanes, ask);
        clients.Add(client);
        return client;
    }

    public Task<SwitchReport> Switch(string model, bool force = false, TimeSpan? drainTimeout = null)
    {
        var report = Lanes.SwitchAsync(model, force, drainTimeout);
        Pump();
        return report;
    }

    public void Do(Action action)
    {
        action();
        Pump();
    }

    public void Advance(TimeSpan by) => Do(() => time.Advance(by));

    /// <summary>All that goes on in backends ends, until nothing does.</summary>
    public void Finish(bool succeed = true)
    {
        while (backends.Find(backend => backend.IsBusy) is { } busy)
        {
            Loads += busy.IsLoading ? 1 : 0;
            Do(() => busy.Finish(succeed));
        }
    }

    /// <summary>As a reload of the configuration does it.</summary>
    public void Reconfigure(LiveConfig live, HotModelConfig wanted) => Do(() =>
    {
        var difference = ConfigDifference.Between(live.Current, wanted);
        live.Replace(difference.Effective);
        Assert.False(Lanes.ReconfigureAsync(difference).IsFaulted);
    });

    /// <summary>Handles what has come, also what the pool's threads bring.</summary>
    public void Pump()
    {
        Assert.True(
            SpinWait.SpinUntil(() => !Lanes.HandlePending() && !Lanes.IsOwedAnInput
                && clients.Count(client => !client.IsAnswered) == Lanes.Status.WaitingChats, TimeSpan.FromSeconds(10)),
            $"somebody was never answered: {Lanes.Status} {string.Join(' ', Lanes.Loops.Select(loop => (loop.State, loop.Schedule)))}");
        clients.RemoveAll(client => client.IsAnswered);
        foreach (var backend in backends)
            Assert.Empty(backend.Violations);
    }

    internal sealed class Client
    {
        private readonly CancellationTokenSource leaving = new();

        public Client(ModelLanes lanes, RequestAsk ask) => Entering = lanes.EnterAsync(ask, null, leaving.Token).AsTask();

        public Task<Admission> Entering { get; }
        public ModelLease? Lease => Admission?.Lease;
        public Refusal? Refusal => Admission?.Refusal;
        public bool Waits => Admission is null;

        private Admission? Admission => Entering.IsCompletedSuccessfully ? Entering.Result : null;

        public bool IsAnswered => Entering.IsCompleted;

        /// <summary>While it waits.</summary>
        public void Leave() => leaving.Cancel();

        public void Return()
        {
            Lease!.Answered = true;
            Lease.Dispose();
        }
    }
}
