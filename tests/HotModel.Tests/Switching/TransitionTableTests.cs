using System.Collections.Immutable;
using System.Text;
using HotModel.Switching;

namespace HotModel.Tests.Switching;

public class TransitionTableTests
{
    private static readonly SwitchMachine Machine = new(new SwitchRules(SwitchQueueLimit: 1));

    private static readonly SwitchTicket ToB = new(1, "b", false);

    private static readonly SwitchState Base = new() { Generation = 7, Active = "a" };
    private static readonly SwitchState Answering = Base with { Phase = SwitchPhase.Ready, Instance = 6 };
    private static readonly SwitchState Switching = Base with { Current = ToB, Goal = "b", Fallback = "a" };
    private static readonly SwitchTicket Scheduled = ToB with { IsScheduled = true };
    private static readonly SwitchState First = Base with { Active = null, Current = ToB, Goal = "b" };
    private static readonly SwitchState RollingBack = Base with { Current = ToB, Goal = "a", RollingBack = true };
    private static readonly SwitchState Recovering = Base with { Goal = "a", Attempts = 1 };
    private static readonly SwitchState Failing = Recovering with { Attempts = SwitchMachine.PatientAttempts };

    private static readonly ImmutableArray<SwitchState> States =
    [
        new SwitchState { Phase = SwitchPhase.Idle, Generation = 7 },
        Base with { Phase = SwitchPhase.Idle },
        Answering,
        Answering with { Queued = [ToB] },
        Answering with { InFlight = 1 },
        Answering with { InFlight = 2, Attempts = 1 },
        Switching with { Phase = SwitchPhase.Draining, Instance = 6, InFlight = 1 },
        Switching with { Phase = SwitchPhase.Draining, Instance = 6, InFlight = 2 },
        Switching with { Phase = SwitchPhase.Draining, Instance = 6, InFlight = 1, Current = ToB with { Force = true } },
        Switching with { Phase = SwitchPhase.Draining, Instance = 6, InFlight = 1, Current = Scheduled },
        Base with { Phase = SwitchPhase.Draining, Instance = 6, InFlight = 1, Goal = "a" },
        Base with { Phase = SwitchPhase.Draining, Instance = 6, InFlight = 1 },
        Recovering with { Phase = SwitchPhase.Draining, InFlight = 1 },
        Base with { Phase = SwitchPhase.Draining, Instance = 6, InFlight = 1, Closing = true },
        Switching with { Phase = SwitchPhase.Unloading },
        RollingBack with { Phase = SwitchPhase.Unloading },
        Switching with { Phase = SwitchPhase.Settling },
        Base with { Phase = SwitchPhase.Settling },
        Base with { Phase = SwitchPhase.Settling, Active = null },
        Recovering with { Phase = SwitchPhase.Settling },
        Failing with { Phase = SwitchPhase.Settling },
        Recovering with { Phase = SwitchPhase.Settling, Queued = [ToB] },
        First with { Phase = SwitchPhase.Loading },
        Switching with { Phase = SwitchPhase.Loading },
        Switching with { Phase = SwitchPhase.Loading, Queued = [new SwitchTicket(2, "b", false)] },
        Switching with { Phase = SwitchPhase.Loading, Queued = [new SwitchTicket(2, "a", false)] },
        RollingBack with { Phase = SwitchPhase.Loading },
        Recovering with { Phase = SwitchPhase.Loading },
        Recovering with { Phase = SwitchPhase.BackingOff, Attempts = 2 },
        Failing with { Phase = SwitchPhase.BackingOff },
        Base with { Phase = SwitchPhase.Stopping, Closing = true },
        Base with { Phase = SwitchPhase.Stopped, Closing = true },
    ];

    [Fact]
    public void Table_is_the_reviewed_one()
    {
        var path = Repository.File("docs", "transitions.txt");
        var table = Print();
        if (Environment.GetEnvironmentVariable("HOTMODEL_REWRITE_GOLDEN") == "1")
            File.WriteAllText(path, table);
        Assert.Equal(File.ReadAllText(path), table);
    }

