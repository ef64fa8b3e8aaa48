using HotModel.Switching;

namespace HotModel.Tests.Switching;

/// <summary>States and effects as short text, for the golden table and for failure messages.</summary>
internal static class SwitchText
{
    public static string Of(SwitchState s)
    {
        var parts = new List<string> { s.Phase.ToString() };
        void Add(bool when, string text)
        {
            if (when)
                parts.Add(text);
        }
        Add(s.Active is not null, $"active={s.Active}");
        Add(s.Goal is not null, $"goal={s.Goal}");
        Add(s.Fallback is not null, $"fallback={s.Fallback}");
        Add(s.Current is not null, $"for={s.Current?.Model}{(s.Current?.Force == true ? "!" : "")}");
        Add(s.RollingBack, "rolling-back");
        Add(s.Queued.Length > 0, "queued=" + string.Join(",", s.Queued.Select(q => q.Model)));
        Add(s.Phase is SwitchPhase.Ready or SwitchPhase.Draining, s.Instance == 0 ? "lost" : "");
        Add(s.InFlight > 0, $"in-flight={s.InFlight}");
        Add(s.Waiting > 0, $"waiting={s.Waiting}");
        Add(s.Attempts > 0, $"attempts={s.Attempts}");
        Add(s.Closing, "closing");
        return string.Join(" ", parts.Where(p => p.Length > 0));
    }

    public static string Of(SwitchEffect e) => e.Kind switch
    {
        SwitchEffectKind.Refuse or SwitchEffectKind.RefuseWaiting => $"{e.Kind}({e.Refusal})",
        SwitchEffectKind.StartUnload or SwitchEffectKind.StartLoad => $"{e.Kind}({e.Model})",
        SwitchEffectKind.ArmDeadline => $"{e.Kind}({e.Deadline})",
        SwitchEffectKind.CompleteSwitch => $"{e.Kind}({e.Ticket.Model}, {e.Outcome})",
        _ => e.Kind.ToString(),
    };
}
