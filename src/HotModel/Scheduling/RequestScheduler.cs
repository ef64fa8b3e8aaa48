namespace HotModel.Scheduling;

/// <summary>Decides who is let in and which model comes next. Pure: state, event and time in, state and decisions out.</summary>
/// <remarks>
/// It opens and closes the gate; how a model leaves and the next one comes is the switch machine's, which says when a gate
/// may open again. One arm per event and no default arm, so that the compiler reports an event that was forgotten.
/// </remarks>
internal sealed partial class RequestScheduler(ScheduleRules rules)
{
    public ScheduleStep Step(ScheduleState s, ScheduleEvent e, TimeSpan now)
    {
        var step = e.Kind switch
        {
            ScheduleEventKind.RequestArrived => Arrive(s, e, now),
            ScheduleEventKind.RequestLeft => s with { Waiting = s.Waiting.Remove(e.Id) },
            ScheduleEventKind.LineMoved => s with
            {
                Waiting = s.Waiting.RemoveRange(s.Waiting.Where(w => IsOfLine(w.Value, e.Model)).Select(w => w.Key)),
            },
            ScheduleEventKind.AnswerEnded => End(s, e, now),
            ScheduleEventKind.SwitchBegun => Close(s, e.Model, now) with { Asked = true },
            ScheduleEventKind.ModelOpened => Open(s, e, now),
            ScheduleEventKind.ModelKept => s with { OpenedAt = now, Used = true, IdleSince = now, NormalIdleSince = now },
            ScheduleEventKind.LoadFailed => Fail(s, e, now),
            ScheduleEventKind.LeavingModelLost => s with { Gate = GateState.Switching, GateSince = now, Loaded = null },
            ScheduleEventKind.RoomChanged => s with { HasRoom = e.HasRoom, OthersYield = e.OthersYield },
            ScheduleEventKind.BesideEnded => s with { Beside = null },
            ScheduleEventKind.BesideRefused => Replace(s, now),
            ScheduleEventKind.ModelGone => s with
            {
                Gate = GateState.Empty,
                GateSince = now,
                Loaded = null,
                Target = e.Model,
                Asked = false,
                Beside = null,
            },
            ScheduleEventKind.ModelForgotten => RefuseAll(s with
            {
                Active = s.Active == e.Model ? null : s.Active,
                Beside = s.Beside == e.Model ? null : s.Beside,
            }, r => r.Model == e.Model, RefusalKind.Removed),
            // Asked for anew even where it has come a little early.
            ScheduleEventKind.TimePassed => s with { WakeAt = null },
            ScheduleEventKind.StopRequested => RefuseAll(s with { Closing = true }, _ => true, RefusalKind.Stopping),
        };
        step = step.Then(n => Expire(n, now)).Then(n => Decide(n, now));
        if (e.Kind == ScheduleEventKind.RequestArrived)
            step = step.Then(n => Seat(n, e)).Then(n => Decide(n, now));
        return step.Then(n => Wake(n, now));
    }

    private ScheduleStep Arrive(ScheduleState s, ScheduleEvent e, TimeSpan now)
    {
        if (s.Closing)
            return Refuse(s, e.Id, RefusalKind.Stopping);
        if (e.Intent == RequestIntent.Normal && (e.Model ?? OpenModel(s)) is { } used)
            s = s.With(used, s.Of(used).WithArrival(now));
        var next = OpenModel(s) ?? s.Target;
        if (!rules.Waits && e.Since is null && s.Gate != GateState.Open
            && (s.Gate != GateState.Empty || s.Target is not null))
            return Refuse(s, e.Id, RefusalKind.Switching);
        if (e.Model is not null && e.Model != (next ?? s.Active) && !MaySwitch(e.Intent))
            return Refuse(s, e.Id, (next ?? s.Active) is null ? RefusalKind.NoActiveModel : RefusalKind.OtherModel);
        if (e.Model is { } model && model != next)
        {
            if (IsKept(s, next) && model != s.Beside)
                return Refuse(s, e.Id, RefusalKind.Pinned);
            if (RetryAfter(s, model, now) > TimeSpan.Zero)
                return RefuseFailed(s, e.Id, model, now);
        }
        var patience = e.Patience ?? rules.Patience;
        if (patience <= TimeSpan.Zero)
        {
            // No model is loaded for who does not wait for it.
            if (OpenModel(s) is not { } open || (e.Model ?? open) != open)
                return Refuse(s, e.Id, RefusalKind.QueueTimedOut);
            patience = TimeSpan.FromTicks(1);
        }
        return s with
        {
            Waiting = s.Waiting.Add(
                e.Id, new WaitingRequest(e.Model, e.Intent, e.Since ?? now, (e.Since ?? now) + patience)),
        };
    }

