using HotModel.Sessions;

namespace HotModel.Snapshots;

/// <summary>What a slot holds.</summary>
/// <param name="SessionKey">The store's key of the conversation.</param>
/// <param name="History">Of the messages covered, the answer included; of none where it ends among them.</param>
/// <param name="Tokens">At least.</param>
internal sealed record SlotContent(long SessionKey, MessageHash History, int Tokens)
{
    /// <summary>A file has the tokens.</summary>
    public bool IsKept { get; init; }
    /// <summary>More may follow them, by a request that was cut.</summary>
    public bool IsCut { get; init; }
    /// <summary>Of evaluating them, where that is known.</summary>
    public double? TokenSeconds { get; init; }
    /// <summary>The conversation that comes to the slot next: its file makes no room for this one.</summary>
    public long? SparedKey { get; init; }
}

internal enum SaveStatus
{
    Saved,
    /// <summary>Fewer tokens than snapshots.min_tokens.</summary>
    TooShort,
    /// <summary>Saving is no use with this model and build, or switched off.</summary>
    NotRestorable,
    /// <summary>The slot holds something else by now.</summary>
    Changed,
    /// <summary>A file has it already.</summary>
    Kept,
    /// <summary>There is none beside conversations that were used since.</summary>
    NoRoom,
    Failed,
}

/// <param name="Tokens">In the file; 0 where nothing was saved.</param>
/// <param name="Error">One sentence, where it was not Saved.</param>
internal readonly record struct SaveResult(SaveStatus Status, int Tokens, long Bytes, double Seconds, string? Error);

/// <summary>
/// Missing: nothing was sent to the server. NoRoom: other slots may have to be emptied first. Failed: the file was no good and
/// is deleted. After the last two the slot may be empty, or is soon.
/// </summary>
internal enum RestoreStatus { Restored, Missing, NoRoom, Failed }

/// <param name="Content">What the slot now holds, where it was Restored.</param>
internal readonly record struct RestoreResult(
    RestoreStatus Status, int Tokens, long Bytes, double Seconds, string? Error, SlotContent? Content);

/// <param name="Count">On disk now, as are the bytes; the rest counts since the start.</param>
/// <param name="Failed">Of saving and of restoring.</param>
internal readonly record struct SnapshotTotals(
    long Count, long Bytes, long MaxBytes, long Saved, long Restored, long Failed, long Evicted);
