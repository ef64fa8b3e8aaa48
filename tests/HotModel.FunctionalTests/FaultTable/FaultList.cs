namespace HotModel.FunctionalTests.FaultTable;

/// <summary>The rows of the table.</summary>
internal static partial class FaultList
{
    // Before the groups, which are made of them.
    private static readonly Phase[] WhileLoading =
        [Phase.Starting, Phase.Loading, Phase.RollingBack, Phase.BringingBack];
    private static readonly Phase[] WithinALoad = [Phase.Loading, Phase.RollingBack, Phase.BringingBack];
    private static readonly Phase[] WithAnswer = [Phase.Answering, Phase.Draining, Phase.FirstAnswer];

    public static readonly IReadOnlyList<FaultGroup> Groups =
    [
        new("Processes that die", Processes()),
        new("Models that do not load", Loads()),
        new("Models that do not leave", Unloads()),
        new("Answers that break", Answers()),
        new("A router that answers wrongly", Control()),
        new("Events that are wrong", Events()),
        new("Conversations that cannot be saved or restored", Slots()),
        new("Video memory", VideoMemory()),
    ];

    private const string NothingLoads = "nothing is being loaded then";
    private const string NothingUnloads = "nothing is being unloaded then";
    private const string AsBringingBack = "it is as when bringing back";
    private const string NoAnswer = "no answer is under way then";
    private const string AsAnswering = "it is as in answering, and when HotModel's time is up the answer is cut";
    private const string AsAWhole = "llama-server is ended as a whole then";
    private const string GoneAlready = "the model has gone already";

    private static IReadOnlyList<Fault> Processes() =>
    [
        new Fault("A model's process dies", "It crashes, or somebody kills it: the kernel for lack of memory, for instance.")
            { Victim = Victim.Model }
            .In(Bound.Of(10), "", Phase.Starting, Phase.Idle, Phase.Answering, Phase.Draining, Phase.Unloading,
                Phase.Loading, Phase.RollingBack, Phase.BringingBack, Phase.Stopping)
            .NotIn(GoneAlready, Phase.Settling)
            .NotIn("it is as in answering", Phase.FirstAnswer),
        new Fault("A model's process dies of every request", "A bug, or a context that does not fit into memory.")
            .In(Bound.Of(30), "die-on-chat@{}", Phase.Answering)
            .In(Bound.Of(30), "die-on-chat@{}", Phase.FirstAnswer)
            .NotIn("it is as when the process dies once", Phase.Draining, Phase.Stopping)
            .NorElsewhere(NoAnswer),
        new Fault("llama-server dies", "The router, and with it the process of its model.") { Victim = Victim.Server }
            .In(Bound.Of(40), "", Phase.Starting, Phase.Idle, Phase.Answering, Phase.Draining, Phase.Unloading,
                Phase.Loading, Phase.RollingBack, Phase.BringingBack, Phase.Stopping)
            .NotIn("see [Video memory](#video-memory)", Phase.Settling)
            .NotIn("it is as in answering", Phase.FirstAnswer),
        new Fault("llama-server does not end when it is told to", "It ignores SIGTERM.")
            .With("ignore-sigterm", Bound.Of(20), "ignore-sigterm", Phase.Stopping)
            .NorElsewhere("it is told to end only when HotModel ends"),
    ];