    private static ScheduleState End(ScheduleState s, ScheduleEvent e, TimeSpan now)
    {
        var normal = e.Intent == RequestIntent.Normal;
        s = s with
        {
            InFlight = s.InFlight - 1,
            InFlightNormal = s.InFlightNormal - (normal ? 1 : 0),
            IdleSince = e.Intent == RequestIntent.Look ? s.IdleSince : now,
            NormalIdleSince = normal ? now : s.NormalIdleSince,
        };
        if (s is { Gate: GateState.Draining, InFlight: 0 })
            s = s with { Gate = GateState.Switching, GateSince = now, Loaded = null };
        var history = s.Of(e.Model);
        if (e.AnswerTook is { } took)
            history = history with { Answer = ModelHistory.Measured(history.Answer, took) };
        if (normal && s.InFlightNormal == 0)
            history = history with { PauseBegan = now };
        return s.With(e.Model!, history);
    }

    private ScheduleStep Open(ScheduleState s, ScheduleEvent e, TimeSpan now)
    {
        var model = e.Model!;
        if (e is { Left: { } left, UnloadTook: { } unloadTook })
            s = s.With(left, s.Of(left) with { Unload = ModelHistory.Measured(s.Of(left).Unload, unloadTook) });
        var history = s.Of(model) with { Failures = 0, FailureReason = null };
        if (e.LoadTook is { } loadTook)
            history = history with { Load = ModelHistory.Measured(history.Load, loadTook) };
        // A switch that was given up has loaded nothing: the model stays where it was.
        var kept = s.Active == model && e.LoadTook is null;
        s = s.With(model, history) with
        {
            Gate = GateState.Open,
            GateSince = now,
            Loaded = model,
            Target = null,
            Active = model,
            Asked = false,
            OpenedAt = kept ? s.OpenedAt : now,
            Used = kept ? s.Used : s.Asked,
            IdleSince = kept ? s.IdleSince : now,
            NormalIdleSince = kept ? s.NormalIdleSince : now,
        };
        // Before anything else is decided: they are served together, even where the next ones are overdue.
        var step = Admit(s).Then(RefuseWhereKept);
        return e.Next is { } next ? step.Then(n => Close(n, next, now) with { Asked = true }) : step;
    }

    private ScheduleStep Fail(ScheduleState s, ScheduleEvent e, TimeSpan now)
    {
        var model = e.Model!;
        var history = s.Of(model);
        s = s.With(model, history with
        {
            Failures = history.Failures + 1,
            FailedAt = now,
            FailureReason = e.Reason,
        });
        if (s.Gate != GateState.Open)
            s = s with { Target = e.Instead, GateSince = now };
        if (s.Beside == model)
            s = s with { Beside = null };
        ScheduleStep step = s;
        foreach (var (id, _) in s.Waiting.Where(w => w.Value.Model == model))
            step = step.Then(n => RefuseFailed(n, id, model, now));
        return step;
    }

    /// <summary>What follows from the state alone, whatever has happened.</summary>
    private ScheduleStep Decide(ScheduleState s, TimeSpan now) => s.Gate switch
    {
        GateState.Empty => Fill(s, now),
        GateState.Open => RefuseWhereKept(s).Then(n => Leave(n, now)).Then(n => n.Gate == GateState.Open ? Admit(n) : n),
        // Whoever the drain was for may have gone; others decide anew.
        GateState.Draining => s.Asked || IsWanted(s, s.Target) ? s
            : new ScheduleStep(s with { Gate = GateState.Open, GateSince = now, Target = null }, [])
                .Do(new ScheduleDecision(ScheduleDecisionKind.Reopen)).Then(n => Decide(n, now)),
        GateState.Switching => s,
    };

    /// <summary>No model is loaded: the one that has been waited for longest comes.</summary>
    private ScheduleStep Fill(ScheduleState s, TimeSpan now)
    {
        ScheduleStep step = s;
        while (First(step.State) is { } first)
        {
            var (id, model) = first;
            if (model is null)
                step = step.Then(n => Refuse(n, id, RefusalKind.NoActiveModel));
            else if (RetryAfter(step.State, model, now) > TimeSpan.Zero)
                step = step.Then(n => RefuseFailed(n, id, model, now));
            else if (model == step.State.Target)
                return step;
            else
                return step.Then(n => StartSwitch(n, model, now));
        }
        return step;
    }

    /// <summary>A background request does not keep a model that was lost from being brought back.</summary>
    private static (long Id, string? Model)? First(ScheduleState s)
    {
        foreach (var (id, request) in s.Waiting)
        {
            if (request.Intent == RequestIntent.Normal)
                return (id, request.Model ?? s.Target ?? s.Active);
        }
        if (s.Target is not null || s.Waiting.IsEmpty)
            return null;
        var (first, asking) = s.Waiting.First();
        return (first, asking.Intent == RequestIntent.Look ? null : asking.Model ?? s.Active);
    }

    private static ScheduleStep StartSwitch(ScheduleState s, string model, TimeSpan now) =>
        new ScheduleStep(Close(s, model, now), [])
            .Do(new ScheduleDecision(ScheduleDecisionKind.StartSwitch) { Model = model });

