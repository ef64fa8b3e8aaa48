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
        Add(s.Current is not null, $"for={Of(s.Current ?? default)}");
        Add(s.RollingBack, "rolling-back");
        Add(s.Queued.Length > 0, "queued=" + string.Join(",", s.Queued.Select(Of)));
        Add(s.Phase is SwitchPhase.Ready or SwitchPhase.Draining, s.Instance == 0 ? "lost" : "");
        Add(s.InFlight > 0, $"in-flight={s.InFlight}");
        Add(s.Attempts > 0, $"attempts={s.Attempts}");
        Add(s.Closing, "closing");
        return string.Join(" ", parts.Where(p => p.Length > 0));
    }

    private static string Of(SwitchTicket t) => t.Model + (t.Force ? "!" : "") + (t.IsScheduled ? "~" : "");

    public static string Of(SwitchEffect e) => e.Kind switch
    {
        SwitchEffectKind.StartUnload or SwitchEffectKind.StartLoad or SwitchEffectKind.GiveUp => $"{e.Kind}({e.Model})",
        SwitchEffectKind.ArmDeadline => $"{e.Kind}({e.Deadline})",
        SwitchEffectKind.CompleteSwitch => $"{e.Kind}({e.Ticket.Model}, {e.Outcome})",
        _ => e.Kind.ToString(),
    };
}
