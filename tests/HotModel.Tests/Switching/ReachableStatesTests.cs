using HotModel.Switching;

namespace HotModel.Tests.Switching;

/// <summary>
/// Walks through every state that the machine can reach, with a ghost of the child process as the world around it.
/// Two models, at most two requests in flight, one explicit switch queued and one scheduled one under way.
/// </summary>
public class ReachableStatesTests
{
    private const int RequestLimit = 2;

    private static readonly SwitchMachine Machine =
        new(new SwitchRules(SwitchQueueLimit: 1));

    private enum Operation { None, Unload, Settle, Load, Stop }

    /// <param name="Child">The model whose process exists, as far as the world knows; null: none.</param>
    /// <param name="Works">It answers: it was loaded and has neither died nor been asked to end.</param>
    private sealed record World(SwitchState State, Operation Running, string? Child, bool Works, bool Armed);

    private sealed record Edge(World From, SwitchEvent Event, World To, bool FromOutside);

    private static readonly Lazy<List<Edge>> Explored = new(Explore);

    [Fact]
    public void Every_reachable_state_keeps_the_invariants()
    {
        // Explore() checks each edge; here only that it walked far enough to mean something.
        var worlds = Explored.Value.Select(e => e.To).Distinct().ToList();
        Assert.True(worlds.Count > 500, $"only {worlds.Count} worlds");
        Assert.Equal(Enum.GetValues<SwitchPhase>().Length, worlds.Select(w => w.State.Phase).Distinct().Count());
        TestContext.Current.SendDiagnosticMessage($"{worlds.Count} worlds, {Explored.Value.Count} edges");
    }

    [Fact]
    public void Every_state_can_stop() => AssertReaches(_ => true, w => w.State.Phase == SwitchPhase.Stopped);

    [Fact]
    public void Every_state_comes_to_rest_by_itself() => AssertReaches(
        e => !e.FromOutside, w => w.State.Phase is SwitchPhase.Idle or SwitchPhase.Ready or SwitchPhase.Stopped);

    [Fact]
    public void Every_state_that_is_not_closing_can_answer_again() =>
        AssertReaches(e => e.Event.Kind != SwitchEventKind.StopRequested, w => w.State.Phase == SwitchPhase.Ready
            || w.State.Closing);

    private static void AssertReaches(Func<Edge, bool> may, Func<World, bool> isGoal)
    {
        var backwards = Explored.Value.Where(may).ToLookup(e => e.To, e => e.From);
        var worlds = Explored.Value.SelectMany(e => new[] { e.From, e.To }).Distinct().ToList();
        var reaching = new HashSet<World>(worlds.Where(isGoal));
        var open = new Queue<World>(reaching);
        while (open.TryDequeue(out var world))
        {
            foreach (var from in backwards[world].Where(reaching.Add))
                open.Enqueue(from);
        }
        Assert.All(worlds, w => Assert.True(reaching.Contains(w), $"stuck: {SwitchText.Of(w.State)} {w}"));
    }

    private static List<Edge> Explore()
    {
        World[] starts =
        [
            new(SwitchState.Initial(null), Operation.None, null, false, false),
            new(SwitchState.Initial("a"), Operation.None, null, false, true),
        ];
        var seen = new HashSet<World>(starts);
        var open = new Queue<World>(starts);
        var edges = new List<Edge>();
        while (open.TryDequeue(out var world))
        {
            foreach (var (happened, changed, outside) in Possible(world))
            {
                var next = Take(changed, happened);
                edges.Add(new Edge(world, happened, next, outside));
                if (seen.Add(next))
                    open.Enqueue(next);
            }
        }
        return edges;
    }

