using HotModel.Scheduling;

namespace HotModel.Tests.Scheduling;

/// <summary>A request of a schedule.</summary>
/// <param name="At">When it comes.</param>
/// <param name="Model">Null: the active one.</param>
/// <param name="Takes">How long its answer takes once a slot is free.</param>
internal sealed record SimulatedRequest(TimeSpan At, string? Model, TimeSpan Takes)
{
    public RequestIntent Intent { get; init; }
    /// <summary>Its client goes after this long, if it has not been let in.</summary>
    public TimeSpan? Leaves { get; init; }
    public TimeSpan? Patience { get; init; }
    /// <summary>Makes the client's next request, given when this one ended; null: the client is done.</summary>
    public Func<TimeSpan, SimulatedRequest>? Next { get; init; }
}

/// <param name="Slots">Answers that run at once; the others queue at the model.</param>
internal sealed record SimulatedModel(TimeSpan Unload, TimeSpan Load, int Slots = int.MaxValue);

/// <summary>What became of a request.</summary>
internal sealed class SimulatedFate(long id, SimulatedRequest request)
{
    public long Id { get; } = id;
    public SimulatedRequest Request { get; } = request;
    public TimeSpan? AdmittedAt { get; set; }
    public string? AdmittedTo { get; set; }
    public RefusalKind? Refusal { get; set; }
    public bool Left { get; set; }
    public bool Ended { get; set; }
    public bool Waits => AdmittedAt is null && Refusal is null && !Left;
    public TimeSpan Waited => AdmittedAt!.Value - Request.At;
}

/// <summary>The scheduler alone on virtual time, with the models as delays; what a seed did once it does again.</summary>
internal sealed class SchedulerSimulation
{
    private readonly PriorityQueue<Action, (TimeSpan At, long Order)> agenda = new();
    private readonly RequestScheduler scheduler;
    private readonly IReadOnlyDictionary<string, SimulatedModel> models;
    private readonly Dictionary<long, SimulatedFate> fates = [];
    private readonly SortedSet<long> waiting = [];
    private readonly Dictionary<string, (int Running, Queue<Action> Queued)> slots = [];
    private readonly SchedulerChecks checks;
    private string? target;
    private string? present;
    private long order;
    private long ids;
    private long wakes;
    private long switchesBegun;
    private bool starting;

    public SchedulerSimulation(
        ScheduleRules rules, IReadOnlyDictionary<string, SimulatedModel> models, string? loaded, string label)
    {
        Rules = rules;
        scheduler = new RequestScheduler(rules);
        this.models = models;
        checks = new SchedulerChecks(rules, () => label + "\n" + string.Join("\n", Log.TakeLast(30)));
        if (loaded is null)
            return;
        present = loaded;
        Feed(new ScheduleEvent(ScheduleEventKind.SwitchBegun) { Model = loaded });
        Feed(new ScheduleEvent(ScheduleEventKind.ModelOpened) { Model = loaded });
    }

    public ScheduleRules Rules { get; }
    public ScheduleState State { get; private set; } = new();
    public TimeSpan Now { get; private set; }
    public IReadOnlyCollection<SimulatedFate> Fates => fates.Values;
    /// <summary>Loads that the scheduler asked for.</summary>
    public int Switches { get; private set; }
    public List<string> Log { get; } = [];

    /// <summary>Given a model, whether its next load fails.</summary>
    public Func<string, bool> LoadFails { get; init; } = _ => false;
    /// <summary>Given the configured time of an unload or a load, how long it really takes.</summary>
    public Func<TimeSpan, TimeSpan> Vary { get; init; } = time => time;

    /// <summary>How late the next timer is.</summary>
    public Func<TimeSpan> Late { get; init; } = () => TimeSpan.Zero;

    public void Add(SimulatedRequest request) => At(request.At, () => Arrive(request));

    /// <summary>Somebody asks for a switch over the admin route.</summary>
    public void AddExplicitSwitch(TimeSpan at, string model) => At(at, () =>
    {
        if (State.Gate != GateState.Open || State.Loaded == model)
            return;
        Feed(new ScheduleEvent(ScheduleEventKind.SwitchBegun) { Model = model });
        BeginSwitch(model);
    });

    /// <summary>The loaded model dies, and is loaded again unless somebody wants another one.</summary>
    public void AddLoss(TimeSpan at) => At(at, () =>
    {
        if (State.Gate != GateState.Open)
            return;
        var lost = present!;
        var begun = switchesBegun;
        present = null;
        slots.Clear();
        Note($"{lost} is lost");
        Feed(new ScheduleEvent(ScheduleEventKind.ModelGone) { Model = lost });
        foreach (var fate in fates.Values.Where(f => f.AdmittedAt is not null && !f.Ended).ToList())
            End(fate, null);
        At(Now + models[lost].Load, () =>
        {
            if (begun == switchesBegun)
                Opened(lost, null, TimeSpan.Zero, models[lost].Load);
        });
    });

    /// <summary>Until nothing is left to happen, or that time has come.</summary>
    public void Run(TimeSpan? until = null)
    {
        while (agenda.TryPeek(out var action, out var when) && (until is null || when.At <= until))
        {
            agenda.Dequeue();
            Now = when.At;
            action();
        }
        if (until is { } end)
            Now = end;
    }

    public SimulatedFate Arrive(SimulatedRequest request)
    {
        var fate = new SimulatedFate(++ids, request);
        fates.Add(fate.Id, fate);
        waiting.Add(fate.Id);
        if (request.Leaves is { } leaves)
            At(Now + leaves, () => Leave(fate));
        Feed(new ScheduleEvent(ScheduleEventKind.RequestArrived)
        {
            Id = fate.Id,
            Model = request.Model,
            Intent = request.Intent,
            Patience = request.Patience,
        });
        return fate;
    }