    [Fact]
    public void Events_of_an_earlier_phase_change_nothing()
    {
        SwitchEventKind[] results =
        [
            SwitchEventKind.ModelUnloaded, SwitchEventKind.MemorySettled, SwitchEventKind.ModelLoaded,
            SwitchEventKind.LoadFailed, SwitchEventKind.ModelLost, SwitchEventKind.DeadlinePassed,
            SwitchEventKind.BackendStopped,
        ];
        foreach (var state in States)
        {
            foreach (var kind in results)
            {
                var step = Machine.Step(state, new SwitchEvent(kind, Generation: 3));
                Assert.Equal(state, step.State);
                Assert.Empty(step.Effects);
            }
        }
    }

    private static string Print()
    {
        var text = new StringBuilder(
            """
            What the switch machine does: for each state the events that can happen there, the next state, and
            what has to be done on the way. Printed and checked by TransitionTableTests; events that cannot
            happen in a state are left out. One switch may wait here; "b~" is one that was scheduled, for requests
            that name b, "b!" one with force. After Open the requests that wait are let in, then NextSwitch follows if
            a switch waits.

            """);
        foreach (var state in States)
        {
            text.Append('\n').Append(SwitchText.Of(state)).Append('\n');
            foreach (var happened in Events(state))
            {
                Step step;
                try
                {
                    step = Machine.Step(state, happened.Event);
                }
                catch (InvalidOperationException)
                {
                    continue;
                }
                if (step.State == state && step.Effects.IsEmpty && happened.Event.Kind == SwitchEventKind.ModelLost)
                    continue;
                text.Append(Line(state, happened.Name, step)).Append('\n');
            }
        }
        return text.ToString();
    }

    private static string Line(SwitchState state, string name, Step step)
    {
        var next = step.State with { Generation = state.Generation } == state ? "(stays)" : SwitchText.Of(step.State);
        var line = $"    {name,-28} -> {next}";
        return step.Effects.IsEmpty ? line
            : line + "\n" + string.Join("\n", step.Effects.Select(e => $"    {"",-28}    {SwitchText.Of(e)}"));
    }

    private static IEnumerable<(string Name, SwitchEvent Event)> Events(SwitchState s)
    {
        foreach (var kind in Enum.GetValues<SwitchEventKind>())
        {
            var plain = new SwitchEvent(kind, kind == SwitchEventKind.ModelLost
                && s.Phase != SwitchPhase.Loading ? s.Instance : s.Generation);
            if (kind == SwitchEventKind.RequestFinished && s.InFlight == 0)
                continue;
            if (kind == SwitchEventKind.NextSwitch && s.Queued.IsEmpty)
                continue;
            if (kind == SwitchEventKind.SwitchRequested)
            {
                yield return ("SwitchRequested(a)", plain with { Ticket = new SwitchTicket(9, "a", false) });
                yield return ("SwitchRequested(b)", plain with { Ticket = new SwitchTicket(9, "b", false) });
                if (s.Current is null && s.Queued.IsEmpty)
                    yield return ("SwitchRequested(b~)", plain with { Ticket = new SwitchTicket(9, "b", false, true) });
                continue;
            }
            if (kind == SwitchEventKind.SwitchWithdrawn)
            {
                if (s.Current is { } current)
                    yield return ("SwitchWithdrawn", plain with { Ticket = current });
                if (s.Queued is [var queued, ..])
                    yield return ("SwitchWithdrawn(queued)", plain with { Ticket = queued });
                continue;
            }
            yield return (kind.ToString(), plain);
            if (kind == SwitchEventKind.RequestFinished)
                yield return ("RequestFinished(answered)", plain with { Answered = true });
            if (kind == SwitchEventKind.LoadFailed)
                yield return ("LoadFailed(permanent)", plain with { Permanent = true });
        }
    }
}
