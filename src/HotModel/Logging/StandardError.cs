namespace HotModel.Logging;

internal sealed class StandardError : ILogOutput
{
    private readonly Stream stream = Console.OpenStandardError();

    public bool TryWrite(ReadOnlySpan<byte> lines)
    {
        try
        {
            stream.Write(lines);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The latter where it was opened for reading.
            return false;
        }
    }

    // The stream is the process's.
    public void Dispose()
    {
    }
}