    public void Leave(SimulatedFate fate)
    {
        if (!fate.Waits)
            return;
        fate.Left = true;
        waiting.Remove(fate.Id);
        Feed(new ScheduleEvent(ScheduleEventKind.RequestLeft) { Id = fate.Id });
    }

    public int? PositionOf(SimulatedFate fate) => RequestScheduler.PositionOf(State, fate.Id);

    public void Stop() => Feed(new ScheduleEvent(ScheduleEventKind.StopRequested));

    private void At(TimeSpan when, Action action) => agenda.Enqueue(action, (when, order++));

    private void Feed(ScheduleEvent happened)
    {
        var before = State;
        var step = scheduler.Step(before, happened, Now);
        State = step.State;
        checks.Check(before, happened, step, Now);
        foreach (var decision in step.Decisions)
            Carry(decision);
        checks.CheckRest(State, Now, waiting);
    }

    private void Carry(ScheduleDecision decision)
    {
        switch (decision.Kind)
        {
            case ScheduleDecisionKind.Admit:
                Admit(fates[decision.Id], decision.Model!);
                break;
            case ScheduleDecisionKind.Refuse:
                checks.True(fates[decision.Id].Waits, $"{decision.Id} is answered twice");
                fates[decision.Id].Refusal = decision.Refusal;
                waiting.Remove(decision.Id);
                Note($"refuse {decision.Id} {decision.Refusal}");
                break;
            case ScheduleDecisionKind.StartSwitch:
                Switches++;
                BeginSwitch(decision.Model!);
                break;
            case ScheduleDecisionKind.Reopen:
                checks.True(starting, "nothing to reopen");
                starting = false;
                Switches--;
                Note("reopen");
                break;
            case ScheduleDecisionKind.Unload:
                Note($"unload {decision.Model}");
                present = null;
                At(Now + Vary(models[decision.Model!].Unload),
                    () => Feed(new ScheduleEvent(ScheduleEventKind.ModelGone)));
                break;
            case ScheduleDecisionKind.WakeAt:
                var wake = ++wakes;
                At(decision.At + Late(), () =>
                {
                    if (wake == wakes)
                        Feed(new ScheduleEvent(ScheduleEventKind.TimePassed));
                });
                break;
        }
    }

    private void Admit(SimulatedFate fate, string model)
    {
        checks.True(fate.Waits && present == model && (fate.Request.Model ?? model) == model, $"{fate.Id} to {model}");
        fate.AdmittedAt = Now;
        fate.AdmittedTo = model;
        waiting.Remove(fate.Id);
        Note($"admit {fate.Id} to {model} after {fate.Waited.TotalSeconds:0.0}");
        if (!slots.ContainsKey(model))
            slots[model] = (0, []);
        var (running, queued) = slots[model];
        if (running < models[model].Slots)
            Answer(fate, model);
        else
            queued.Enqueue(() => Answer(fate, model));
    }

    private void Answer(SimulatedFate fate, string model)
    {
        slots[model] = slots[model] with { Running = slots[model].Running + 1 };
        At(Now + fate.Request.Takes, () =>
        {
            if (fate.Ended)
                return;
            slots[model] = slots[model] with { Running = slots[model].Running - 1 };
            if (slots[model].Queued.TryDequeue(out var next))
                next();
            End(fate, Now - fate.AdmittedAt!.Value);
            if (fate.Request.Next is { } make)
                Add(make(Now));
        });
    }

    private void End(SimulatedFate fate, TimeSpan? took)
    {
        fate.Ended = true;
        Note($"end {fate.Id}");
        Feed(new ScheduleEvent(ScheduleEventKind.AnswerEnded)
        {
            Model = fate.AdmittedTo,
            Intent = fate.Request.Intent,
            AnswerTook = took,
        });
        if (starting && State.InFlight == 0)
            Transit();
    }

    private void BeginSwitch(string model)
    {
        target = model;
        starting = true;
        switchesBegun++;
        Note($"switch to {model}");
        if (State.InFlight == 0)
            Transit();
    }

    /// <summary>Nothing is in flight any more: the old model leaves, the new one comes.</summary>
    private void Transit()
    {
        starting = false;
        checks.True(State.InFlight == 0, "a switch under running answers");
        var left = present;
        present = null;
        var unload = left is null ? TimeSpan.Zero : Vary(models[left].Unload);
        At(Now + unload, () => Load(target!, left, unload, bringsBack: false));
    }

    private void Load(string model, string? left, TimeSpan unload, bool bringsBack)
    {
        var load = Vary(models[model].Load);
        At(Now + load, () =>
        {
            if (!bringsBack && LoadFails(model))
            {
                Note($"load of {model} failed");
                Feed(new ScheduleEvent(ScheduleEventKind.LoadFailed) { Model = model, Reason = "broken", Instead = left });
                if (left is null)
                    Feed(new ScheduleEvent(ScheduleEventKind.ModelGone));
                else
                    Load(left, null, TimeSpan.Zero, bringsBack: true);
                return;
            }
            Opened(model, left, unload, load);
        });
    }

    private void Opened(string model, string? left, TimeSpan unload, TimeSpan load)
    {
        present = model;
        Note($"{model} is open");
        Feed(new ScheduleEvent(ScheduleEventKind.ModelOpened)
        {
            Model = model,
            Left = left,
            UnloadTook = left is null ? null : unload,
            LoadTook = load,
        });
    }

    private void Note(string what) => Log.Add($"{Now.TotalSeconds,8:0.0} {what}");
}
