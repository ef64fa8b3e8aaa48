using HotModel.Configuration;
using HotModel.Gpu;
using HotModel.Scheduling;
using HotModel.Switching;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace HotModel.Tests.Switching;

/// <summary>The loop on virtual time, on one thread, with a scripted backend: what a seed did once it does again.</summary>
internal sealed class SwitchSimulation
{
    private static readonly GpuReading NoGpu = new(DateTimeOffset.UnixEpoch, null, null, []);

    private readonly FakeTimeProvider time = new();
    private readonly List<Client> clients = [];
    private readonly List<Task<SwitchReport>> switches = [];
    private ScriptedBackend? backend;

    public SwitchSimulation(
        LiveConfig config, string? activeModel, TargetReadAhead? readAhead = null, SwitchWarmth? warmth = null)
    {
        Lanes = new ModelLanes(config,
            [new LaneSeat(0, onLost => backend = new ScriptedBackend(onLost), warmth ?? SwitchWarmth.None, readAhead)],
            new SwitchGpu(() => NoGpu, (_, _, _, _) => Task.FromResult(new SettleResult(null, NoGpu)),
                () => new PeakSampler(() => NoGpu, time)),
            _ => default, LaneSimulation.Memory(activeModel, Remembered), time, NullLogger.Instance);
        Pump();
    }

    public ModelLanes Lanes { get; }
    public SwitchLoop Loop => Lanes.Active;
    public ScriptedBackend Backend => backend!;
    public List<string> Remembered { get; } = [];
    public IReadOnlyList<Client> Clients => clients;
    public IReadOnlyList<Task<SwitchReport>> Switches => switches;

    /// <summary>Requests that hold a lease and have not returned it.</summary>
    public IEnumerable<Client> Holding => clients.Where(c => c.Lease is not null && !c.Done);

    public IEnumerable<Client> Waiting => clients.Where(c => !c.Entering.IsCompleted);

    public Client Arrive(RequestAsk? ask = null)
    {
        var client = new Client(Lanes, ask ?? RequestAsk.Active);
        clients.Add(client);
        Pump();
        return client;
    }

    public Task<SwitchReport> Switch(string model, bool force = false, TimeSpan? drainTimeout = null)
    {
        var report = Lanes.SwitchAsync(model, force, drainTimeout);
        switches.Add(report);
        Pump();
        return report;
    }

    public void Do(Action action)
    {
        action();
        Pump();
    }

    /// <summary>As a reload of the configuration does it.</summary>
    public void Reconfigure(LiveConfig live, HotModelConfig wanted) => Do(() =>
    {
        var difference = ConfigDifference.Between(live.Current, wanted);
        live.Replace(difference.Effective);
        Assert.False(Lanes.ReconfigureAsync(difference).IsFaulted);
    });

    public void Finish(bool succeed = true, bool permanent = false) => Do(() => Backend.Finish(succeed, permanent));

    public void Advance(TimeSpan by) => Do(() => time.Advance(by));

    /// <summary>Handles all that has come, and waits until every caller that was answered has noticed.</summary>
    private void Pump()
    {
        while (Lanes.HandlePending())
        {
        }
        var noticed = SpinWait.SpinUntil(
            () => clients.Count(c => !c.Entering.IsCompleted) == Loop.Schedule.Waiting.Count
                && switches.Count(s => !s.IsCompleted) == Loop.State.Queued.Count(q => !q.IsScheduled)
                    + (Loop.State.Current is null or { IsScheduled: true } ? 0 : 1),
            TimeSpan.FromSeconds(30));
        Assert.True(noticed, $"{Loop.State}: somebody was never answered");
        AssertAgreement();
    }

    /// <summary>The scheduler and the machine see the same.</summary>
    private void AssertAgreement()
    {
        var (machine, schedule) = (Loop.State, Loop.Schedule);
        var agree = machine.InFlight == schedule.InFlight && (machine.Closing || machine.Phase switch
        {
            SwitchPhase.Ready => schedule.Gate == GateState.Open && schedule.Loaded == machine.Active,
            SwitchPhase.Draining when machine.Instance != 0 =>
                schedule.Gate == GateState.Draining && schedule.Target == machine.Goal,
            SwitchPhase.Idle => schedule is { Gate: GateState.Empty, Target: null, Waiting.IsEmpty: true },
            _ when machine.Current is null && machine.Queued.IsEmpty =>
                schedule.Gate == GateState.Empty && schedule.Target == machine.Goal,
            _ => schedule.Gate == GateState.Switching && schedule.Target is not null,
        });
        Assert.True(agree, $"they disagree: {machine} and {schedule}");
    }

    internal sealed class Client
    {
        private readonly CancellationTokenSource leaving = new();

        public Client(ModelLanes lanes, RequestAsk ask) => Entering = lanes.EnterAsync(ask, null, leaving.Token).AsTask();

        public Task<Admission> Entering { get; }
        public bool Done { get; private set; }
        public ModelLease? Lease => Entering.IsCompletedSuccessfully ? Entering.Result.Lease : null;
        public Refusal? Refusal => Entering.IsCompletedSuccessfully ? Entering.Result.Refusal : null;

        public void Leave() => leaving.Cancel();

        public void Return(bool answered = true)
        {
            Done = true;
            Lease!.Answered = answered;
            Lease.Dispose();
        }
    }
}
