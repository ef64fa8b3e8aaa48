using HotModel.Scheduling;

namespace HotModel.Tests.Scheduling;

/// <summary>What must be true of every step, whatever the schedule.</summary>
/// <param name="rules">Of the scheduler.</param>
/// <param name="context">Says how to run the same again, and what has happened.</param>
internal sealed class SchedulerChecks(ScheduleRules rules, Func<string> context)
{
    public void True(bool condition, string problem)
    {
        if (!condition)
            Assert.Fail($"{problem}; {context()}");
    }

    public void Check(ScheduleState before, ScheduleEvent happened, ScheduleStep step, TimeSpan now)
    {
        var gate = before.Gate;
        foreach (var decision in step.Decisions)
        {
            switch (decision.Kind)
            {
                case ScheduleDecisionKind.Admit when happened.Kind == ScheduleEventKind.RequestArrived:
                    NobodyIsOverdue(before, decision, now);
                    break;
                case ScheduleDecisionKind.StartSwitch:
                    IsDue(before, happened, decision.Model!, now);
                    break;
                case ScheduleDecisionKind.Unload:
                    True(before is { InFlight: 0 } && gate == GateState.Open && !rules.IsPinned(before.Loaded)
                        && step.State.Waiting.IsEmpty && now >= before.IdleSince + rules.IdleUnload(before.Loaded!), "unload");
                    break;
            }
        }
    }

    /// <summary>The promise: who comes later does not get in before somebody whose last moment has passed.</summary>
    private void NobodyIsOverdue(ScheduleState s, ScheduleDecision admitted, TimeSpan now)
    {
        var model = admitted.Model!;
        foreach (var (id, request) in s.Waiting)
        {
            if (request.Intent != RequestIntent.Normal || request.Model is not { } other || other == model
                || request.GivesUp <= now)
                continue;
            var needed = (s.Of(model).Answer ?? Estimate.Guess(rules.UsualAnswer))
                + (s.Of(model).Unload ?? Estimate.Guess(rules.UsualUnload))
                + (s.Of(other).Load ?? Estimate.Guess(rules.UsualLoad));
            True(now < request.Arrived + rules.MaxWait - needed.Safe,
                $"at {now} {admitted.Id} overtakes {id}, which waits for {other} since {request.Arrived}");
        }
    }

    private void IsDue(ScheduleState s, ScheduleEvent happened, string target, TimeSpan now)
    {
        var waiting = s.Waiting.Values.ToList();
        if (happened.Kind == ScheduleEventKind.RequestArrived)
            waiting.Add(new WaitingRequest(happened.Model, happened.Intent, now, now));
        if (s.Waiting.TryGetValue(happened.Id, out var left) && happened.Kind == ScheduleEventKind.RequestLeft)
            waiting.Remove(left);
        var open = happened.Kind == ScheduleEventKind.ModelOpened ? happened.Model : s.Gate == GateState.Empty ? null : s.Loaded;
        True(target != open, "a switch to the loaded model");
        True(!rules.IsPinned(open), "a pinned model is left");
        var normal = waiting.Where(w => w.Intent == RequestIntent.Normal && (w.Model is null ? open is null : w.Model != open)
            && (w.GivesUp > now || w.Arrived == now)).ToList();
        if (normal.Count > 0)
        {
            // In an empty place those whose model failed are refused first, in the same step.
            if (happened.Kind is not (ScheduleEventKind.ModelGone or ScheduleEventKind.LoadFailed))
                True((normal[0].Model ?? s.Active) == target, $"{target} comes before {normal[0]}");
            return;
        }
        True(waiting.Any(w => w.Intent == RequestIntent.Background && (w.Model ?? s.Active) == target)
            && s.InFlight - (happened.Kind == ScheduleEventKind.AnswerEnded ? 1 : 0) == 0, $"nobody waits for {target}");
    }

    /// <summary>Nobody waits without a reason, and what only time can change will be looked at in time.</summary>
    public void CheckRest(ScheduleState s, TimeSpan now, IEnumerable<long> waiting)
    {
        True(waiting.SequenceEqual(s.Waiting.Keys), $"at {now} others wait than the scheduler thinks: {s}");
        True(s.InFlight >= s.InFlightNormal && s.InFlightNormal >= 0, $"counts: {s}");
        True(s.Waiting.Count <= rules.QueueLimit
            && s.Waiting.Values.Where(w => w.Model is not null).GroupBy(w => w.Model)
                .All(g => g.Count() <= rules.QueueLimitPerModel), "a queue is too long");
        True(s.Waiting.Values.All(w => w.GivesUp > now && s.WakeAt <= w.GivesUp), $"at {now} nobody ends the waiting: {s}");
        True(s.WakeAt is null || s.WakeAt > now, $"at {now} something is due at {s.WakeAt}");
        True(s.Gate != GateState.Draining || s.InFlight > 0, $"at {now} a drain without an answer: {s}");
        True(s.Gate != GateState.Empty || s.Waiting.IsEmpty || s.Target is not null, $"at {now} nothing is done for who waits: {s}");
        if (s.Gate != GateState.Open)
            return;
        True(s.Waiting.Values.All(w => w.Model is not null && w.Model != s.Loaded), $"at {now} an admissible request waits: {s}");
        var normal = s.Waiting.Values.Where(w => w.Intent == RequestIntent.Normal).ToList();
        if (normal.Count == 0)
            return;
        True(!rules.IsPinned(s.Loaded), "somebody waits for a pinned model to go");
        True(s.WakeAt < normal[0].Arrived + rules.MaxWait, $"at {now} the oldest is not looked at in time: {s}");
        var stays = (s.OpenedAt > s.NormalIdleSince ? s.OpenedAt : s.NormalIdleSince) + (rules.Residency ?? rules.MostResidency);
        True(s.InFlightNormal > 0 || s.WakeAt <= stays, $"at {now} an unused model is kept for longer than its residency: {s}");
    }
}
