namespace HotModel.Scheduling;

internal enum RequestIntent
{
    Normal,
    /// <summary>Uses what is loaded; has a model loaded only when nobody else needs the place.</summary>
    Background,
    /// <summary>Reads something of a model that is loaded or on its way: has none loaded, and is no use of it.</summary>
    Look,
}

internal enum ScheduleEventKind
{
    RequestArrived,
    /// <summary>The client of a request that waits has gone.</summary>
    RequestLeft,
    /// <summary>Those who wait for the model wait elsewhere from now on; without a model: all do.</summary>
    LineMoved,
    /// <summary>A request that was let in has ended, in whatever way.</summary>
    AnswerEnded,
    /// <summary>A switch that the scheduler did not start has begun: the gate is closed.</summary>
    SwitchBegun,
    /// <summary>A model answers: loaded, brought back, or kept because running answers did not end in time.</summary>
    ModelOpened,
    /// <summary>The model that is being left has died: there is no way back to it.</summary>
    LeavingModelLost,
    /// <summary>The loaded model was chosen anew, maybe when it was about to leave: its turn begins again.</summary>
    ModelKept,
    /// <summary>A load failed; another model may be on its way instead.</summary>
    LoadFailed,
    /// <summary>No model is loaded; the model may be on its way back without anybody having asked.</summary>
    ModelGone,
    /// <summary>Whether there is place for one more model beside the loaded one, or another one that leaves for it.</summary>
    RoomChanged,
    /// <summary>The model that was to come beside the loaded one did, or cannot: those who wait for it are elsewhere.</summary>
    BesideEnded,
    /// <summary>The model that was to come beside the loaded one has to come in its place.</summary>
    BesideRefused,
    /// <summary>The model is not configured any more.</summary>
    ModelForgotten,
    /// <summary>The time that was asked for with WakeAt has come. One that is early or late does no harm.</summary>
    TimePassed,
    StopRequested,
}

/// <summary>What happened. Only the members that the kind names are set.</summary>
internal readonly record struct ScheduleEvent(ScheduleEventKind Kind)
{
    /// <summary>Of the request: unique, and growing with each arrival.</summary>
    public long Id { get; init; }
    /// <summary>
    /// RequestArrived: the model that it names; null: the active one. AnswerEnded: the one that answered. SwitchBegun: the
    /// target. ModelOpened, LoadFailed, ModelForgotten, LineMoved: the one. ModelGone: the one that is being brought back.
    /// </summary>
    public string? Model { get; init; }
    /// <summary>RequestArrived, AnswerEnded.</summary>
    public RequestIntent Intent { get; init; }
    /// <summary>RequestArrived: its own bound on waiting.</summary>
    public TimeSpan? Patience { get; init; }
    /// <summary>AnswerEnded: from being let in to the end; null where the answer was cut, as that says nothing.</summary>
    public TimeSpan? AnswerTook { get; init; }
    /// <summary>ModelOpened: the model that left for it.</summary>
    public string? Left { get; init; }
    /// <summary>ModelOpened: until the model that left was gone and its memory back, without the wait for answers.</summary>
    public TimeSpan? UnloadTook { get; init; }
    /// <summary>ModelOpened: loading, and bringing back conversations. Null where nothing was loaded.</summary>
    public TimeSpan? LoadTook { get; init; }
    /// <summary>
    /// ModelOpened: the target of an explicit switch that begins as soon as those who wait for this model are let in; null:
    /// there is none.
    /// </summary>
    public string? Next { get; init; }
    /// <summary>LoadFailed: one sentence.</summary>
    public string? Reason { get; init; }
    /// <summary>LoadFailed: the model that is loaded instead; null: none.</summary>
    public string? Instead { get; init; }
    /// <summary>RequestArrived: when it came, if it has waited elsewhere since. It is not asked again whether it may.</summary>
    public TimeSpan? Since { get; init; }
    /// <summary>RequestArrived: how many wait elsewhere. They count for the bound of all.</summary>
    public int WaitElsewhere { get; init; }
    /// <summary>RoomChanged: there is place.</summary>
    public bool HasRoom { get; init; }
    /// <summary>RoomChanged: another model can make some.</summary>
    public bool OthersYield { get; init; }
}