    private static ScheduleState Close(ScheduleState s, string? target, TimeSpan now)
    {
        var drains = s.Loaded is not null && s.InFlight > 0;
        return s with
        {
            Gate = drains ? GateState.Draining : GateState.Switching,
            GateSince = now,
            Loaded = drains ? s.Loaded : null,
            Target = target,
            Asked = false,
            // Whoever that was for waits for what comes in this place, or is decided about when it has.
            Beside = null,
        };
    }

    /// <summary>The model leaves for no request, and for none there is or will be a place beside it.</summary>
    private bool IsKept(ScheduleState s, string? model) => rules.IsPinned(model) && s is { HasRoom: false, OthersYield: false };

    /// <summary>A reload may have pinned the model, or the place beside it may be gone, since they came.</summary>
    private ScheduleStep RefuseWhereKept(ScheduleState s) => IsKept(s, s.Loaded)
        ? RefuseAll(s, r => r.Model is { } other && other != s.Loaded && other != s.Beside, RefusalKind.Pinned) : s;

    private static bool IsOfLine(WaitingRequest request, string? model) => model is null || request.Model == model;

    private bool MaySwitch(RequestIntent intent) => rules.SwitchesOnRequest && intent != RequestIntent.Look;

    /// <summary>Lets in who waits for the loaded model, in order of arrival.</summary>
    private ScheduleStep Admit(ScheduleState s)
    {
        ScheduleStep step = s;
        foreach (var (id, request) in s.Waiting)
        {
            if (request.Model is not null && request.Model != s.Loaded)
            {
                if (!MaySwitch(request.Intent))
                    step = step.Then(n => Refuse(n, id, RefusalKind.OtherModel));
                continue;
            }
            step = step.Then(n => n with
            {
                Waiting = n.Waiting.Remove(id),
                Used = n.Used || request.Intent != RequestIntent.Look,
                InFlight = n.InFlight + 1,
                InFlightNormal = n.InFlightNormal + (request.Intent == RequestIntent.Normal ? 1 : 0),
            }).Do(new ScheduleDecision(ScheduleDecisionKind.Admit) { Id = id, Model = s.Loaded });
        }
        return step;
    }

    private static ScheduleStep Expire(ScheduleState s, TimeSpan now) =>
        RefuseAll(s, r => r.GivesUp <= now, RefusalKind.QueueTimedOut);

    /// <summary>Whether a request that was not let in at once may wait.</summary>
    private ScheduleStep Seat(ScheduleState s, ScheduleEvent e)
    {
        var id = e.Id;
        if (!s.Waiting.TryGetValue(id, out var request) || e.Since is not null)
            return s;
        if (s.Waiting.Count + e.WaitElsewhere > rules.QueueLimit)
            return Refuse(s, id, RefusalKind.QueueFull);
        if (request.Model is { } model && s.Waiting.Count(w => w.Value.Model == model) > rules.QueueLimitPerModel)
            return Refuse(s, id, RefusalKind.ModelQueueFull);
        var comes = request.Model is null || request.Model == s.Target;
        return request.Intent == RequestIntent.Background && !rules.BackgroundWaits && !comes
            ? Refuse(s, id, RefusalKind.Background)
            : s;
    }

    private static ScheduleStep RefuseAll(ScheduleState s, Func<WaitingRequest, bool> which, RefusalKind refusal)
    {
        ScheduleStep step = s;
        foreach (var (id, request) in s.Waiting)
        {
            if (which(request))
                step = step.Then(n => Refuse(n, id, refusal));
        }
        return step;
    }

    private static ScheduleStep Refuse(ScheduleState s, long id, RefusalKind refusal) =>
        new ScheduleStep(s with { Waiting = s.Waiting.Remove(id) }, [])
            .Do(new ScheduleDecision(ScheduleDecisionKind.Refuse) { Id = id, Refusal = refusal });

    private ScheduleStep RefuseFailed(ScheduleState s, long id, string model, TimeSpan now) =>
        new ScheduleStep(s with { Waiting = s.Waiting.Remove(id) }, []).Do(
            new ScheduleDecision(ScheduleDecisionKind.Refuse)
            {
                Id = id,
                Refusal = RefusalKind.ModelFailed,
                Model = model,
                Reason = s.Of(model).FailureReason,
                RetryAfter = RetryAfter(s, model, now),
            });

    /// <summary>How long the model is not tried again; zero or less: it may be.</summary>
    private TimeSpan RetryAfter(ScheduleState s, string model, TimeSpan now)
    {
        var history = s.Of(model);
        if (history.Failures == 0)
            return TimeSpan.Zero;
        var pause = rules.FirstRetry * Math.Pow(2, Math.Min(history.Failures, 16) - 1);
        return history.FailedAt + (pause < rules.LongestRetry ? pause : rules.LongestRetry) - now;
    }

    private static string? OpenModel(ScheduleState s) => s.Gate == GateState.Open ? s.Loaded : null;
}