    /// <summary>What can happen, with the world as it is just after it happened and before the machine hears of it.</summary>
    private static IEnumerable<(SwitchEvent Event, World Changed, bool Outside)> Possible(World w)
    {
        var s = w.State;
        if (s is { Phase: SwitchPhase.Ready, Queued.IsEmpty: false })
        {
            // It is owed at once: nothing comes between, but those who are let in.
            if (s.InFlight < RequestLimit)
                yield return (new SwitchEvent(SwitchEventKind.RequestAdmitted), w, true);
            yield return (new SwitchEvent(SwitchEventKind.NextSwitch), w, false);
            yield break;
        }
        if (s is { Phase: SwitchPhase.Ready, InFlight: < RequestLimit })
            yield return (new SwitchEvent(SwitchEventKind.RequestAdmitted), w, true);
        if (s is { Phase: SwitchPhase.Ready, InFlight: 0 })
            yield return (new SwitchEvent(SwitchEventKind.UnloadRequested), w, true);
        if (s is { Phase: SwitchPhase.Ready or SwitchPhase.BackingOff, Active: not null, Closing: false })
            yield return (new SwitchEvent(SwitchEventKind.ReloadRequested), w, true);
        if (s is { Phase: SwitchPhase.Ready or SwitchPhase.BackingOff or SwitchPhase.Idle, Active: not null, Closing: false })
            yield return (new SwitchEvent(SwitchEventKind.ModelForgotten), w, true);
        if (s is { Phase: SwitchPhase.Draining, Current: { } current, Instance: not 0 })
            yield return (new SwitchEvent(SwitchEventKind.SwitchWithdrawn, Ticket: current), w, true);
        foreach (var queued in s.Queued)
            yield return (new SwitchEvent(SwitchEventKind.SwitchWithdrawn, Ticket: queued), w, true);
        foreach (var model in new[] { "a", "b" })
        {
            if (s.Current is null && s.Queued.IsEmpty && !s.Closing && model != OpenModel(s))
                yield return (new SwitchEvent(SwitchEventKind.SwitchRequested,
                    Ticket: new SwitchTicket(2, model, false, IsScheduled: true)), w, true);
            foreach (var force in new[] { false, true })
                yield return (new SwitchEvent(SwitchEventKind.SwitchRequested, Ticket: new SwitchTicket(2, model, force)), w, true);
        }
        yield return (new SwitchEvent(SwitchEventKind.StopRequested), w, true);
        if (s.InFlight > 0)
        {
            yield return (new SwitchEvent(SwitchEventKind.RequestFinished), w, false);
            yield return (new SwitchEvent(SwitchEventKind.RequestFinished, Answered: true), w, false);
        }
        if (w.Armed)
            yield return (new SwitchEvent(SwitchEventKind.DeadlinePassed, s.Generation), w with { Armed = false }, false);
        if (w.Works)
            yield return (new SwitchEvent(SwitchEventKind.ModelLost, s.Instance), w with { Child = null, Works = false }, true);
        foreach (var result in Results(w))
            yield return (result.Event, result.Changed, false);
    }

    private static string? OpenModel(SwitchState s) => s.Phase == SwitchPhase.Ready ? s.Active : null;

    private static IEnumerable<(SwitchEvent Event, World Changed)> Results(World w)
    {
        var generation = w.State.Generation;
        var done = w with { Running = Operation.None };
        switch (w.Running)
        {
            case Operation.Unload:
                yield return (new SwitchEvent(SwitchEventKind.ModelUnloaded, generation), done with { Child = null });
                break;
            case Operation.Settle:
                yield return (new SwitchEvent(SwitchEventKind.MemorySettled, generation), done);
                break;
            case Operation.Load:
                yield return (new SwitchEvent(SwitchEventKind.ModelLoaded, generation), done with { Works = true });
                yield return (new SwitchEvent(SwitchEventKind.LoadFailed, generation), done with { Child = null });
                yield return (new SwitchEvent(SwitchEventKind.LoadFailed, generation, Permanent: true), done);
                yield return (new SwitchEvent(SwitchEventKind.ModelLost, generation), w with { Child = null });
                break;
            case Operation.Stop:
                yield return (new SwitchEvent(SwitchEventKind.BackendStopped, generation), done with { Child = null });
                break;
        }
    }

    private static World Take(World w, SwitchEvent happened)
    {
        var step = Machine.Step(w.State, happened);
        var next = w with { State = step.State };
        if (step.State.Generation != w.State.Generation)
            next = next with { Armed = false };
        foreach (var effect in step.Effects)
            next = Carry(next, effect);
        var problem = Problem(w, happened, step, next);
        Assert.True(problem is null,
            $"{problem}\n  {SwitchText.Of(w.State)}\n  {happened}\n  {SwitchText.Of(step.State)}\n  " +
            string.Join(", ", step.Effects.Select(SwitchText.Of)));
        return next with { State = Normal(next.State) };
    }

