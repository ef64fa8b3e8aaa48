namespace HotModel.Logging;

/// <summary>Where a log's lines go. One writer.</summary>
internal interface ILogOutput : IDisposable
{
    /// <summary>May take as long as it likes. False: the lines are lost, and the next ones are tried again.</summary>
    bool TryWrite(ReadOnlySpan<byte> lines);
}
