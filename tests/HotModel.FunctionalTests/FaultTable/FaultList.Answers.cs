namespace HotModel.FunctionalTests.FaultTable;

/// <content>Faults of answers and of what is kept of conversations.</content>
internal static partial class FaultList
{
    private static IReadOnlyList<Fault> Answers() =>
    [
        Broken("The connection breaks in the middle of an answer",
            "It is reset behind a whole event; at every other byte the outcome is the same.",
            "stream-reset-after=3"),
        Broken("llama-server writes a proxy error into an answer",
            "The text `proxy error: Failed to read connection` in the stream, with status 200: what it does when a model's "
            + "process dies and the router was asked.", "proxy-error-in-stream"),
        Broken("An answer ends early", "Properly, but without a last word and without `[DONE]`.", "stream-ends"),
        Broken("An answer ends within an event", "Half of its JSON has come.", "stream-half-event"),
        Broken("An answer turns into garbage", "Bytes that are no events.", "stream-garbage"),
        Broken("An event never ends", "More than 16 MiB without a line end.", "stream-long-event"),
        Broken("llama-server itself reports an error in an answer", "By an event of its own.", "stream-error"),
        new Fault("An answer stalls", "Its beginning has come, and nothing follows. Its client leaves in the end.")
            { Kind = ServerKind.Hasty, ClientLeaves = true }
            .In(Bound.Of(10), "stream-stalls@{}#1", Phase.Answering)
            .In(Bound.After("switch_drain_timeout_seconds", 10), "stream-stalls@{}#1", Phase.Draining)
            .NotIn("it is as in answering", Phase.FirstAnswer)
            .NotIn("see an answer that stalls, and its model must go", Phase.Stopping)
            .NorElsewhere(NoAnswer),
        new Fault("An answer stalls, and its model must go", "By a forced switch, or because HotModel ends.")
            { Kind = ServerKind.Hasty, IsForced = true }
            .In(Bound.After("switch_drain_timeout_seconds", 10), "stream-stalls@{}#1", Phase.Draining)
            .In(Bound.After("stop_timeout_seconds", 10), "stream-stalls@{}#1", Phase.Stopping)
            .NotIn("nothing makes it go", Phase.Answering, Phase.FirstAnswer)
            .NorElsewhere(NoAnswer),
        new Fault("An answer never begins, and its model must go", "By a forced switch, or because HotModel ends.")
            { Kind = ServerKind.Hasty, IsForced = true, IsBeforeAnswer = true }
            .In(Bound.After("switch_drain_timeout_seconds", 10), "chat-hangs@{}#1", Phase.Draining)
            .In(Bound.After("stop_timeout_seconds", 10), "chat-hangs@{}#1", Phase.Stopping)
            .NotIn("nothing makes it go: it is as with an answer that stalls", Phase.Answering, Phase.FirstAnswer)
            .NorElsewhere(NoAnswer),
        Unbegun("A connection breaks before an answer",
            "llama-server has read the request. (One that it has not read, because it closed an idle connection at that moment, "
            + "is sent again, and nobody notices.)", "chat-closes"),
        Unbegun("A model answers 503 to a request", "\"Loading model\", though it has loaded.", "chat-fails=503"),
        Unbegun("A model answers 500 to a request", "With an error of llama-server's shape.", "chat-fails=500"),
        Unbegun("A model answers with garbage", "Status 200, and a page of HTML.", "chat-garbage"),
        Unbegun("A model's answer has a head of 64 KiB", "More than any server sends.", "chat-long-head"),
        new Fault("Half of an answer comes", "Of one that is not streamed.") { IsBeforeAnswer = true }
            .In(Bound.Of(15), "chat-half@{}#1", WithAnswer)
            .NotIn(AsAnswering, Phase.Stopping)
            .NorElsewhere(NoAnswer),
    ];

    private static IReadOnlyList<Fault> Slots() =>
    [
        new Fault("A conversation cannot be saved", "llama-server answers with an error.") { Kind = ServerKind.Warm }
            .With("save-fails", Bound.Of(10), "save-fails", Phase.Unloading)
            .In(Bound.Of(10), "save-fails", Phase.Stopping)
            .NorElsewhere("nothing is saved then"),
        new Fault("A conversation is being saved for ever", "llama-server does not answer.") { Kind = ServerKind.Warm }
            .With("save-hangs", Bound.Of(40), "save-hangs", Phase.Unloading)
            .In(Bound.Of(40), "save-hangs", Phase.Stopping)
            .NorElsewhere("nothing is saved then"),
        new Fault("A conversation cannot be restored", "llama-server answers with an error.") { Kind = ServerKind.Warm }
            .In(Bound.Of(10), "restore-fails", Phase.Loading, Phase.RollingBack)
            .NotIn("what a process had that died is lost", Phase.BringingBack)
            .NorElsewhere("nothing is restored then"),
        new Fault("A conversation is being restored for ever", "llama-server does not answer.") { Kind = ServerKind.Warm }
            .In(Bound.Of(40), "restore-hangs", Phase.Loading, Phase.RollingBack)
            .NotIn("what a process had that died is lost", Phase.BringingBack)
            .NorElsewhere("nothing is restored then"),
    ];

    /// <summary>In the middle of a stream.</summary>
    private static Fault Broken(string title, string what, string fault) => WithAnAnswer(new Fault(title, what), fault);

    /// <summary>Before an answer.</summary>
    private static Fault Unbegun(string title, string what, string fault) =>
        WithAnAnswer(new Fault(title, what) { IsBeforeAnswer = true }, fault);

    private static Fault WithAnAnswer(Fault fault, string faults) => fault
        .In(Bound.Of(15), faults + "@{}#1", WithAnswer)
        .NotIn("it is as in answering", Phase.Stopping)
        .NorElsewhere(NoAnswer);
}