    private static World Carry(World w, SwitchEffect effect) => effect.Kind switch
    {
        SwitchEffectKind.StartUnload => w with { Running = Operation.Unload, Works = false },
        SwitchEffectKind.StartSettle => w with { Running = Operation.Settle },
        SwitchEffectKind.StartLoad => w.Child is null
            ? w with { Running = Operation.Load, Child = effect.Model }
            : throw new InvalidOperationException($"two models: {w.Child} exists, {effect.Model} is loaded: {w}"),
        SwitchEffectKind.StopBackend => w with { Running = Operation.Stop, Works = false },
        SwitchEffectKind.ArmDeadline => w with { Armed = true },
        _ => w,
    };

    private static string? Problem(World before, SwitchEvent happened, Step step, World w)
    {
        var s = step.State;
        var starts = step.Effects.Count(e => e.Kind is SwitchEffectKind.StartLoad or SwitchEffectKind.StartSettle
            or SwitchEffectKind.StartUnload or SwitchEffectKind.StopBackend);
        var open = Tickets(before.State) + (happened.Kind == SwitchEventKind.SwitchRequested ? 1 : 0);
        var completed = step.Effects.Count(e => e.Kind == SwitchEffectKind.CompleteSwitch);
        return s switch
        {
            { InFlight: < 0 } => "a count below zero",
            { InFlight: > 0, Phase: not (SwitchPhase.Ready or SwitchPhase.Draining) } => "in flight without a model",
            { Phase: SwitchPhase.Idle or SwitchPhase.Stopping or SwitchPhase.Stopped, Queued.IsEmpty: false }
                => "a switch waits for nothing",
            { Phase: SwitchPhase.Ready, Queued.IsEmpty: false } when happened.Kind != SwitchEventKind.RequestAdmitted
                && step.Effects.All(e => e.Kind != SwitchEffectKind.Open) => "a switch waits, and none is begun",
            { Phase: SwitchPhase.Ready } when !w.Works || w.Child != s.Active => "ready without the model",
            { Phase: SwitchPhase.Idle or SwitchPhase.Stopped } when w.Child is not null => "a model outlives its use",
            { Closing: true } when step.Effects.Any(e => e.Kind == SwitchEffectKind.StartLoad) => "a load while closing",
            { Phase: SwitchPhase.Loading or SwitchPhase.BackingOff } when !w.Armed => "no bound in time",
            { Phase: SwitchPhase.Draining } when s.Instance != 0 && !w.Armed
                // What was configured otherwise goes when its answers have ended: they are never cut for it.
                && s.Current is not null && s.Current is not { Force: true } && s.Current is not { IsScheduled: true } && !s.Closing => "a drain without a bound",
            {
                IsSwitching: true, Phase: SwitchPhase.Unloading or SwitchPhase.Settling or SwitchPhase.Loading
                or SwitchPhase.Stopping
            } when w.Running == Operation.None => "a phase in which nothing goes on",
            _ when starts > 1 => "two operations at once",
            _ when completed != open - Tickets(s) => "a switch answered twice, or never",
            _ => null,
        };
    }

    private static int Tickets(SwitchState s) => s.Queued.Length + (s.Current is null ? 0 : 1);

    /// <summary>Generations only count up: the same situation, whatever the number.</summary>
    private static SwitchState Normal(SwitchState s) => s with
    {
        Generation = 2,
        Instance = s.Instance == 0 ? 0 : 1,
        Queued = Interned(s.Queued),
        Current = s.Current is { } c ? c with { Id = 1 } : null,
    };

    private static readonly Dictionary<string, System.Collections.Immutable.ImmutableArray<SwitchTicket>> Queues = [];

    /// <summary>Arrays compare by reference: the same queue has to be the same array.</summary>
    private static System.Collections.Immutable.ImmutableArray<SwitchTicket> Interned(
        System.Collections.Immutable.ImmutableArray<SwitchTicket> queue)
    {
        var key = string.Join(",", queue.Select(q => q.Model + q.Force + q.IsScheduled));
        if (!Queues.TryGetValue(key, out var known))
            Queues.Add(key, known = [.. queue.Select(q => q with { Id = 1 })]);
        return known;
    }
}
