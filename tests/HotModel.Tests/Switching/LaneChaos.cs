using HotModel.Configuration;
using HotModel.Scheduling;
using HotModel.Switching;

namespace HotModel.Tests.Switching;

/// <summary>A world in which everything goes wrong that can, and what must be true of it all the same.</summary>
internal sealed class LaneChaos
{
    private static readonly string[] Names = ["a", "b", "c", "d", "e"];
    private static readonly TimeSpan End = TimeSpan.FromMinutes(8);

    private readonly Random random;
    private readonly LaneWorld world;
    private readonly int modelsMax;
    private double fails;

    public LaneChaos(int seed)
    {
        random = new Random(seed);
        modelsMax = random.Next(1, 4);
        fails = random.Next(3) == 0 ? random.NextDouble() * 0.5 : 0;
        var models = Names.ToDictionary(name => name, _ => new WorldModel(Seconds(1, 12), Seconds(1, 3), random.Next(1, 4)));
        world = new LaneWorld(Config(), models, random.Next(4) == 0 ? null : "a", random)
        {
            Memory = random.Next(3, 3 * (modelsMax + 1) + 1),
            LoadFails = _ => random.NextDouble() < fails,
            Delays = () => random.NextDouble() < fails / 4 ? TimeSpan.FromMinutes(5) : TimeSpan.Zero,
        };
    }

    public LaneWorld World => world;

    public void Run()
    {
        Plan(random.Next(5, 60), () => Seconds(0, 20), Arrive);
        // Clients that keep one model busy.
        for (var i = random.Next(4); i > 0; i--)
            Overlap(Names[random.Next(4)], Seconds(0, 30), random.Next(2, 20));
        Plan(random.Next(5), () => Seconds(0, 300), AskForSwitch);
        Plan(random.Next(5), () => Seconds(0, 300), Lose);
        Plan(random.Next(5), () => Seconds(0, 200), () => Reload(_ => random.Next(6) > 0));
        while (world.Now < End && world.Step())
            Check();
        fails = 0;
        while (world.Present.Count > 0 || world.Lanes.Status.Switching || world.Switches.Exists(one => !one.IsCompleted))
        {
            True(world.Step(), "nothing happens any more");
            True(world.Now < 5 * End, "it does not come to rest");
            Check();
        }
        CheckRest();
    }

    private HotModelConfig Config()
    {
        var config = TestConfig.Create(Names[..4]);
        return Change(config) with
        {
            Server = config.Server with
            {
                SwitchPolicy = random.Next(2) == 0 ? SwitchPolicy.Auto : SwitchPolicy.MakeBeforeBreak,
                ModelsMax = modelsMax,
                QueueMaxWait = Seconds(5, 60),
                QueueTimeout = Seconds(10, 60),
                LoadTimeout = Seconds(15, 60),
                StopTimeout = TimeSpan.FromSeconds(20),
                DuringSwitch = random.Next(6) == 0 ? DuringSwitch.Reject : DuringSwitch.Wait,
            },
        };
    }

    /// <summary>What a reload may change.</summary>
    private HotModelConfig Change(HotModelConfig config) => config with
    {
        Server = config.Server with
        {
            QueueMaxWait = Seconds(5, 60),
            QueueLimit = random.Next(3, 40),
            QueueLimitPerModel = random.Next(2, 20),
            SwitchOnRequest = random.Next(8) == 0 ? SwitchOnRequest.Reject : SwitchOnRequest.Switch,
            BackgroundRequests = random.Next(2) == 0 ? BackgroundRequests.Wait : BackgroundRequests.Refuse,
            MinResidency = random.Next(3) == 0 ? Seconds(0, 10) : null,
        },
        Models = config.Models.ToDictionary(entry => entry.Key, entry => entry.Value with
        {
            CtxSize = random.Next(3) == 0 ? random.Next(1000, 2000) : entry.Value.CtxSize,
            Pin = random.Next(15) == 0,
            IdleUnload = random.Next(4) == 0 ? Seconds(1, 60) : null,
        }),
    };

    private void Plan(int count, Func<TimeSpan> pause, Action action)
    {
        var at = TimeSpan.Zero;
        for (; count > 0; count--)
            world.In(at += pause(), action);
    }

