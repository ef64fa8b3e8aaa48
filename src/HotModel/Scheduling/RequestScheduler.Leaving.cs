namespace HotModel.Scheduling;

/// <content>When the loaded model is left.</content>
internal sealed partial class RequestScheduler
{
    /// <summary>What happens to the loaded model if nothing else comes before that time.</summary>
    private readonly record struct Leaving(TimeSpan At, string? Target);

    private ScheduleStep Leave(ScheduleState s, TimeSpan now)
    {
        if (NextLeaving(s) is not { } leaving || leaving.At > now)
            return s;
        return leaving.Target is { } target
            ? rules.LoadsBeside ? s with { Beside = target } : StartSwitch(s, target, now)
            : new ScheduleStep(Close(s, null, now), [])
                .Do(new ScheduleDecision(ScheduleDecisionKind.Unload) { Model = s.Loaded });
    }

    /// <summary>What was to come beside the loaded model comes in its place, if it is waited for still.</summary>
    private ScheduleStep Replace(ScheduleState s, TimeSpan now)
    {
        var wanted = s.Gate == GateState.Open && s.Waiting.Values.Any(r => r.Model == s.Beside) ? s.Beside : null;
        // Nobody had to leave for it so far: when the loaded model may is to be decided first.
        var hadRoom = s.HasRoom;
        s = s with { Beside = null, HasRoom = false };
        return wanted is null || hadRoom || rules.IsPinned(s.Loaded) ? s : StartSwitch(s, wanted, now);
    }

    private Leaving? NextLeaving(ScheduleState s)
    {
        if (s.Gate != GateState.Open || s.Closing || s.Beside is not null)
            return null;
        if (s.HasRoom && WaitingLine.Of(s, RequestIntent.Normal, s.Loaded) is [var first, ..])
            return new Leaving(s.OpenedAt, first.Model);
        if (rules.IsPinned(s.Loaded))
            return null;
        var loaded = s.Loaded!;
        var lines = s.Waiting.IsEmpty ? [] : WaitingLine.Of(s, RequestIntent.Normal, loaded);
        if (lines.Count > 0)
        {
            var last = Earlier(CloseBy(s, loaded, lines), s.OpenedAt + Turn(s, loaded, lines[0].Model));
            return new Leaving(
                s.InFlightNormal > 0 ? last : Earlier(last, Stays(s, loaded, lines[0].Model)), lines[0].Model);
        }
        // A timer may be late: who has just come for the loaded model finds it.
        if (s.InFlight > 0 || s.Waiting.Values.Any(r => r.Model is null || r.Model == loaded))
            return null;
        if (!s.Waiting.IsEmpty && WaitingLine.Of(s, RequestIntent.Background, loaded) is [var line, ..])
            return new Leaving(s.IdleSince + Residency(s, loaded, line.Model), line.Model);
        return rules.IdleUnload(loaded) is { } idle ? new Leaving(s.IdleSince + idle, null) : null;
    }

    /// <summary>
    /// The last moment at which the gate may close such that everybody is served in time who waits for another model: what
    /// is let in now runs to its end, then one model after the other comes, in the order in which they have been waited for.
    /// </summary>
    private TimeSpan CloseBy(ScheduleState s, string loaded, List<WaitingLine> lines)
    {
        var closeBy = TimeSpan.MaxValue;
        var needed = Estimate.Guess(TimeSpan.Zero);
        var from = loaded;
        foreach (var line in lines)
        {
            needed += Answer(s, from) + Unload(s, from) + Load(s, line.Model);
            from = line.Model;
            var last = line.Oldest + rules.MaxWait - needed.Safe;
            closeBy = last < closeBy ? last : closeBy;
        }
        return closeBy;
    }

    /// <summary>
    /// How long a model is used while others wait. Several times what leaving it takes, so that most of the time is spent
    /// on answers; not as long as the bound on waiting allows, which is much where switches are quick.
    /// </summary>
    private TimeSpan Turn(ScheduleState s, string loaded, string other) =>
        rules.TurnFactor * (Answer(s, loaded).Mean + Unload(s, loaded).Mean + Load(s, other).Mean);

    /// <summary>Until when a model that nobody uses is kept for who may come back to it, while others wait.</summary>
    private TimeSpan Stays(ScheduleState s, string loaded, string other)
    {
        // Whoever it was loaded for has gone.
        if (!s.Used)
            return s.OpenedAt;
        var residency = Residency(s, loaded, other);
        var stays = s.OpenedAt + residency;
        var back = s.NormalIdleSince + residency;
        return ComesBack(s, loaded, residency) && back > stays ? back : stays;
    }

    private static bool ComesBack(ScheduleState s, string loaded, TimeSpan residency) =>
        s.Of(loaded).Pause is { } pause && pause <= residency;

    /// <summary>
    /// As long as the way to the other model and back takes, shared by those who wait: together they lose no more by it than
    /// the two switches would have taken that it saves to the client that comes back.
    /// </summary>
    private TimeSpan Residency(ScheduleState s, string loaded, string other)
    {
        if (rules.Residency is { } configured)
            return configured;
        var waiting = s.Waiting.Values.Count(r => r.Intent == RequestIntent.Normal && r.Model is not null && r.Model != loaded);
        var roundTrip = (Unload(s, loaded).Mean + Load(s, other).Mean + Unload(s, other).Mean + Load(s, loaded).Mean)
            / Math.Max(1, waiting);
        return roundTrip < rules.LeastResidency ? rules.LeastResidency
            : roundTrip > rules.MostResidency ? rules.MostResidency
            : roundTrip;
    }

    private static TimeSpan Earlier(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private static bool IsWanted(ScheduleState s, string? model) =>
        s.Waiting.Values.Any(r => r.Intent == RequestIntent.Normal && r.Model == model);

    private Estimate Load(ScheduleState s, string model) => s.Of(model).Load ?? Estimate.Guess(rules.UsualLoad);

    private Estimate Unload(ScheduleState s, string model) => s.Of(model).Unload ?? Estimate.Guess(rules.UsualUnload);

    private Estimate Answer(ScheduleState s, string model) => s.Of(model).Answer ?? Estimate.Guess(rules.UsualAnswer);

    /// <summary>Asks to be woken when time alone changes something.</summary>
    private ScheduleStep Wake(ScheduleState s, TimeSpan now)
    {
        TimeSpan? next = NextLeaving(s)?.At;
        foreach (var request in s.Waiting.Values)
        {
            if (next is null || request.GivesUp < next)
                next = request.GivesUp;
        }
        if (next == s.WakeAt)
            return s;
        var step = new ScheduleStep(s with { WakeAt = next }, []);
        return next is { } at ? step.Do(new ScheduleDecision(ScheduleDecisionKind.WakeAt) { At = at }) : step;
    }
}
