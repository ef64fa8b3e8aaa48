namespace HotModel.FunctionalTests.FaultTable;

/// <content>Faults of what llama-server's router says about models.</content>
internal static partial class FaultList
{
    private static IReadOnlyList<Fault> Control() =>
    [
        new Fault("llama-server answers no more",
            "Its router takes requests and does nothing, until it is started again. Models that are loaded still answer; in "
            + "idle, the process of `a` dies as well. The next request is one that its client repeats until it is answered.")
            { Kind = ServerKind.Restarting, KillsIdle = true, IsAskedAgain = true }
            .In(Bound.Of(60), "router-wedges#1", Phase.Idle)
            .In(Bound.Of(40), "router-wedges#1", Phase.Unloading)
            .In(Bound.After("load_timeout_seconds", 50), "router-wedges#1", WithinALoad)
            .In(Bound.Of(20), "router-wedges#1", Phase.Stopping)
            .NotIn("nobody asks it for anything then", Phase.Answering, Phase.Draining, Phase.FirstAnswer)
            .NotIn(AsBringingBack, Phase.Starting)
            .NorElsewhere("it is as in loading"),
        .. Passing("llama-server answers with garbage", "Three times, though it does what it is asked for.", "control-garbage#3"),
        .. Passing("llama-server's answers break off", "Three of them, in the middle.", "control-half#3"),
        .. Passing("llama-server resets connections", "Three of them, without having done what it was asked for.",
            "control-resets#3"),
        .. Passing("llama-server's answers have heads of 64 KiB", "Three of them.", "control-long-head#3"),
        .. Passing("llama-server answers 500", "Three times, though it does what it is asked for.", "control-fails#3"),
    ];

    private static IReadOnlyList<Fault> Events() =>
    [
        Told("There are no events", "Older builds: `/models/sse` is 404.", "", ServerKind.NoEvents),
        Told("Events do not come", "The stream is there, and silent.", "sse-stalls"),
        Told("Events come three times", "Each of them.", "sse-repeats"),
        Told("Events come late", "Each of them, by half a second.", "sse-late=500"),
        Told("Events come in the wrong order", "The last of a change first.", "sse-reversed"),
        Told("Events have older shapes", "Those of older builds, and `/models` tells less.", "sse-old-shape,models-old-shape"),
        Told("Between events is garbage", "Lines of no event, JSON of no object, bytes of no text.", "sse-garbage"),
        Told("Events of three megabytes", "Between those that matter.", "sse-long"),
        Told("The stream of events breaks", "In the middle of each event.", "sse-half"),
    ];

    private static IEnumerable<Fault> Passing(string title, string what, string fault) =>
    [
        new Fault(title, what)
            .In(Bound.Of(20), fault, Phase.Starting, Phase.Unloading, Phase.Loading, Phase.RollingBack, Phase.BringingBack)
            .NorElsewhere("it is asked for nothing then, or as in another phase"),
    ];

    /// <summary>In those phases in which an event is waited for.</summary>
    private static Fault Told(string title, string what, string fault, ServerKind? kind = null)
    {
        var told = new Fault(title, what) { Kind = kind ?? ServerKind.Usual, KillsIdle = true };
        return told.In(Bound.Of(15), fault, Phase.Idle, Phase.Unloading, Phase.Loading, Phase.RollingBack, Phase.BringingBack)
            .NotIn(AsBringingBack, Phase.Starting)
            .NotIn("the answer itself tells when a process dies", Phase.Answering, Phase.Draining, Phase.FirstAnswer)
            .NorElsewhere("no event is waited for then");
    }

    private static IReadOnlyList<Fault> VideoMemory() =>
    [
        new Fault("Video memory does not come back", "Somebody else took it, or the driver is slow.")
            { Kind = ServerKind.HastyGpu, VideoMemory = FakeGpu.Much }
            .In(Bound.After("gpu_settle_timeout_seconds", 10), "", Phase.Settling)
            .NorElsewhere("it is not waited for then"),
        new Fault("The driver gives no more readings", "It fails.")
            { Kind = ServerKind.Gpu, VideoMemory = FakeGpu.Unreadable }
            .In(Bound.Of(10), "", Phase.Settling)
            .NorElsewhere("without a reading a switch goes on as without a GPU"),
        new Fault("llama-server dies while video memory comes back", "The router; the model has left already.")
            { Kind = ServerKind.Gpu, VideoMemory = FakeGpu.Little, Victim = Victim.Server }
            .In(Bound.Of(40), "", Phase.Settling)
            .NorElsewhere("see [llama-server dies](#llama-server-dies)"),
    ];
}