    private void Arrive()
    {
        var model = random.Next(6) == 0 ? null : Names[random.Next(Names.Length)];
        if (model is not null && !world.Config.Models.ContainsKey(model))
            return;
        world.Arrive(
            new RequestAsk
            {
                Model = model,
                Intent = random.Next(6) switch { 0 => RequestIntent.Background, 1 => RequestIntent.Look, _ => RequestIntent.Normal },
                Patience = random.Next(5) == 0 ? Seconds(0, 30) : null,
            },
            Seconds(0, random.Next(3) == 0 ? 60 : 8), random.Next(4) == 0 ? Seconds(0, 40) : null);
    }

    private void Overlap(string model, TimeSpan start, int times) => world.In(start, () =>
    {
        if (!world.Config.Models.ContainsKey(model))
            return;
        var takes = Seconds(1, 8);
        world.Arrive(new RequestAsk { Model = model }, takes);
        if (times > 1)
            Overlap(model, Seconds(0, takes.TotalSeconds), times - 1);
    });

    private void AskForSwitch()
    {
        var model = Names[random.Next(4)];
        world.Switch(model, force: random.Next(3) == 0, drainTimeout: Seconds(0, 60));
        // Somebody has no patience.
        if (random.Next(3) == 0)
            world.In(Seconds(0, 5), () => world.Switch(model, force: true, drainTimeout: Seconds(0, 5)));
        // Wherever the switch is by then: it waits, drains, unloads, loads or has ended.
        if (random.Next(4) == 0)
            world.In(Seconds(0, 20), () => Reload(name => name != model && random.Next(6) > 0));
    }

    private void Lose()
    {
        var backends = world.Backends.Where(b => b.Holds is not null && (!b.IsBusy || b.IsLoading)).ToList();
        if (backends.Count > 0)
            world.Lose(backends[random.Next(backends.Count)]);
    }

    /// <summary>Others are taken out, and maybe put in again later.</summary>
    private void Reload(Func<string, bool> stays)
    {
        var names = Names.Where(stays).DefaultIfEmpty("e").ToArray();
        var config = world.Config with { Models = TestConfig.Create(names).Models };
        world.Reconfigure(Change(config), random.Next(2) == 0 ? TimeSpan.Zero : Seconds(0, 1));
    }

    private void Check()
    {
        var loops = world.Lanes.Loops;
        True(loops.Count <= modelsMax + 1, "too many lanes");
        True(world.Present.Count(client => client.AdmittedAt is not null) == loops.Sum(loop => loop.State.InFlight), "leases");
        foreach (var loop in loops)
        {
            True(loop.State.InFlight == loop.Schedule.InFlight, "they count differently");
            True(loop.Schedule.Gate != GateState.Open || loop.IsLeaving
                || loop.Schedule.Waiting.Values.All(r => r.Model is not null && r.Model != loop.Schedule.Loaded),
                $"an admissible request waits: {loop.Schedule}");
        }
        var ready = loops.Where(loop => loop.State.Phase == SwitchPhase.Ready && !loop.IsLeaving).ToList();
        True(ready.Count <= modelsMax, "too many models");
        True(ready.Select(loop => loop.State.Active).Distinct().Count() == ready.Count, "a model twice");
        foreach (var loop in ready)
        {
            True(loops.All(other => other.Schedule.Waiting.Values.All(r => r.Model != loop.State.Active)),
                $"somebody waits elsewhere for {loop.State.Active}, which answers");
        }
    }

    private void CheckRest()
    {
        var picture = world.Lanes.Picture;
        True(picture.Loaded.Count <= modelsMax && picture.Loaded.Distinct().Count() == picture.Loaded.Count, "too many are left");
        world.Lanes.Stop();
        world.Pump();
        while (world.Step())
        {
        }
        True(world.Lanes.Loops.All(loop => loop.State.Phase == SwitchPhase.Stopped), "not stopped");
        True(world.Backends.All(backend => backend.Loaded is null), "a model is left");
        True(world.Pending == 0, "a timer is left");
    }

    private TimeSpan Seconds(double least, double most) =>
        // Whole ones: the more happens at the same moment.
        TimeSpan.FromSeconds(random.Next((int)least, (int)most + 1));

    private void True(bool condition, string problem)
    {
        if (!condition)
            throw new InvalidOperationException($"{problem}: {string.Join("\n", world.Lanes.Loops.Select(l => (l.IsLeaving, l.State, l.Schedule)))}");
    }
}
