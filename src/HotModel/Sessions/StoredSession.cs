namespace HotModel.Sessions;

/// <param name="Key">The store's own key: never used again, even when a session of the same name follows.</param>
/// <param name="LastHash">Of the last message that is history; of the empty conversation where there is none.</param>
internal sealed record SessionHead(
    long Key, string Id, MessageHash LastHash, IReadOnlyList<ReadOnlyMemory<byte>> ClientSystem);

/// <param name="Seq">Place among all messages ever stored of the session, from 1; replaced ones leave gaps.</param>
internal readonly record struct StoredHash(long Seq, MessageHash Hash);

/// <param name="Messages">Those that are history.</param>
/// <param name="Models">That answered in it, in order of their first answer.</param>
/// <param name="Snapshots">The most recently used first.</param>
/// <param name="ReusedTokens">Of its snapshots, by answers.</param>
/// <param name="SavedSeconds">What evaluating them would have taken, less the reading.</param>
/// <param name="Preview">The beginning of the first user message; "" where there is no text.</param>
internal sealed record SessionSummary(
    string Id, DateTimeOffset Created, DateTimeOffset Updated, int Messages, IReadOnlyList<string> Models,
    IReadOnlyList<SessionSnapshot> Snapshots, long ReusedTokens, double SavedSeconds, string Preview);

/// <summary>What a model has evaluated of a session, on disk. One model has several under different options.</summary>
/// <param name="IsCurrent">It covers all that was said; else the rest has still to be evaluated.</param>
/// <param name="Setup">What was known of the model before it was loaded; null: not all.</param>
internal readonly record struct SessionSnapshot(string Model, int Tokens, long Bytes, bool IsCurrent, string? Setup)
{
    /// <param name="setup">What is known of the model now.</param>
    /// <returns>False: it is another model file, other options, or another llama-server; null: that cannot be told.</returns>
    public bool? IsUsable(string? setup) => Setup is null || setup is null ? null : Setup == setup;
}

internal sealed record SessionPage(long Total, IReadOnlyList<SessionSummary> Sessions);

internal sealed record StoredSession(
    SessionSummary Summary, IReadOnlyList<ReadOnlyMemory<byte>> ClientSystem, IReadOnlyList<StoredMessage> Messages);

/// <param name="Model">That wrote the message; null for the client's own.</param>
/// <param name="Replaced">The client edited or regenerated it: kept, but no longer history.</param>
internal sealed record StoredMessage(
    long Seq, string Role, string? Model, DateTimeOffset Created, bool Replaced, ReadOnlyMemory<byte> Json);

/// <summary>A message to store.</summary>
internal readonly record struct NewMessage(string Role, ReadOnlyMemory<byte> Json, MessageHash Hash, string? Model);

/// <summary>All that one turn changes, in one transaction.</summary>
/// <param name="Key">Null: the session is new.</param>
/// <param name="ReplaceFromSeq">History from here on is no longer history; null: all of it stays.</param>
/// <param name="ClientSystem">The client's system messages; null: those stored stay.</param>
internal sealed record TurnWrite(
    string SessionId,
    long? Key,
    long? ReplaceFromSeq,
    IReadOnlyList<ReadOnlyMemory<byte>>? ClientSystem,
    IReadOnlyList<NewMessage> Messages);

/// <summary>
/// Deleted: the session was deleted while its turn ran, and stays so. Failed: nothing of the turn is stored.
/// </summary>
internal enum AppendStatus { Stored, Deleted, Failed }

/// <param name="Error">One sentence where nothing was stored.</param>
internal readonly record struct AppendResult(AppendStatus Status, string? Error)
{
    public bool Stored => Status == AppendStatus.Stored;
}

internal enum DeleteResult { Deleted, NotFound, Failed }