    private static IReadOnlyList<Fault> Loads() =>
    [
        new Fault("A load is slow", "But not slower than `load_timeout_seconds`.")
            .In(Bound.Of(15), "load-slow=1000@{}", WhileLoading)
            .NorElsewhere(NothingLoads),
        new Fault("A load never ends", "No error, and no end.") { Kind = ServerKind.Hasty }
            .In(Bound.After("load_timeout_seconds", 10), "load-hangs@{}", Phase.Loading)
            .In(Bound.After("load_timeout_seconds", 20, times: 3), "load-hangs@{}", Phase.RollingBack, Phase.BringingBack)
            .NotIn(AsBringingBack, Phase.Starting)
            .NorElsewhere(NothingLoads),
        new Fault("A load fails for lack of memory", "As llama-server's log says; each time.")
            .In(Bound.Of(20), "load-fails=" + OutOfMemory + "@{}", WhileLoading)
            .NorElsewhere(NothingLoads),
        new Fault("The model's file is gone", "It was deleted or renamed, or its disk is not mounted.")
            .In(Bound.Of(20), "load-fails=" + MissingFile + "@{}", WhileLoading)
            .NorElsewhere(NothingLoads),
        new Fault("A load fails once", "The first try ends with an error, the next one would not.")
            .In(Bound.Of(20), "load-fails=" + OutOfMemory + "@{}#1", WhileLoading)
            .NorElsewhere(NothingLoads),
        new Fault("llama-server accepts a load and does nothing", "The model stays \"unloaded\".") { IsAtOnce = true }
            .In(Bound.Of(30), "load-ignored@{}", WhileLoading)
            .NorElsewhere(NothingLoads),
        new Fault("llama-server refuses a load, and a moment later does not",
            "\"model limit reached, try again later\": it is still busy with the model before.") { IsAtOnce = true }
            .In(Bound.Of(15), "load-refused@{}#3", WhileLoading)
            .NorElsewhere(NothingLoads),
        new Fault("llama-server refuses a load for ever", "With the same words.")
            { Kind = ServerKind.Hasty, IsAtOnce = true }
            .In(Bound.After("load_timeout_seconds", 10), "load-refused@{}", Phase.Loading)
            .In(Bound.After("load_timeout_seconds", 20, times: 3), "load-refused@{}", Phase.BringingBack)
            .NotIn(AsBringingBack, Phase.Starting)
            .NotIn("it is as with a load that never ends", Phase.RollingBack)
            .NorElsewhere(NothingLoads),
        new Fault("llama-server says \"loaded\", and the model answers 503", "To every request: \"Loading model\".")
            { Kind = ServerKind.Hasty }
            .In(Bound.After("load_timeout_seconds", 10), "answers-503@{}", Phase.Loading)
            .In(Bound.After("load_timeout_seconds", 20, times: 3), "answers-503@{}", Phase.RollingBack, Phase.BringingBack)
            .NotIn(AsBringingBack, Phase.Starting)
            .NorElsewhere(NothingLoads),
    ];

    private static IReadOnlyList<Fault> Unloads() =>
    [
        new Fault("A model never leaves", "llama-server goes on saying \"loaded\", and its process stays.")
            { Kind = ServerKind.Restarting }
            .In(Bound.After("stop-timeout", 30), "unload-hangs@a", Phase.Unloading)
            .With("load-hangs@b,unload-hangs@b", Bound.After("load_timeout_seconds", 40), "", Phase.RollingBack)
            .NotIn(AsAWhole, Phase.Stopping)
            .NorElsewhere(NothingUnloads),
        new Fault("A model takes ten seconds to leave",
            "Its stop-timeout, after which llama-server kills it and reports `failed`: what a model often does that was "
            + "answering just before.")
            .In(Bound.Of(25), "unload-lingers=10000@a", Phase.Unloading)
            .NotIn("a model that did not load is killed at once", Phase.RollingBack)
            .NotIn(AsAWhole, Phase.Stopping)
            .NorElsewhere(NothingUnloads),
        new Fault("A model that left as it should is reported as failed", "With an exit code and `failed`.")
            .In(Bound.Of(10), "reports-failed-after-clean-unload@a", Phase.Unloading)
            .With("reports-failed-after-clean-unload@a," + FailsB, Bound.Of(10), "", Phase.RollingBack)
            .NotIn("nobody looks at it any more", Phase.Stopping)
            .NorElsewhere(NothingUnloads),
        new Fault("llama-server refuses to unload, or does not hear it", "The first time; with an error 500.")
            { IsAtOnce = true }
            .In(Bound.Of(10), "unload-refused@a#1", Phase.Unloading)
            .NotIn("what did not load has no process that would have to be unloaded", Phase.RollingBack)
            .NotIn(AsAWhole, Phase.Stopping)
            .NorElsewhere(NothingUnloads),
    ];

    private const string OutOfMemory =
        "0.01.2 E ggml_backend_cuda_buffer_type_alloc_buffer: allocating 48128.00 MiB on device 0: cudaMalloc failed: out of memory";
    private const string MissingFile =
        "0.01.2 E gguf_init_from_file: failed to open GGUF file 'model.gguf' (No such file or directory)";
    /// <summary>Makes b's load fail.</summary>
    public const string FailsB = "load-fails=0.01.2 E srv    load_model: failed to load model@b";
}
